package httpapi

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/ports"
)

type releaseJSON struct {
	Version    string         `json:"version" doc:"A Semantic Version." example:"1.4.0"`
	Prerelease bool           `json:"prerelease" doc:"Whether the version is a prerelease, such as 1.4.0-rc.1."`
	Tag        string         `json:"tag" doc:"The short name of the tag." example:"v1.4.0"`
	TargetID   string         `json:"target_id" doc:"The tag object; of a light tag the commit."`
	CommitID   string         `json:"commit_id" doc:"The commit that is released; empty if the tag leads to none."`
	Message    string         `json:"message" doc:"Empty for a light tag."`
	Tagger     *signatureJSON `json:"tagger,omitempty" doc:"Who made the release, and when; not of a light tag."`
	Latest     *bool          `json:"latest,omitempty" doc:"Of a release that was made just now: whether it is the highest version, pre-releases aside unless the catalog follows those: what the view live serves. A lower one, such as a fix of an earlier release, is made and not served there. Left out if that could not be found out."`
}

type newReleaseJSON struct {
	Version       string               `json:"version" doc:"A Semantic Version, with or without a leading v; the tag has one." example:"1.4.0"`
	Message       string               `json:"message,omitempty" doc:"The message of the tag; without it one that names the version."`
	Tagger        *newSignatureJSON    `json:"tagger,omitempty" doc:"Who makes the release, and the commit; the service itself if it is not given."`
	Revision      string               `json:"revision,omitempty" doc:"What to release: a branch, a tag, a ref or a full commit id; the head of branch if it is not given. Not with changes."`
	Branch        string               `json:"branch,omitempty" doc:"The branch, by its short name; without it the one that the catalog follows, else the default branch."`
	ExpectedHead  expectedIDJSON       `json:"expected_head,omitempty" doc:"The commit that is released, or that the changes are made on; 409 if it is another."`
	Changes       []documentChangeJSON `json:"changes,omitempty" nullable:"false" doc:"Changes to commit before, as for the commit of several documents; that commit is released."`
	CommitMessage string               `json:"commit_message,omitempty" doc:"The message of that commit; without it one that says what was done."`
	RequestID     string               `json:"request_id,omitempty" format:"uuid" doc:"Makes a retry return the first request's release."`
	DryRun        bool                 `json:"dry_run,omitempty" doc:"Checks everything and makes nothing."`
}

type rollbackJSON struct {
	Version   string            `json:"version,omitempty" doc:"The version of the new release, higher than what is live; without it the next patch of that."`
	Message   string            `json:"message,omitempty" doc:"The message of the tag; without it one that names both versions."`
	Tagger    *newSignatureJSON `json:"tagger,omitempty" doc:"Who makes the release; the service itself if it is not given."`
	RequestID string            `json:"request_id,omitempty" format:"uuid" doc:"Makes a retry return the first request's release. It needs version."`
	DryRun    bool              `json:"dry_run,omitempty" doc:"Checks everything and makes nothing."`
}

// diffPage is a page of the documents that differ.
type diffPage struct {
	FromCommitID  string             `json:"from_commit_id" doc:"The commit of the old side."`
	ToCommitID    string             `json:"to_commit_id" doc:"The commit of the new side."`
	Items         []documentDiffJSON `json:"items" doc:"The documents that differ, of this page." nullable:"false"`
	NextPageToken string             `json:"next_page_token" doc:"The page_token of the next page; empty on the last page."`
}

type documentDiffJSON struct {
	Change      string          `json:"change" doc:"What became of the document." enum:"added,changed,removed"`
	Kind        string          `json:"kind" doc:"The document's kind." example:"Product"`
	ID          string          `json:"id" doc:"The document's id."`
	Title       string          `json:"title" doc:"As it is in the new catalog, or was if it is gone."`
	Path        string          `json:"path" doc:"The document's file, likewise."`
	OldPath     string          `json:"old_path,omitempty" doc:"The file that it was in, if that is another."`
	Fields      []fieldDiffJSON `json:"fields" nullable:"false" doc:"The fields of the front matter that differ; none if only comments or the like do."`
	BodyChanged bool            `json:"body_changed" doc:"Whether the Markdown differs."`
}

