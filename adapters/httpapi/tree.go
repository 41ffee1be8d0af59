package httpapi

import (
	"iter"
	"net/http"
	"slices"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
	"github.com/gitstore-dev/gitstore/ports"
)

type treeEntryJSON struct {
	Path       string `json:"path" doc:"The path from the root of the tree."`
	PathBase64 []byte `json:"path_base64,omitempty" doc:"The path's bytes, if they are not UTF-8."`
	Type       string `json:"type" doc:"What is at the path." enum:"file,symlink,directory,submodule"`
	Mode       string `json:"mode" doc:"The mode in octal, as git writes it." example:"100644"`
	ID         string `json:"id" doc:"The blob's or tree's id; of a submodule, the commit's in the other repository."`
	Size       int64  `json:"size" doc:"The blob's size in bytes; 0 for a directory or submodule."`
}

type treeJSON struct {
	CommitID      string          `json:"commit_id" doc:"The commit that all pages are of."`
	Items         []treeEntryJSON `json:"items" doc:"The entries of this page." nullable:"false"`
	NextPageToken string          `json:"next_page_token" doc:"The page_token of the next page; empty on the last page."`
}

func treeEntryView(f ports.FileInfo) treeEntryJSON {
	return treeEntryJSON{
		Path: f.Path.String(), PathBase64: base64Unless(f.Path.String()),
		Type: entryType(f.Mode), Mode: f.Mode.String(), ID: f.ID.String(), Size: f.Size,
	}
}

func entryType(m git.FileMode) string {
	switch m {
	case git.ModeDirectory:
		return "directory"
	case git.ModeSymlink:
		return "symlink"
	case git.ModeSubmodule:
		return "submodule"
	}
	return "file"
}

func (a *api) treeRoutes() []*route {
	query := append([]*param{
		refParam(),
		nameParam("prefix", "The directory to list; the root if it is empty or not given."),
		boolParam("recursive", "Lists the files of all directories below, and leaves the directories themselves out."),
	}, pageParams()...)
	return []*route{newRoute(http.MethodGet, "/v1/repositories/{id}/tree", spec{
		id: "listTree", group: "Files", summary: "List a directory", query: query,
		description: "Ordered by the bytes of the paths. The ref is resolved for the first page; the others are of the same commit.",
		answers:     ok("A page of entries.", treeJSON{}, "GitStore-Commit"),
		fails:       slices.Concat(ofRevision, ofPath),
	}, a.listTree)}
}

func (a *api) listTree(c *call) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	cur, err := c.cursor()
	if err != nil {
		return err
	}
	q, err := treeQuery(c, cur)
	if err != nil {
		return err
	}
	commit, entries, err := repo.ListFiles(c.ctx(), q)
	if err != nil {
		return cur.blame(err)
	}
	items, more, err := take(entries, cur.size)
	if err != nil {
		return cur.blame(err)
	}
	out := treeJSON{CommitID: commit.String(), Items: views(items, treeEntryView)}
	if more {
		out.NextPageToken = cur.next(page.Token{Commit: commit, After: items[len(items)-1].Path.String()})
	}
	c.setCommit(commit)
	return c.answer(http.StatusOK, out)
}

func treeQuery(c *call, cur cursor) (q ports.ListFiles, err error) {
	q.Recursive, q.Limit = c.flag("recursive"), cur.size+1
	if q.Prefix, err = c.treePath("prefix"); err != nil {
		return q, err
	}
	if cur.Commit.IsZero() {
		q.Revision, err = c.revision("ref")
		return q, err
	}
	q.Revision = git.AtCommit(cur.Commit)
	q.After, err = git.ParseTreePath(cur.After)
	return q, cur.blame(err)
}

// take returns up to size items and whether there are more.
func take[T any](seq iter.Seq2[T, error], size int) (items []T, more bool, err error) {
	for item, err := range seq {
		switch {
		case err != nil:
			return nil, false, err
		case len(items) == size:
			return items, true, nil
		}
		items = append(items, item)
	}
	return items, false, nil
}
