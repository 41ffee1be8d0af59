package httpapi

import (
	"net/http"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

type newRepositoryJSON struct {
	ID            string `json:"id" doc:"1 to 63 of a-z, 0-9 and \"-\", beginning with a letter or digit." example:"shop"`
	DefaultBranch string `json:"default_branch,omitempty" doc:"The branch that HEAD names; main if it is not given." example:"main"`
	ObjectFormat  string `json:"object_format,omitempty" enum:"sha1,sha256" doc:"The hash; sha1 if it is not given."`
}

type repositoryJSON struct {
	ID            string    `json:"id" doc:"The repository's id."`
	DefaultBranch string    `json:"default_branch" doc:"The short name of the branch that is read if no other is named."`
	ObjectFormat  string    `json:"object_format" doc:"The hash of the object ids." enum:"sha1,sha256"`
	Empty         bool      `json:"empty" doc:"Whether there is neither branch nor tag yet."`
	CreatedAt     time.Time `json:"created_at" doc:"When the repository was created."`
	SizeBytes     *int64    `json:"size_bytes,omitempty" nullable:"false" doc:"What the objects take on the disk; left out in listings."`
}

func repositoryView(info ports.RepositoryInfo) repositoryJSON {
	return repositoryJSON{
		ID: info.ID.String(), DefaultBranch: info.DefaultBranch.Short(), ObjectFormat: info.ObjectFormat.String(),
		Empty: info.Empty, CreatedAt: info.CreatedAt,
	}
}

// sizedRepositoryView also says the size, which listings do not find out.
func sizedRepositoryView(info ports.RepositoryInfo) repositoryJSON {
	out := repositoryView(info)
	out.SizeBytes = &info.SizeBytes
	return out
}

// neverReplaces is what an operation that creates takes instead of conditions.
const neverReplaces = "leave it out, as nothing that exists is ever replaced"

func (a *api) repositoryRoutes() []*route {
	const group = "Repositories"
	return []*route{
		newRoute(http.MethodPost, "/v1/repositories", spec{
			id: "createRepository", group: group, summary: "Create a repository",
			description: "The repository is empty: its default branch has no commit yet, and the first commit makes it.",
			instead:     neverReplaces,
			body:        &content{value: newRepositoryJSON{}},
			fails:       []errs.Reason{errs.ReasonInvalidRepositoryID, errs.ReasonRepositoryExists, errs.ReasonInvalidRefName},
			answers: map[int]content{http.StatusCreated: {
				description: "The new repository.", value: repositoryJSON{}, headers: []string{"Location"},
			}},
		}, a.createRepository),
		newRoute(http.MethodGet, "/v1/repositories", spec{
			id: "listRepositories", group: group, summary: "List repositories", query: pageParams(),
			description: "Ordered by id.",
			answers:     ok("A page of repositories.", list[repositoryJSON]{}),
		}, a.listRepositories),
		newRoute(http.MethodGet, "/v1/repositories/{id}", spec{
			id: "getRepository", group: group, summary: "Describe a repository",
			answers: ok("The repository.", repositoryJSON{}),
		}, a.getRepository),
		newRoute(http.MethodDelete, "/v1/repositories/{id}", spec{
			id: "deleteRepository", group: group, summary: "Delete a repository", description: "With all it holds, for good.",
			instead: "leave it out, as a repository is deleted whatever it holds",
			answers: map[int]content{http.StatusNoContent: {}},
		}, a.deleteRepository),
		newRoute(http.MethodGet, "/v1/repositories/{id}/policy", spec{
			id: "getRepositoryPolicy", group: group, summary: "Read the policy of a repository",
			description: "What it holds those to who push and write.",
			answers:     ok("The policy.", policyJSON{}),
		}, a.getPolicy),
		newRoute(http.MethodPut, "/v1/repositories/{id}/policy", spec{
			id: "setRepositoryPolicy", group: group, summary: "Give a repository a policy of its own",
			description: "It takes the place of the whole policy before, and holds for writes and pushes that begin afterwards.",
			instead:     "leave it out, as a policy replaces whatever was before",
			body:        &content{value: newPolicyJSON{}},
			fails:       []errs.Reason{errs.ReasonInvalidPattern},
			answers:     ok("The policy.", policyJSON{}),
		}, a.setPolicy),
		newRoute(http.MethodDelete, "/v1/repositories/{id}/policy", spec{
			id: "deleteRepositoryPolicy", group: group, summary: "Let the default policy of the service hold for a repository",
			instead: "leave it out, as a policy is deleted whatever it says",
			answers: map[int]content{http.StatusNoContent: {}},
		}, a.deletePolicy),
	}
}

func (a *api) createRepository(c *call) error {
	var in newRepositoryJSON
	if err := c.decode(&in); err != nil {
		return err
	}
	req, err := in.request()
	if err != nil {
		return err
	}
	info, err := a.store.CreateRepository(c.ctx(), req)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/v1/repositories/"+info.ID.String())
	return c.answer(http.StatusCreated, sizedRepositoryView(info))
}

func (in newRepositoryJSON) request() (req ports.CreateRepository, err error) {
	if req.ID, err = git.ParseRepositoryID(in.ID); err != nil {
		return req, errs.InField(err, "id")
	}
	if in.DefaultBranch != "" {
		if req.DefaultBranch, err = newBranch("default_branch", in.DefaultBranch); err != nil {
			return req, err
		}
	}
	if in.ObjectFormat != "" {
		req.ObjectFormat, err = git.ParseObjectFormat(in.ObjectFormat)
	}
	return req, err
}

func (a *api) listRepositories(c *call) error {
	found, err := a.store.ListRepositories(c.ctx(), c.pageQuery())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, list[repositoryJSON]{Items: views(found.Items, repositoryView), NextPageToken: found.NextToken})
}

func (a *api) getRepository(c *call) error {
	repo, err := a.repository(c)
	if err != nil {
		return err
	}
	info, err := repo.Info(c.ctx())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, sizedRepositoryView(info))
}

func (a *api) deleteRepository(c *call) error {
	id, err := c.repositoryID()
	if err != nil {
		return err
	}
	if err := a.store.DeleteRepository(c.ctx(), id); err != nil {
		return err
	}
	return c.noContent()
}

func views[T, V any](items []T, view func(T) V) []V {
	out := make([]V, len(items))
	for i, item := range items {
		out[i] = view(item)
	}
	return out
}

// newBranch reads the short name of a branch that is to be written. A full one is refused, as it would make a branch
// whose own name begins with refs/.
func newBranch(field, name string) (git.RefName, error) {
	return newRef(field, name, git.BranchRef)
}

func newTag(field, name string) (git.RefName, error) {
	return newRef(field, name, git.TagRef)
}

func newRef(field, name string, parse func(string) (git.RefName, error)) (git.RefName, error) {
	if err := refuseFullName(field, name); err != nil {
		return git.RefName{}, err
	}
	ref, err := parse(name)
	if err == nil {
		err = ref.CheckWritable() // the store checks it as well, but does not know what the field is called here
	}
	return ref, errs.InField(err, field)
}

func refuseFullName(field, name string) error {
	if len(name) >= 5 && name[:5] == "refs/" {
		return errs.InvalidField(errs.ReasonInvalidRefName, field, "%q has to be a short name: leave out refs/heads/ or refs/tags/", clip(name, 128))
	}
	return nil
}