type fieldDiffJSON struct {
	Field string  `json:"field" doc:"With the keys of maps that lead to it; a list is compared as a whole." example:"supplier.name"`
	Old   anyJSON `json:"old,omitzero" doc:"The value before; left out if there was none."`
	New   anyJSON `json:"new,omitzero" doc:"The value after; left out if there is none."`
}

// anyJSON is a JSON value.
type anyJSON []byte

// MarshalJSON implements [json.Marshaler].
func (v anyJSON) MarshalJSON() ([]byte, error) { return v, nil }

// Schema implements [huma.SchemaProvider].
func (anyJSON) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

const releasesPattern = "/v1/repositories/{id}/releases"

func (a *api) releaseRoutes() []*route {
	if a.opts.Catalogs == nil {
		return nil
	}
	const group = "Releases"
	made := content{description: "The release was made, now or before for the same request_id.", value: releaseJSON{}, headers: []string{"GitStore-Commit", "Location"}}
	tried := content{description: "Nothing was made: a dry run, and the release as it would be.", value: releaseJSON{}, headers: []string{"GitStore-Commit"}}
	return []*route{
		newRoute(http.MethodGet, releasesPattern, spec{
			id: "listReleases", group: group, summary: "List releases", query: pageParams(),
			description: "The tags that are Semantic Versions, the highest first by the precedence of SemVer 2.", answers: ok("A page of releases.", list[releaseJSON]{}),
		}, a.listReleases),
		newRoute(http.MethodPost, releasesPattern, spec{
			id: "createRelease", group: group, summary: "Release a catalog", instead: "use the member expected_head",
			description: "Makes an annotated tag, and before it a commit if there are changes: both become visible at once, or nothing happens. A catalog with any problem is " +
				"refused with 422 and the first 100 of them. Only the highest version is what the view live serves: latest says whether this one is.",
			body: &content{value: newReleaseJSON{}}, answers: map[int]content{http.StatusCreated: made, http.StatusOK: tried},
			fails: slices.Concat(ofDocuments, ofRevision),
		}, a.createRelease),
		newRoute(http.MethodGet, releasesPattern+"/latest", spec{
			id: "getLatestRelease", group: group, summary: "Find the highest release",
			query:   []*param{boolParam("prereleases", "Lets pre-releases count.")},
			answers: ok("The release.", releaseJSON{}, "GitStore-Commit"), fails: []errs.Reason{errs.ReasonRefNotFound},
		}, a.latestRelease),
		newRoute(http.MethodGet, releasesPattern+"/{version}", spec{
			id: "getRelease", group: group, summary: "Read a release", answers: ok("The release.", releaseJSON{}, "GitStore-Commit"),
			fails: []errs.Reason{errs.ReasonRefNotFound},
		}, a.getRelease),
		newRoute(http.MethodPost, releasesPattern+"/{version}/rollback", spec{
			id: "rollBack", group: group, summary: "Make an earlier release the highest again", instead: neverReplaces,
			description: "Makes a new tag of the same commit, so that every file is as it was, byte for byte. Branches stay as they are, with what was changed on them since: the " +
				"next release of a branch has it again, unless it is taken back there. A release with any problem, which only a push that nobody validated can have made, is refused with 422 and the first 100 of them.",
			body: &content{value: rollbackJSON{}}, answers: map[int]content{http.StatusCreated: made, http.StatusOK: tried},
			fails: slices.Concat(ofCatalog, ofNewTag, []errs.Reason{errs.ReasonInvalidDocument, errs.ReasonInvalidRequestID, errs.ReasonRequestIDReused, errs.ReasonRefMoved, errs.ReasonNotACommit}),
		}, a.rollBack),
		newRoute(http.MethodGet, catalogPattern+"/diff", spec{
			id: "diffCatalogs", group: group, summary: "Compare two catalogs by documents and fields",
			description: "The documents that are served at one of two revisions and not at the other, or are other there, ordered by kind and by the bytes of their ids. All pages are of the same two commits.",
			query: append([]*param{
				nameParam("from", "The old side: a branch, a tag such as v1.4.0, a ref that begins with refs/, or a full commit id. It has to be given."),
				nameParam("to", "The new side, likewise; the present catalog if it is not given."),
				textParam("kind", "Only documents of this kind."),
			}, pageParams()...),
			answers: ok("A page of documents.", diffPage{}, "GitStore-Commit"), fails: slices.Concat(ofCatalog, ofRevision),
		}, a.diffCatalogs),
	}
}

