package httpapi

import (
	"net/http"
	"slices"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
	"github.com/gitstore-dev/gitstore/ports"
)

type branchJSON struct {
	Name       string `json:"name" doc:"The short name." example:"main"`
	NameBase64 []byte `json:"name_base64,omitempty" doc:"The name's bytes, if they are not UTF-8."`
	Ref        string `json:"ref" doc:"The fully qualified name." example:"refs/heads/main"`
	CommitID   string `json:"commit_id" doc:"The commit that the branch is at."`
}

type newBranchJSON struct {
	Name   string `json:"name" doc:"The short name. It may hold slashes." example:"feature/prices"`
	Target string `json:"target,omitempty" doc:"Where it begins: a branch, a tag, a ref or a full commit id; the default branch if it is not given."`
}

type tagJSON struct {
	Name       string         `json:"name" doc:"The short name." example:"v1.4.0"`
	NameBase64 []byte         `json:"name_base64,omitempty" doc:"The name's bytes, if they are not UTF-8."`
	Ref        string         `json:"ref" doc:"The fully qualified name." example:"refs/tags/v1.4.0"`
	TargetID   string         `json:"target_id" doc:"What the tag points at: the tag object of an annotated tag, else the commit."`
	CommitID   string         `json:"commit_id" doc:"The commit that the tag leads to; empty if it leads to something else."`
	Version    string         `json:"version" doc:"The tag as a Semantic Version without a leading v; empty if it is none."`
	Prerelease bool           `json:"prerelease" doc:"Whether the version is a pre-release."`
	Annotated  bool           `json:"annotated" doc:"Whether the tag is an object of its own, with a tagger and a message."`
	Message    string         `json:"message,omitempty" doc:"Of an annotated tag."`
	MsgBase64  []byte         `json:"message_base64,omitempty" doc:"The message's bytes, if they are not UTF-8."`
	Tagger     *signatureJSON `json:"tagger,omitempty" doc:"Of an annotated tag."`
}

type newTagJSON struct {
	Name    string            `json:"name" doc:"The short name. It may hold slashes." example:"v1.4.0"`
	Target  string            `json:"target,omitempty" doc:"What to tag: a branch, a tag, a ref or a full commit id; the default branch if it is not given."`
	Message string            `json:"message,omitempty" doc:"Makes the tag an annotated one."`
	Tagger  *newSignatureJSON `json:"tagger,omitempty" doc:"Who made an annotated tag; the service itself if it is not given."`
}

func branchView(ref git.Ref) branchJSON {
	name := ref.Name.Short()
	return branchJSON{Name: name, NameBase64: base64Unless(name), Ref: ref.Name.String(), CommitID: ref.Peeled.String()}
}

func tagView(tag ports.TagInfo) tagJSON {
	name := tag.Ref.Name.Short()
	out := tagJSON{
		Name: name, NameBase64: base64Unless(name), Ref: tag.Ref.Name.String(), TargetID: tag.Ref.Target.String(),
		Version: tag.Version, Prerelease: tag.Prerelease,
	}
	if tag.Ref.PeeledType == git.CommitObject {
		out.CommitID = tag.Ref.Peeled.String()
	}
	if t := tag.Annotated; t != nil {
		tagger := signatureView(t.Tagger)
		out.Annotated, out.Message, out.MsgBase64, out.Tagger = true, t.Message, base64Unless(t.Message), &tagger
	}
	return out
}

func (a *api) branchRoutes() []*route {
	const group = "Branches"
	return []*route{
		newRoute(http.MethodGet, "/v1/repositories/{id}/branches", spec{
			id: "listBranches", group: group, summary: "List branches", description: "Ordered by the bytes of their names.",
			query: pageParams(), answers: ok("A page of branches.", list[branchJSON]{}),
		}, a.listBranches),
		newRoute(http.MethodPost, "/v1/repositories/{id}/branches", spec{
			id: "createBranch", group: group, summary: "Create a branch", instead: neverReplaces, body: &content{value: newBranchJSON{}},
			answers: map[int]content{http.StatusCreated: {description: "The new branch.", value: branchJSON{}}}, fails: slices.Concat(ofNewRef, ofRevision),
		}, a.createBranch),
		newRoute(http.MethodDelete, "/v1/repositories/{id}/branches/{name...}", spec{
			id: "deleteBranch", group: group, summary: "Delete a branch", description: "The default branch cannot be deleted.",
			instead: "use the query parameter expected_head",
			query:   []*param{textParam("expected_head", "The commit that the branch must be at.")},
			answers: map[int]content{http.StatusNoContent: {}}, fails: slices.Concat(ofOldRef, []errs.Reason{errs.ReasonDefaultBranch}),
		}, a.deleteBranch),
	}
}

