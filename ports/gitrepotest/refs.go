package gitrepotest

import (
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var refCases = []testCase{
	{"an empty repository has no refs", emptyRepositoryHasNoRefs},
	{"branches and tags are listed by the bytes of their names, with what they point at", refsAreListedInOrder},
	{"patterns select as those of for-each-ref", patternsSelectRefs},
	{"a malformed pattern is refused", badRefPatternIsRefused},
	{"After and Limit cut pages without loss or overlap", refsArePaged},
	{"After need not be a ref that exists", afterNeedNotExist},
}

func emptyRepositoryHasNoRefs(c *tc) {
	c.equal("the refs", c.create().refs(ports.RefQuery{}), []git.Ref(nil))
}

// sampleRefs are the refs of the sample in order.
func sampleRefs(w *world) []git.Ref {
	var refs []git.Ref
	add := func(name string, target git.ObjectID, t git.ObjectType, peeled git.ObjectID, peeledType git.ObjectType) {
		refs = append(refs, git.Ref{Name: refName(name), Target: target, TargetType: t, Peeled: peeled, PeeledType: peeledType})
	}
	for name, commit := range sample.refs {
		add(name, w.id(commit), git.CommitObject, w.id(commit), git.CommitObject)
	}
	for name, commit := range map[string]string{"main": "second", "bare": "bare", "odd": "odd"} {
		add("refs/heads/"+name, w.id(commit), git.CommitObject, w.id(commit), git.CommitObject)
	}
	for _, name := range []string{"v1.0.0", "outer", "outermost"} {
		add("refs/tags/"+name, w.tags[name], git.TagObject, w.id("first"), git.CommitObject)
	}
	add("refs/tags/readme", w.tags["readme"], git.TagObject, w.commits["first"].files["README.md"].id, git.BlobObject)
	slices.SortFunc(refs, func(a, b git.Ref) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	return refs
}

func refsAreListedInOrder(c *tc) {
	r, w := c.readSample()
	c.equal("the refs", r.refs(ports.RefQuery{}), sampleRefs(w))
}

func names(refs []git.Ref) []string {
	list := make([]string, len(refs))
	for i, ref := range refs {
		list[i] = ref.Name.String()
	}
	return list
}

func patternsSelectRefs(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	var updates []git.RefUpdate
	for _, name := range []string{
		"refs/heads/main2", "refs/heads/feature/a", "refs/heads/feature/b", "refs/heads/feature/deep/c", "refs/heads/feature.x",
		"refs/tags/main", "refs/tags/v1.0.0", "refs/tags/v1.1.0", "refs/tags/v2.0.0", "refs/tags/nightly/1",
	} {
		updates = append(updates, git.RefUpdate{Name: refName(name), Expected: git.ExpectAbsent(), New: head})
	}
	_, err := r.UpdateRefs(c.ctx, updates)
	c.ok(err)
	for patterns, want := range map[string]string{
		"refs/heads/main":                      "refs/heads/main",
		"refs/heads/mai":                       "",
		"main":                                 "",
		"refs":                                 strings.Join(names(r.refs(ports.RefQuery{})), " "),
		"refs/heads":                           "refs/heads/feature.x refs/heads/feature/a refs/heads/feature/b refs/heads/feature/deep/c refs/heads/main refs/heads/main2",
		"refs/heads/":                          "refs/heads/feature.x refs/heads/feature/a refs/heads/feature/b refs/heads/feature/deep/c refs/heads/main refs/heads/main2",
		"refs/heads/feature":                   "refs/heads/feature/a refs/heads/feature/b refs/heads/feature/deep/c",
		"refs/heads/feature/":                  "refs/heads/feature/a refs/heads/feature/b refs/heads/feature/deep/c",
		"refs/heads/*":                         "refs/heads/feature.x refs/heads/main refs/heads/main2",
		"refs/heads/feature/*":                 "refs/heads/feature/a refs/heads/feature/b",
		"refs/*/main":                          "refs/heads/main refs/tags/main",
		"refs/heads/main?":                     "refs/heads/main2",
		"refs/heads/feature/[ab]":              "refs/heads/feature/a refs/heads/feature/b",
		"refs/tags/v1.*":                       "refs/tags/v1.0.0 refs/tags/v1.1.0",
		"refs/tags/v* refs/heads/main":         "refs/heads/main refs/tags/v1.0.0 refs/tags/v1.1.0 refs/tags/v2.0.0",
		"refs/tags/v1* refs/tags/v1.0.0":       "refs/tags/v1.0.0 refs/tags/v1.1.0",
		"refs/notes":                           "",
		"refs/tags/none refs/heads/feature/de": "",
	} {
		c.sub(strings.ReplaceAll(patterns, "/", "_"), func(c *tc) {
			got := names(c.repo(c.store, r.id).refs(ports.RefQuery{Patterns: strings.Fields(patterns)}))
			c.equal("the refs", got, strings.Fields(want))
		})
	}
}

func badRefPatternIsRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	for _, pattern := range []string{"refs/heads/[", "refs/heads/[a", `refs/heads/\`, ""} {
		_, err := r.ListRefs(c.ctx, ports.RefQuery{Patterns: []string{"refs/heads/main", pattern}})
		c.fails(err, errs.ReasonInvalidPattern, errs.MetaField, "patterns")
	}
}

func refsArePaged(c *tc) {
	r, w := c.readSample()
	want := sampleRefs(w)
	for _, limit := range []int{1, 2, 3, len(want) - 1, len(want), len(want) + 1, 0} {
		var got []git.Ref
		for {
			q := ports.RefQuery{Limit: limit}
			if len(got) > 0 {
				q.After = got[len(got)-1].Name
			}
			page := r.refs(q)
			if limit > 0 && len(page) > limit {
				c.Errorf("a page of at most %d has %d refs", limit, len(page))
			}
			got = append(got, page...)
			if len(page) == 0 || len(got) > len(want) {
				break
			}
		}
		c.equal("the pages together", got, want)
	}
	tags := slices.DeleteFunc(slices.Clone(want), func(ref git.Ref) bool { return !ref.Name.IsTag() })
	c.equal("a page of what a pattern selects",
		r.refs(ports.RefQuery{Patterns: []string{"refs/tags"}, After: tags[0].Name, Limit: 2}), tags[1:3])
}

func afterNeedNotExist(c *tc) {
	r := c.createWith(create("a", "1"))
	for _, name := range []string{"b", "d"} {
		_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch(name), Target: git.Head()})
		c.ok(err)
	}
	for after, want := range map[string][]string{
		"refs/heads/a":  {"refs/heads/b", "refs/heads/d", "refs/heads/main"},
		"refs/heads/b":  {"refs/heads/d", "refs/heads/main"},
		"refs/heads/c":  {"refs/heads/d", "refs/heads/main"},
		"refs/heads/zz": {},
		"refs/tags/a":   {},
	} {
		c.equal("the refs behind "+after, names(r.refs(ports.RefQuery{After: refName(after)})), want)
	}
}