func releaseView(tag ports.TagInfo) releaseJSON {
	t := tagView(tag)
	return releaseJSON{Version: t.Version, Prerelease: t.Prerelease, Tag: t.Name, TargetID: t.TargetID, CommitID: t.CommitID, Message: t.Message, Tagger: t.Tagger}
}

func (a *api) listReleases(c *call) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	found, err := repo.ListTags(c.ctx(), c.pageQuery())
	if err != nil {
		return err
	}
	out := list[releaseJSON]{Items: []releaseJSON{}, NextPageToken: found.NextToken}
	for _, tag := range found.Items {
		if tag.Version == "" { // the versions come first
			out.NextPageToken = ""
			break
		}
		out.Items = append(out.Items, releaseView(tag))
	}
	return c.answer(http.StatusOK, out)
}

func (a *api) latestRelease(c *call) error {
	return a.answerLatest(c, ports.LatestTagQuery{Prereleases: c.flag("prereleases")})
}

func (a *api) getRelease(c *call) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	tag, err := catalogs.ReleaseOf(c.ctx(), repo, c.path["version"])
	if err != nil {
		return err
	}
	return c.answerTag(tag)
}

func (a *api) answerLatest(c *call, q ports.LatestTagQuery) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	tag, err := repo.LatestTag(c.ctx(), q)
	if err != nil {
		return err
	}
	return c.answerTag(tag)
}

func (c *call) answerTag(tag ports.TagInfo) error {
	c.setCommit(tag.Ref.Peeled)
	return c.answer(http.StatusOK, releaseView(tag))
}

func (a *api) createRelease(c *call) error {
	id, err := c.repositoryID()
	if err != nil {
		return err
	}
	if err := c.openWhole(maxChangesJSON, "commit the changes before the release"); err != nil {
		return err
	}
	var in newReleaseJSON
	if err := c.body.blame(jsonError("", json.UnmarshalRead(c.body, &in, withoutNull))); err != nil {
		return err
	}
	release, err := in.release()
	if err != nil {
		return err
	}
	result, err := a.opts.Catalogs.Release(c.ctx(), id, release)
	if err != nil {
		return err
	}
	return c.answerRelease(result, in.DryRun)
}

func (in *newReleaseJSON) release() (r catalogs.Release, err error) {
	changes := changesJSON{
		Branch: in.Branch, Message: in.CommitMessage, Author: in.Tagger, ExpectedHead: in.ExpectedHead, RequestID: in.RequestID, DryRun: in.DryRun, Changes: in.Changes,
	}
	w, err := changes.write()
	if err != nil {
		return r, err
	}
	r = catalogs.Release{Version: in.Version, Message: in.Message, Tagger: w.Commit.Author, Changes: w.Changes, Commit: w.Commit}
	if in.Revision != "" {
		r.Revision, err = parseRevision("revision", in.Revision)
	}
	return r, err
}

func (a *api) rollBack(c *call) error {
	id, err := c.repositoryID()
	if err != nil {
		return err
	}
	var in rollbackJSON
	if err := c.decode(&in); err != nil {
		return err
	}
	r, err := in.rollback(c.path["version"])
	if err != nil {
		return err
	}
	result, err := a.opts.Catalogs.Rollback(c.ctx(), id, r)
	if err != nil {
		return err
	}
	return c.answerRelease(result, in.DryRun)
}

