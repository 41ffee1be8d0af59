package httpapi

import (
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// newSignatureJSON is a signature in a request.
type newSignatureJSON struct {
	Name  string     `json:"name" doc:"The person's name." example:"Ada Lovelace"`
	Email string     `json:"email" doc:"The person's address." example:"ada@example.com"`
	Time  *time.Time `json:"time,omitempty" doc:"Now, if it is not given."`
}

// signature returns the zero one for nil alone: whoever sends an empty one, or a zero time, is not to be taken for
// somebody who sent none. It fails with INVALID_SIGNATURE.
func (s *newSignatureJSON) signature(field string) (git.Signature, error) {
	if s == nil {
		return git.Signature{}, nil
	}
	out := git.Signature{Name: s.Name, Email: s.Email}
	if s.Time != nil {
		out.When = *s.Time
	}
	if s.Time != nil || out.IsZero() {
		return out, out.Validate(field)
	}
	return out, nil
}

// newCommitJSON is the body of a commit. All but the actions is read into it; they are read one by one.
type newCommitJSON struct {
	Branch        string            `json:"branch" doc:"The branch to commit to, by its short name." example:"main"`
	Message       string            `json:"message" doc:"The message, at most 256 KiB." example:"Add the spring collection"`
	Author        *newSignatureJSON `json:"author,omitempty" doc:"Who made the change; the service itself if it is not given."`
	Committer     *newSignatureJSON `json:"committer,omitempty" doc:"Who made the commit; the author if it is not given."`
	StartRevision string            `json:"start_revision,omitempty" doc:"Makes the branch, beginning here. It must not exist yet."`
	ExpectedHead  expectedIDJSON    `json:"expected_head,omitempty" doc:"The commit that the branch must be at; empty if it must not exist."`
	OnConflict    string            `json:"on_conflict,omitempty" enum:"fail,replay_if_paths_untouched" doc:"What to do if the branch is not at expected_head: fail, as without this member, or commit all the same if no path of the actions has changed since."`
	RequestID     string            `json:"request_id,omitempty" format:"uuid" doc:"Makes a retry return the first request's commit."`
	AllowEmpty    bool              `json:"allow_empty,omitempty" doc:"Makes a commit even if nothing changes."`
	DryRun        bool              `json:"dry_run,omitempty" doc:"Checks everything and makes nothing."`
	Actions       []actionJSON      `json:"actions" doc:"What changes, in order; no two on one path." nullable:"false"`
}

type actionJSON struct {
	Action         string         `json:"action" doc:"What is done: create needs that there is no such file, update that there is one, upsert writes either way; move may take new content with it." enum:"create,update,upsert,delete,move,chmod"`
	Path           string         `json:"path" doc:"The file's path from the root of the tree." example:"products/coffee/night-ferry.md"`
	From           string         `json:"from,omitempty" doc:"Where move takes the file from."`
	Content        *string        `json:"content,omitempty" nullable:"false" doc:"What to write, as text. A move without content keeps it."`
	ContentBase64  base64Content  `json:"content_base64,omitempty" doc:"What to write, in base64 with padding."`
	Executable     *bool          `json:"executable,omitempty" nullable:"false" doc:"The new mode. Without it a file keeps its mode, and a new one is not executable. chmod needs it."`
	ExpectedBlobID expectedIDJSON `json:"expected_blob_id,omitempty" doc:"The blob that path, or from, must hold; empty if there must be none."`
}

type commitResultJSON struct {
	CommitID string            `json:"commit_id" doc:"The commit; of a dry run, the one that would be made."`
	ParentID string            `json:"parent_id" doc:"Its first parent; empty for a root commit."`
	TreeID   string            `json:"tree_id" doc:"The tree of the commit."`
	Blobs    map[string]string `json:"blobs" doc:"The blob ids of the files that were written, moved or changed in mode, by path."`
	Replayed bool              `json:"replayed" doc:"Whether the request_id was known, and the commit made before."`
	NoOp     bool              `json:"no_op" doc:"Whether nothing changed, and so no commit was made."`
}

func commitAnswers(headers ...string) map[int]content {
	headers = append([]string{"GitStore-Commit"}, headers...)
	return map[int]content{
		http.StatusCreated: {description: "The commit was made, now or before for the same request_id.", value: commitResultJSON{}, headers: append([]string{"Location"}, headers...)},
		http.StatusOK: {
			description: "No commit was made: a dry run, or nothing to change.",
			value:       commitResultJSON{}, headers: headers,
		},
	}
}

func (a *api) commitRoutes() []*route {
	return []*route{newRoute(http.MethodPost, "/v1/repositories/{id}/commits", spec{
		id: "createCommit", group: "Commits", summary: "Commit many files at once",
		description: "All actions become one commit, or nothing happens. All conditions are judged against the branch as it was, " +
			"so the order of the actions does not matter; no two may touch one path.\n\n" +
			"The body is read as a stream. Put actions last: then a body of any allowed size takes little memory. Members that follow " +
			"the actions are accepted in a small body only.",
		instead: "use the member expected_head for the branch, and expected_blob_id of an action for its file",
		body:    &content{value: newCommitJSON{}}, answers: commitAnswers(),
		fails: slices.Concat(ofCommit, ofContent, ofRevision, []errs.Reason{
			errs.ReasonNoActions, errs.ReasonTooManyActions, errs.ReasonInvalidAction, errs.ReasonDuplicatePath, errs.ReasonPathNotFound, errs.ReasonPathExists,
			errs.ReasonBlobMoved,
		}),
	}, a.createCommit)}
}

func (a *api) createCommit(c *call) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	if err := c.openJSON(a.opts.MaxBody, "make several commits, or have the operator raise the limit"); err != nil {
		return err
	}
	stream := newCommitStream(c.body, a.opts, &c.hold)
	req, err := stream.header()
	if err != nil {
		return c.body.blame(err)
	}
	result, err := repo.CommitFiles(c.ctx(), req, stream.changes)
	if err != nil {
		return c.body.blame(stream.blame(err))
	}
	return c.answerCommit(commitStatus(req, result), result)
}

