package httpapi

import (
	"net/http"

	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/ports"
)

// newPolicyJSON is [repository.PolicySpec] as a body.
type newPolicyJSON struct {
	Validation        string   `json:"validation,omitempty" enum:"off,warn,enforce" doc:"What becomes of a push after which something would be wrong with the catalog that is not now; off if it is not given."`
	ValidatedBranches []string `json:"validated_branches,omitempty" nullable:"false" maxItems:"100" doc:"The branches whose pushes are validated, as names, folders of names, or globs such as release/*; all, if there are none here. Tags of releases are validated with any."`
	ProtectedBranches []string `json:"protected_branches,omitempty" nullable:"false" maxItems:"100" doc:"The branches that are neither deleted nor drop commits, whoever writes."`
	ImmutableReleases bool     `json:"immutable_releases,omitempty" doc:"Whether tags that are Semantic Versions stay as they are, one of each version, whoever writes."`
	Links             bool     `json:"links,omitempty" doc:"Whether pushes may bring symbolic links and submodules."`
}

type policyJSON struct {
	Validation        string   `json:"validation" doc:"What becomes of a push after which something would be wrong with the catalog that is not now." enum:"off,warn,enforce"`
	ValidatedBranches []string `json:"validated_branches" doc:"The branches whose pushes are validated; all, if there are none here." nullable:"false"`
	ProtectedBranches []string `json:"protected_branches" doc:"The branches that are neither deleted nor drop commits, whoever writes." nullable:"false"`
	ImmutableReleases bool     `json:"immutable_releases" doc:"Whether tags that are Semantic Versions stay as they are, one of each version, whoever writes."`
	Links             bool     `json:"links" doc:"Whether pushes may bring symbolic links and submodules."`
	Own               bool     `json:"own" doc:"Whether the repository was given the policy; else it is the default of the service."`
}

func policyView(p ports.PolicyInfo) policyJSON {
	s := p.Spec()
	return policyJSON{
		s.Validation, append([]string{}, s.ValidatedBranches...), append([]string{}, s.ProtectedBranches...), s.ImmutableReleases, s.Links, p.Own,
	}
}

func (a *api) getPolicy(c *call) error {
	id, err := c.repositoryID()
	if err != nil {
		return err
	}
	p, err := a.store.Policy(c.ctx(), id)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, policyView(p))
}

func (a *api) setPolicy(c *call) error {
	id, err := c.repositoryID()
	if err != nil {
		return err
	}
	var in newPolicyJSON
	if err := c.decode(&in); err != nil {
		return err
	}
	policy, err := repository.PolicySpec(in).Parse()
	if err != nil {
		return err
	}
	if err := a.store.SetPolicy(c.ctx(), id, &policy); err != nil {
		return err
	}
	return c.answer(http.StatusOK, policyView(ports.PolicyInfo{Policy: policy, Own: true}))
}

func (a *api) deletePolicy(c *call) error {
	id, err := c.repositoryID()
	if err != nil {
		return err
	}
	if err := a.store.SetPolicy(c.ctx(), id, nil); err != nil {
		return err
	}
	return c.noContent()
}
