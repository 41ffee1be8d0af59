package httpapi

import (
	"net/http"
	"slices"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
	"github.com/gitstore-dev/gitstore/ports"
)

type signatureJSON struct {
	Name  string    `json:"name" doc:"The person's name."`
	Email string    `json:"email" doc:"The person's address."`
	Time  time.Time `json:"time" doc:"When, in the person's time zone."`
}

type commitJSON struct {
	CommitID      string        `json:"commit_id" doc:"The commit's id."`
	TreeID        string        `json:"tree_id" doc:"The id of its tree."`
	ParentIDs     []string      `json:"parent_ids" nullable:"false" doc:"None for a root commit, several for a merge."`
	Author        signatureJSON `json:"author" doc:"Who wrote the change, and when."`
	Committer     signatureJSON `json:"committer" doc:"Who made the commit, and when."`
	Message       string        `json:"message" doc:"The message."`
	MessageBase64 []byte        `json:"message_base64,omitempty" doc:"The message's bytes, if they are not UTF-8."`
}

func signatureView(s git.Signature) signatureJSON {
	return signatureJSON{Name: s.Name, Email: s.Email, Time: s.When}
}

func commitView(commit *git.Commit) commitJSON {
	return commitJSON{
		CommitID: commit.ID.String(), TreeID: commit.Tree.String(), ParentIDs: views(commit.Parents, git.ObjectID.String),
		Author: signatureView(commit.Author), Committer: signatureView(commit.Committer),
		Message: commit.Message, MessageBase64: base64Unless(commit.Message),
	}
}

func (a *api) historyRoutes() []*route {
	const group = "Commits"
	query := append([]*param{
		refParam(),
		nameParam("path", "Only commits that changed this file, or anything below this directory."),
		textParam("author", "Only commits whose author's name or email contains this, case ignored."),
		timeParam("since", "Only commits made at this time or later."),
		timeParam("until", "Only commits made at this time or earlier."),
		boolParam("first_parent", "Follows only the first parent of a merge."),
	}, pageParams()...)
	return []*route{
		newRoute(http.MethodGet, "/v1/repositories/{id}/commits", spec{
			id: "listCommits", group: group, summary: "List history", query: query,
			description: "A commit comes after all its descendants, and otherwise the newest first. The ref is resolved for the " +
				"first page; the others are of the same history.",
			answers: ok("A page of commits.", list[commitJSON]{}, "GitStore-Commit"), fails: slices.Concat(ofRevision, []errs.Reason{errs.ReasonInvalidPath}),
		}, a.listCommits),
		newRoute(http.MethodGet, "/v1/repositories/{id}/commits/{revision...}", spec{
			id: "getCommit", group: group, summary: "Read a commit",
			answers: ok("The commit.", commitJSON{}, "GitStore-Commit"), fails: ofRevision,
		}, a.getCommit),
	}
}

func (a *api) listCommits(c *call) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	cur, err := c.cursor()
	if err != nil {
		return err
	}
	q, err := historyQuery(c, cur)
	if err != nil {
		return err
	}
	start, commits, err := repo.ListCommits(c.ctx(), q)
	if err != nil {
		return cur.blame(err)
	}
	items, more, err := take(commits, cur.size)
	if err != nil {
		return cur.blame(err)
	}
	out := list[commitJSON]{Items: views(items, commitView)}
	if more {
		out.NextPageToken = cur.next(page.Token{Commit: start, Skip: cur.Skip + len(items)})
	}
	c.setCommit(start)
	return c.answer(http.StatusOK, out)
}

func historyQuery(c *call, cur cursor) (q ports.ListCommits, err error) {
	q.Author, q.FirstParent = c.query.Get("author"), c.flag("first_parent")
	q.Since, q.Until = c.time("since"), c.time("until")
	q.Skip, q.Limit = cur.Skip, cur.size+1
	if q.Path, err = c.treePath("path"); err != nil {
		return q, err
	}
	if cur.Commit.IsZero() {
		q.Revision, err = c.revision("ref")
		return q, err
	}
	q.Revision = git.AtCommit(cur.Commit)
	return q, nil
}

func (a *api) getCommit(c *call) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	rev, err := parseRevision("revision", c.path["revision"])
	if err != nil {
		return err
	}
	commit, err := repo.GetCommit(c.ctx(), rev)
	if err != nil {
		return err
	}
	c.setCommit(commit.ID)
	return c.answer(http.StatusOK, commitView(commit))
}
