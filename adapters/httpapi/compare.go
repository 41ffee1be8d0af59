package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2/negotiation"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// Bounds of a comparison as JSON; as a diff it has none.
const (
	maxComparedFiles = 1000
	maxPatchBytes    = 8 << 20
)

const diffType = "text/x-diff"

type comparisonJSON struct {
	Base      string         `json:"base" doc:"The commit of the old side."`
	Head      string         `json:"head" doc:"The commit of the new side."`
	MergeBase string         `json:"merge_base" doc:"The best common ancestor, which head is compared with; empty if there is none, and head is compared with the empty tree."`
	Files     []fileDiffJSON `json:"files" nullable:"false" doc:"Ordered by the bytes of their paths; at most 1,000."`
	Truncated bool           `json:"truncated" doc:"Whether files or patches were left out: ask for the diff as text."`
}

type fileDiffJSON struct {
	Path        string `json:"path" doc:"The file's path."`
	PathBase64  []byte `json:"path_base64,omitempty" doc:"The path's bytes, if they are not UTF-8."`
	Status      string `json:"status" enum:"added,modified,deleted,type_changed" doc:"A rename is a deletion and an addition."`
	OldMode     string `json:"old_mode" doc:"Empty if the file was added."`
	NewMode     string `json:"new_mode" doc:"Empty if the file was deleted."`
	OldBlobID   string `json:"old_blob_id" doc:"Empty if the file was added."`
	NewBlobID   string `json:"new_blob_id" doc:"Empty if the file was deleted."`
	Added       int    `json:"added" doc:"Lines added."`
	Removed     int    `json:"removed" doc:"Lines removed."`
	Binary      bool   `json:"binary" doc:"Whether a side is not text, or is larger than 1 MiB or has more than 50,000 lines: there is no patch then."`
	Patch       string `json:"patch" doc:"The hunks of the unified diff, with three lines of context."`
	PatchBase64 []byte `json:"patch_base64,omitempty" doc:"The patch's bytes, if they are not UTF-8."`
	Truncated   bool   `json:"truncated" doc:"Whether the patch was left out, as the answer has 8 MiB of patches without it."`
}

func (a *api) compareRoutes() []*route {
	return []*route{newRoute(http.MethodGet, "/v1/repositories/{id}/compare/{basehead...}", spec{
		id: "compare", group: "Commits", summary: "Compare two revisions", template: "/v1/repositories/{id}/compare/{base}...{head}",
		description: "Shows what head changed since it and base went apart, as \"git diff base...head\" does. As JSON, with " +
			"bounds; or, with format=diff or Accept: text/x-diff, as the whole unified diff, which \"git apply\" takes.",
		query: []*param{
			repeatedParam(nameParam("path", "Only these files, and what lies below these directories.")),
			enumParam("format", "Overrides Accept.", "json", "diff"),
		},
		answers: map[int]content{http.StatusOK: {
			description: "The comparison.", value: comparisonJSON{}, also: []string{diffType}, headers: []string{"GitStore-Commit"},
		}},
		fails: slices.Concat(ofRevision, []errs.Reason{errs.ReasonInvalidPath}),
	}, a.compare)}
}

func (a *api) compare(c *call) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	q, err := c.compareQuery()
	if err != nil {
		return err
	}
	// Both sides are resolved once, so that the commits named are the commits compared.
	base, err := repo.ResolveRevision(c.ctx(), q.Base)
	if err != nil {
		return errs.InField(err, "base")
	}
	head, err := repo.ResolveRevision(c.ctx(), q.Head)
	if err != nil {
		return errs.InField(err, "head")
	}
	q.Base, q.Head = git.AtCommit(base.Commit), git.AtCommit(head.Commit)
	c.w.Header().Set("Vary", "Accept")
	c.setCommit(head.Commit)
	if c.wantsDiff() {
		return c.sendDiff(repo, q)
	}
	out := comparisonJSON{Base: base.Commit.String(), Head: head.Commit.String(), Files: []fileDiffJSON{}}
	if err := out.fill(c, repo, q); err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}

func (c *call) wantsDiff() bool {
	if c.query.Has("format") {
		return c.query.Get("format") == "diff"
	}
	best := negotiation.SelectQValue(c.r.Header.Get("Accept"), []string{"application/json", "*/*", diffType, "text/x-patch"})
	return strings.HasPrefix(best, "text/")
}

// compareQuery splits at the first "...", which no ref name can hold.
func (c *call) compareQuery() (q ports.Compare, err error) {
	base, head, found := strings.Cut(c.path["basehead"], "...")
	if !found {
		return q, errs.InvalidField(errs.ReasonInvalidRevision, "base", "the path has to end in compare/{base}...{head}, with three dots")
	}
	if q.Base, err = parseRevision("base", base); err != nil {
		return q, err
	}
	if q.Head, err = parseRevision("head", head); err != nil {
		return q, err
	}
	for _, p := range c.query["path"] {
		path, err := git.ParseTreePath(p)
		if err != nil {
			return q, errs.InField(err, "path")
		}
		q.Paths = append(q.Paths, path)
	}
	q.FromMergeBase = true
	return q, nil
}

func (out *comparisonJSON) fill(c *call, repo ports.HistoryReader, q ports.Compare) error {
	compared, diffs, err := repo.GetDiff(c.ctx(), q)
	if err != nil {
		return err
	}
	out.MergeBase = compared.Base.String()
	room := maxPatchBytes
	for d, err := range diffs {
		if err != nil {
			return err
		}
		if len(out.Files) == maxComparedFiles {
			out.Truncated = true
			return nil
		}
		file := fileDiffView(d)
		if len(d.Patch) > room {
			file.Patch, file.PatchBase64, file.Truncated, out.Truncated = "", nil, true, true
		}
		room -= len(file.Patch)
		out.Files = append(out.Files, file)
	}
	return nil
}

func fileDiffView(d ports.FileDiff) fileDiffJSON {
	out := fileDiffJSON{
		Path: d.Path.String(), PathBase64: base64Unless(d.Path.String()), Status: d.Status.String(),
		OldBlobID: d.OldID.String(), NewBlobID: d.NewID.String(),
		Added: d.Added, Removed: d.Removed, Binary: d.Binary,
		Patch: string(d.Patch), PatchBase64: base64Unless(string(d.Patch)),
	}
	if d.OldMode != 0 {
		out.OldMode = d.OldMode.String()
	}
	if d.NewMode != 0 {
		out.NewMode = d.NewMode.String()
	}
	return out
}
