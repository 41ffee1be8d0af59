package catalogs_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

func categoryFile(id string) string {
	return "---\nid: " + id + "\nslug: " + id + "\ntitle: T\n---\n"
}

func productFile(id, slug, category string) string {
	return "---\nid: " + id + "\nsku: S-" + id + "\nslug: " + slug + "\ntitle: T\ncategory: " + category +
		"\nprice: \"1.00\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n---\n"
}

// pushes is a world in which commits are judged as if somebody pushed them.
type pushes struct {
	*world
	validator *catalogs.PushValidator
}

func newPushes(t *testing.T, opts catalogs.PushOptions) pushes {
	w := newWorld(t, catalogs.Options{})
	w.create(shop)
	return pushes{w, catalogs.NewPushValidator(opts)}
}

// from commits files on top of a commit, on a branch that is gone again, which leaves them to be pushed.
func (p pushes) from(base git.ObjectID, files map[string]string) git.ObjectID {
	p.t.Helper()
	if !base.IsZero() {
		p.move(shop, branch("work"), git.ObjectID{}, base)
	}
	res, err := p.store.Repository(shop).CommitFiles(context.Background(), ports.CommitFiles{
		Branch: branch("work"), Message: "Work", ExpectedHead: expectHead(base),
	}, fileChanges(files))
	p.ok(err)
	p.move(shop, branch("work"), res.Commit, git.ObjectID{})
	return res.Commit
}

func expectHead(base git.ObjectID) git.Expectation {
	if base.IsZero() {
		return git.ExpectAbsent()
	}
	return git.ExpectID(base)
}

// judge returns what is wrong with refs.
func (p pushes) judge(refs ...ports.PushedRef) ([]string, error) {
	p.t.Helper()
	var lines []string
	push := ports.PushedRefs{Repository: shop, Contents: p.store.Repository(shop), Refs: refs}
	for problem, err := range p.validator.ValidatePush(p.t.Context(), push) {
		if err != nil {
			return lines, err
		}
		lines = append(lines, problem.Ref.Short()+" "+problem.String())
	}
	return lines, nil
}

func pushed(ref git.RefName, from, to git.ObjectID) ports.PushedRef {
	return ports.PushedRef{Name: ref, Old: from, New: to, Commit: to}
}

func TestAPushIsHeldToWhatItBringsAndToWhatRefersToIt(t *testing.T) {
	p := newPushes(t, catalogs.PushOptions{})
	head, _ := p.commit(shop, branch("main"), map[string]string{
		"categories/c.md": categoryFile("c"), "products/a.md": productFile("a", "a", "c"), "products/broken.md": "---\nid: broken\n---\n",
	})
	for what, push := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"what was broken before": {map[string]string{"products/b.md": productFile("b", "b", "c")}, nil},
		"a bad value": {
			map[string]string{"products/b.md": strings.Replace(productFile("b", "b", "c"), `"1.00"`, "cheap", 1)},
			[]string{"main products/b.md:7:8: price: "},
		},
		"a reference that breaks": {map[string]string{"categories/c.md": ""}, []string{"main products/a.md:6:11: category: "}},
		"a slug that is taken": {
			map[string]string{"products/0.md": productFile("zero", "a", "c")}, []string{"main products/a.md:4:7: slug: "},
		},
		"its own files first": {
			map[string]string{"categories/c.md": "", "products/b.md": "---\nid: b\nsku: [\n---\n"},
			[]string{"main products/b.md:", "main products/a.md:"},
		},
		"no documents": {map[string]string{"README.md": "---\nid: x\n---\n", "main.go": "package main"}, nil},
	} {
		lines, err := p.judge(pushed(branch("main"), head, p.from(head, push.files)))
		require.NoError(t, err, what)
		require.Len(t, lines, len(push.want), "%s: %q", what, lines)
		for i, want := range push.want {
			assert.True(t, strings.HasPrefix(lines[i], want), "%s: %q", what, lines)
		}
	}
}

func TestANewBranchIsHeldToWhatItAddsToWhereItBegan(t *testing.T) {
	p := newPushes(t, catalogs.PushOptions{})
	begin, _ := p.commit(shop, branch("main"), map[string]string{"categories/c.md": categoryFile("c"), "products/broken.md": "---\nid: broken\n---\n"})
	fine := p.from(begin, map[string]string{"products/b.md": productFile("b", "b", "c")})
	p.commit(shop, branch("main"), map[string]string{"products/broken.md": productFile("broken", "mended", "c")})
	lines, err := p.judge(pushed(branch("topic"), git.ObjectID{}, fine))
	require.NoError(t, err)
	require.Empty(t, lines)

	unrelated := p.from(git.ObjectID{}, map[string]string{"products/b.md": productFile("b", "b", "c")})
	lines, err = p.judge(pushed(branch("topic"), git.ObjectID{}, fine), pushed(branch("other"), git.ObjectID{}, unrelated))
	require.NoError(t, err)
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], "other products/b.md:6:11: category: ")
}

func TestAFirstPushAndAReleaseAreHeldToAllThatIsWrong(t *testing.T) {
	p := newPushes(t, catalogs.PushOptions{})
	bad := p.from(git.ObjectID{}, map[string]string{"products/b.md": productFile("b", "b", "c")})
	lines, err := p.judge(pushed(branch("main"), git.ObjectID{}, bad))
	require.NoError(t, err)
	require.Len(t, lines, 1)

	p.move(shop, branch("main"), git.ObjectID{}, bad)
	lines, err = p.judge(pushed(tag("v1.0.0"), git.ObjectID{}, bad))
	require.NoError(t, err)
	require.Len(t, lines, 1)
}

func TestTheNextPushReadsOnlyWhatDiffers(t *testing.T) {
	p := newPushes(t, catalogs.PushOptions{MaxBytes: 3 << 10})
	head, _ := p.commit(shop, branch("main"), map[string]string{"categories/a.md": categoryFile("a"), "categories/b.md": categoryFile("b")})
	lines, err := p.judge(pushed(branch("main"), git.ObjectID{}, head))
	require.NoError(t, err)
	require.Empty(t, lines)
	// Both commits together have more than may be read.
	for _, id := range []string{"c", "d", "e", "f", "g", "h", "i", "j"} {
		next := p.from(head, map[string]string{"categories/" + id + ".md": categoryFile(id)})
		p.move(shop, branch("main"), head, next)
		lines, err = p.judge(pushed(branch("main"), head, next))
		require.NoError(t, err)
		require.Empty(t, lines)
		head = next
	}
	_, err = catalogsOf(p, head)
	require.Equal(t, errs.ReasonResourceExhausted, errs.ReasonOf(err))
}

// catalogsOf judges a commit anew, with nothing at hand.
func catalogsOf(p pushes, head git.ObjectID) ([]string, error) {
	p.validator = catalogs.NewPushValidator(catalogs.PushOptions{MaxBytes: 3 << 10})
	return p.judge(pushed(branch("main"), git.ObjectID{}, head))
}