// commitStatus answers a replay as the first request was: whoever retries need not tell the two apart.
func commitStatus(req ports.CommitFiles, result ports.CommitResult) int {
	if req.DryRun || result.NoOp {
		return http.StatusOK
	}
	return http.StatusCreated
}

func (c *call) answerCommit(status int, result ports.CommitResult) error {
	out := commitResultJSON{
		CommitID: result.Commit.String(), ParentID: result.Parent.String(), TreeID: result.Tree.String(),
		Blobs: make(map[string]string, len(result.Blobs)), Replayed: result.Replayed, NoOp: result.NoOp,
	}
	for _, b := range result.Blobs {
		out.Blobs[b.Path.String()] = b.Blob.String()
	}
	if status == http.StatusCreated {
		c.w.Header().Set("Location", "/v1/repositories/"+c.path["id"]+"/commits/"+out.CommitID)
	}
	c.setCommit(result.Commit)
	return c.answer(status, out)
}

// request checks what a commit needs apart from its actions.
func (h *newCommitJSON) request() (req ports.CommitFiles, err error) {
	if h.Branch == "" {
		return req, errs.InvalidField(errs.ReasonInvalidArgument, "branch", "branch is missing: name the branch to commit to")
	}
	if req.Branch, err = newBranch("branch", h.Branch); err != nil {
		return req, err
	}
	if h.StartRevision != "" {
		if req.Start, err = parseRevision("start_revision", h.StartRevision); err != nil {
			return req, err
		}
	}
	if req.ExpectedHead, err = h.ExpectedHead.expectation("expected_head"); err != nil {
		return req, err
	}
	if req.OnConflict, err = conflictPolicy(h.OnConflict); err != nil {
		return req, err
	}
	req.RequestID, req.Message, req.AllowEmpty, req.DryRun = h.RequestID, h.Message, h.AllowEmpty, h.DryRun
	if req.Author, err = h.Author.signature("author"); err != nil {
		return req, err
	}
	req.Committer, err = h.Committer.signature("committer")
	return req, err
}

func conflictPolicy(s string) (ports.ConflictPolicy, error) {
	switch s {
	case "", "fail":
		return ports.FailOnConflict, nil
	case "replay_if_paths_untouched":
		return ports.ReplayIfPathsUntouched, nil
	}
	return 0, errs.InvalidField(errs.ReasonInvalidArgument, "on_conflict", "on_conflict %q is unknown: use fail or replay_if_paths_untouched", clip(s, 64))
}

// expectedIDJSON is an object ID, or "" for nothing. It is not null: a caller who sends null may mean either.
type expectedIDJSON struct {
	given bool
	id    string
}

// UnmarshalJSON refuses all but a string.
func (e *expectedIDJSON) UnmarshalJSON(b []byte) error {
	if b[0] != '"' {
		return &json.SemanticError{}
	}
	e.given = true
	return json.Unmarshal(b, &e.id)
}

// Schema says how it is described.
func (expectedIDJSON) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeString} }

func (e expectedIDJSON) expectation(field string) (git.Expectation, error) {
	if !e.given {
		return git.Expectation{}, nil
	}
	return parseExpectation(field, e.id)
}