func (in *rollbackJSON) rollback(to string) (r catalogs.Rollback, err error) {
	r = catalogs.Rollback{To: to, Version: in.Version, Message: in.Message, RequestID: in.RequestID, DryRun: in.DryRun}
	r.Tagger, err = in.Tagger.signature("tagger")
	return r, err
}

func (c *call) answerRelease(result catalogs.ReleaseResult, dryRun bool) error {
	out := releaseView(result.Tag)
	out.Latest = result.Latest
	c.setCommit(result.Tag.Ref.Peeled)
	if dryRun {
		return c.answer(http.StatusOK, out)
	}
	c.w.Header().Set("Location", "/v1/repositories/"+c.path["id"]+"/releases/"+out.Version)
	return c.answer(http.StatusCreated, out)
}

func (a *api) diffCatalogs(c *call) error {
	if !c.query.Has("from") {
		return errs.InvalidField(errs.ReasonInvalidArgument, "from", "say what to compare with, such as the tag of the release before")
	}
	cur, err := c.cursor()
	if err != nil {
		return err
	}
	from, to, err := a.sidesOfDiff(c, cur)
	if err != nil {
		return err
	}
	kind := catalog.Kind(c.query.Get("kind"))
	if err := catalog.CheckKind(kind, from.Snapshot, to.Snapshot); err != nil {
		return err
	}
	out := diffPage{FromCommitID: from.Commit().String(), ToCommitID: to.Commit().String(), Items: []documentDiffJSON{}}
	last, size := cur.Token, 0
	for place, d := range catalogs.Diff(c.r.Context(), from.Snapshot, to.Snapshot, kind, cur.Token) {
		for _, f := range d.Fields {
			size += len(f.Old) + len(f.New)
		}
		if len(out.Items) == cur.size || size > maxPage && len(out.Items) > 0 {
			out.NextPageToken = cur.next(last)
			break
		}
		out.Items = append(out.Items, documentDiffView(d))
		last = place
	}
	if err := c.r.Context().Err(); err != nil {
		return errs.From(err)
	}
	c.setCommit(to.Commit())
	return c.answer(http.StatusOK, out)
}

// sidesOfDiff are the catalogs to compare: those of the pages before, if there were any.
func (a *api) sidesOfDiff(c *call, cur cursor) (from, to *catalogs.Catalog, err error) {
	id, err := c.repositoryID()
	if err != nil {
		return nil, nil, err
	}
	if cur.Commit.IsZero() {
		rev, err := parseRevision("from", c.query.Get("from"))
		if err != nil {
			return nil, nil, err
		}
		if from, err = a.opts.Catalogs.Open(c.ctx(), id, rev); err != nil {
			return nil, nil, err
		}
		to, err = a.catalogAt(c, "to")
		return from, to, err
	}
	before, after, err := catalogs.DiffSides(cur.Token)
	if err != nil {
		return nil, nil, err
	}
	if from, err = a.opts.Catalogs.OpenCommit(c.r.Context(), id, before); err == nil {
		to, err = a.opts.Catalogs.OpenCommit(c.r.Context(), id, after)
	}
	return from, to, err
}

func documentDiffView(d catalog.DocumentDiff) documentDiffJSON {
	shown, change := d.Shown(), "changed"
	switch {
	case d.Old == nil:
		change = "added"
	case d.New == nil:
		change = "removed"
	}
	out := documentDiffJSON{
		Change: change, Kind: string(shown.Kind), ID: shown.ID, Title: shown.Title, Path: shown.Path.String(), BodyChanged: d.Body,
		Fields: views(d.Fields, func(f catalog.FieldDiff) fieldDiffJSON { return fieldDiffJSON{f.Field, anyJSON(f.Old), anyJSON(f.New)} }),
	}
	if d.Moved() {
		out.OldPath = d.Old.Path.String()
	}
	return out
}