func (a *api) tagRoutes() []*route {
	const group = "Tags"
	return []*route{
		newRoute(http.MethodGet, "/v1/repositories/{id}/tags", spec{
			id: "listTags", group: group, summary: "List tags", query: pageParams(),
			description: "First the tags that are Semantic Versions, with or without a leading v, the highest first; then the others by name.",
			answers:     ok("A page of tags.", list[tagJSON]{}),
		}, a.listTags),
		newRoute(http.MethodPost, "/v1/repositories/{id}/tags", spec{
			id: "createTag", group: group, summary: "Create a tag", description: "Annotated if it has a message, else light.",
			instead: neverReplaces,
			body:    &content{value: newTagJSON{}},
			answers: map[int]content{http.StatusCreated: {description: "The new tag.", value: tagJSON{}}},
			fails:   slices.Concat(ofNewTag, ofRevision),
		}, a.createTag),
		newRoute(http.MethodGet, "/v1/repositories/{id}/tags/latest", spec{
			id: "getLatestTag", group: group, summary: "Find the tag of the highest version",
			description: "Pre-releases count only if they are asked for. A tag that is itself named latest is in the list of tags, is " +
				"read as the ref refs/tags/latest, and is deleted like any other.",
			query: []*param{
				textParam("range", "Only versions within, such as \">=1.2 <2\" or \"^1.4\"."),
				boolParam("prereleases", "Lets pre-releases count."),
			},
			answers: ok("The tag.", tagJSON{}), fails: []errs.Reason{errs.ReasonInvalidVersionRange, errs.ReasonRefNotFound},
		}, a.latestTag),
		newRoute(http.MethodDelete, "/v1/repositories/{id}/tags/{name...}", spec{
			id: "deleteTag", group: group, summary: "Delete a tag",
			instead: "use the query parameter expected_target",
			query:   []*param{textParam("expected_target", "The object that the tag must point at, as target_id says it.")},
			answers: map[int]content{http.StatusNoContent: {}}, fails: ofOldRef,
		}, a.deleteTag),
	}
}

func (a *api) listBranches(c *call) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	cur, err := c.cursor()
	if err != nil {
		return err
	}
	q := ports.RefQuery{Patterns: []string{"refs/heads"}, Limit: cur.size + 1}
	if cur.After != "" {
		if q.After, err = git.ParseRefName(cur.After); err != nil {
			return cur.blame(err)
		}
	}
	refs, err := repo.ListRefs(c.ctx(), q)
	if err != nil {
		return err
	}
	items, more, err := take(refs, cur.size)
	if err != nil {
		return err
	}
	out := list[branchJSON]{Items: views(items, branchView)}
	if more {
		out.NextPageToken = cur.next(page.Token{After: items[len(items)-1].Name.String()})
	}
	return c.answer(http.StatusOK, out)
}

func (a *api) createBranch(c *call) error {
	var in newBranchJSON
	if err := c.decode(&in); err != nil {
		return err
	}
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	name, err := newBranch("name", in.Name)
	if err != nil {
		return err
	}
	target, err := target(in.Target)
	if err != nil {
		return err
	}
	ref, err := repo.CreateBranch(c.ctx(), ports.CreateBranch{Name: name, Target: target})
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, branchView(ref))
}

func target(s string) (git.Revision, error) {
	if s == "" {
		return git.Head(), nil
	}
	return parseRevision("target", s)
}

func (a *api) deleteBranch(c *call) error {
	req, err := c.deletion(git.BranchRef, "expected_head")
	if err != nil {
		return err
	}
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	if err := repo.DeleteBranch(c.ctx(), req); err != nil {
		return err
	}
	return c.noContent()
}

// deletion reads which ref to delete; expected is the parameter that says where it must be.
func (c *call) deletion(parse func(string) (git.RefName, error), expected string) (req ports.DeleteRef, err error) {
	if req.Name, err = parse(c.path["name"]); err != nil {
		return req, errs.InField(err, "name")
	}
	req.Expected, err = c.expectation(expected)
	if err == nil && req.Expected.IsSet() && req.Expected.ID().IsZero() {
		return req, errs.InvalidField(errs.ReasonInvalidObjectID, expected, "%s is empty: name the object that is to be there", expected)
	}
	return req, err
}

func (a *api) listTags(c *call) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	found, err := repo.ListTags(c.ctx(), c.pageQuery())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, list[tagJSON]{Items: views(found.Items, tagView), NextPageToken: found.NextToken})
}

func (a *api) createTag(c *call) error {
	var in newTagJSON
	if err := c.decode(&in); err != nil {
		return err
	}
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	req, err := in.request()
	if err != nil {
		return err
	}
	tag, err := repo.CreateTag(c.ctx(), req)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, tagView(tag))
}

func (in newTagJSON) request() (req ports.CreateTag, err error) {
	if req.Name, err = newTag("name", in.Name); err != nil {
		return req, err
	}
	if in.Tagger != nil && in.Message == "" {
		return req, errs.InvalidField(errs.ReasonInvalidArgument, "tagger", "a light tag has no tagger: give a message, or leave out the tagger")
	}
	if req.Tagger, err = in.Tagger.signature("tagger"); err != nil {
		return req, err
	}
	req.Message = in.Message
	req.Target, err = target(in.Target)
	return req, err
}

func (a *api) latestTag(c *call) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	tag, err := repo.LatestTag(c.ctx(), ports.LatestTagQuery{Range: c.query.Get("range"), Prereleases: c.flag("prereleases")})
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, tagView(tag))
}

func (a *api) deleteTag(c *call) error {
	req, err := c.deletion(git.TagRef, "expected_target")
	if err != nil {
		return err
	}
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	if err := repo.DeleteTag(c.ctx(), req); err != nil {
		return err
	}
	return c.noContent()
}
