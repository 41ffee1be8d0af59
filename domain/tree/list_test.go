package tree_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/tree"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

func TestListEqualsGitLsTree(t *testing.T) {
	for _, format := range []git.ObjectFormat{git.SHA1, git.SHA256} {
		r := gitcmd.InitFormat(t, format)
		for seed := range uint64(15) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			d := dir{}
			d.change(rnd, format, 20, 3)
			root := d.store(t, r)
			objects := r.Load()

			var got []string
			for _, e := range list(t, objects, root, tree.ListOptions{Recursive: true}) {
				got = append(got, printEntry(e))
			}
			if diff := cmp.Diff(splitZ(r.Git(nil, "ls-tree", "-r", "-z", root.String())), got); diff != "" {
				t.Errorf("seed %d: git ls-tree -r (-) and List (+) differ:\n%s", seed, diff)
			}

			got = nil
			for _, e := range list(t, objects, root, tree.ListOptions{}) {
				got = append(got, printEntry(e))
			}
			want := splitZ(r.Git(nil, "ls-tree", "-z", root.String()))
			slices.SortFunc(want, func(a, b string) int { return strings.Compare(pathOf(a), pathOf(b)) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("seed %d: git ls-tree (-) and List (+) differ:\n%s", seed, diff)
			}
		}
	}
}

func TestListGoesOnAfterAnyPath(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	d := dir{}
	d.change(rnd, git.SHA1, 40, 3)
	r := gitcmd.Init(t)
	root := d.store(t, r)
	objects := r.Load()
	for _, recursive := range []bool{true, false} {
		all := list(t, objects, root, tree.ListOptions{Recursive: recursive})
		if !slices.IsSortedFunc(all, func(a, b tree.Entry) int { return strings.Compare(a.Path.String(), b.Path.String()) }) {
			t.Errorf("recursive %t: the paths are not in order", recursive)
		}
		for i, e := range all {
			for _, limit := range []int{0, 1, 3} {
				want := all[i+1:]
				if limit > 0 {
					want = want[:min(limit, len(want))]
				}
				got := list(t, objects, root, tree.ListOptions{Recursive: recursive, After: e.Path, Limit: limit})
				if !slices.Equal(got, want) {
					t.Errorf("recursive %t: after %q, limit %d: %v, want %v", recursive, e.Path, limit, got, want)
				}
			}
		}
		for _, absent := range []string{"a/zzz", "a.b.c", "a/", "\x01", "zzz"} {
			after, err := git.ParseTreePath(strings.TrimSuffix(absent, "/"))
			if err != nil {
				t.Fatal(err)
			}
			var want []tree.Entry
			for _, e := range all {
				if e.Path.String() > after.String() {
					want = append(want, e)
				}
			}
			if got := list(t, objects, root, tree.ListOptions{Recursive: recursive, After: after}); !slices.Equal(got, want) {
				t.Errorf("recursive %t: after %q: %v, want %v", recursive, after, got, want)
			}
		}
	}
}

// files returns a tree of empty files.
func files(objects *gitcmd.Objects, paths ...string) git.ObjectID {
	below := map[string][]string{}
	var entries []git.TreeEntry
	for _, p := range paths {
		name, rest, ok := strings.Cut(p, "/")
		if ok {
			below[name] = append(below[name], rest)
		} else {
			entries = append(entries, git.TreeEntry{Name: name, Mode: git.ModeRegular, ID: objects.Add(git.BlobObject, nil)})
		}
	}
	for name, rest := range below {
		entries = append(entries, git.TreeEntry{Name: name, Mode: git.ModeDirectory, ID: files(objects, rest...)})
	}
	return objects.AddTree(entries...)
}

func TestListKeepsWhatAPatternMatches(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	root := files(objects, "README.md", "products/a.md", "products/b.yaml", "products/old/c.md", "products/old/deep/d.md", "x/y/z")
	tests := []struct {
		patterns string
		prefix   string
		flat     bool
		want     string
	}{
		{patterns: "*.md", want: "README.md"},
		{patterns: "*.md", prefix: "products", want: "products/a.md"},
		{patterns: "products/*", want: "products/a.md products/b.yaml"},
		{patterns: "**/*.md", want: "README.md products/a.md products/old/c.md products/old/deep/d.md"},
		{patterns: "**/**/*.md", want: "README.md products/a.md products/old/c.md products/old/deep/d.md"},
		{patterns: "products/**", want: "products/a.md products/b.yaml products/old/c.md products/old/deep/d.md"},
		{patterns: "**", prefix: "x", want: "x/y/z"},
		{patterns: "**/old/**/*.md", want: "products/old/c.md products/old/deep/d.md"},
		{patterns: "*/*/[cd].md", want: "products/old/c.md"},
		{patterns: "?/y/z x/y/z", want: "x/y/z"},
		{patterns: "*.yaml **/*.yaml README.*", want: "README.md products/b.yaml"},
		{patterns: "products", want: ""},
		{patterns: "products", flat: true, want: "products"},
		{patterns: "**/x", flat: true, want: "x"},
		{patterns: "old/*", prefix: "products", flat: true, want: ""},
		{patterns: `README\.md`, want: "README.md"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s below %q", tt.patterns, tt.prefix), func(t *testing.T) {
			opt := tree.ListOptions{Prefix: treePath(t, tt.prefix), Recursive: !tt.flat, Patterns: strings.Fields(tt.patterns)}
			var got []string
			for _, e := range list(t, objects, root, opt) {
				got = append(got, e.Path.String())
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("List yields %q, want %q", got, tt.want)
			}
		})
	}
}

func TestListFails(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	root := files(objects, "dir/file")
	tests := []struct {
		name string
		opt  tree.ListOptions
		want errs.Reason
	}{
		{"absent prefix", tree.ListOptions{Prefix: treePath(t, "nowhere")}, errs.ReasonPathNotFound},
		{"prefix below a file", tree.ListOptions{Prefix: treePath(t, "dir/file/x")}, errs.ReasonPathNotFound},
		{"prefix that is a file", tree.ListOptions{Prefix: treePath(t, "dir/file")}, errs.ReasonNotAFile},
		{"open bracket", tree.ListOptions{Patterns: []string{"ok", "[a"}}, errs.ReasonInvalidPattern},
		{"open bracket behind a mismatch", tree.ListOptions{Patterns: []string{"x/y[a"}}, errs.ReasonInvalidPattern},
		{"lone backslash", tree.ListOptions{Patterns: []string{`a\`}}, errs.ReasonInvalidPattern},
		{"empty pattern", tree.ListOptions{Patterns: []string{""}}, errs.ReasonInvalidPattern},
		{"empty component", tree.ListOptions{Patterns: []string{"a//b"}}, errs.ReasonInvalidPattern},
		{"absolute pattern", tree.ListOptions{Patterns: []string{"/a"}}, errs.ReasonInvalidPattern},
		{"too many components", tree.ListOptions{Patterns: []string{strings.Repeat("*/", 63) + "*"}}, errs.ReasonInvalidPattern},
		{"too many patterns", tree.ListOptions{Patterns: slices.Repeat([]string{"a"}, 101)}, errs.ReasonInvalidPattern},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tree.List(t.Context(), objects, root, tt.opt); !errs.Is(err, tt.want) {
				t.Errorf("List fails with %v, want %s", err, tt.want)
			}
		})
	}
}

func TestListTakesAPatternOfTheMostComponents(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	path := strings.Repeat("d/", 62) + "f"
	root := files(objects, path)
	got := list(t, objects, root, tree.ListOptions{Recursive: true, Patterns: []string{strings.Repeat("?/", 62) + "f"}})
	if len(got) != 1 || got[0].Path.String() != path {
		t.Errorf("List yields %v, want %s", got, path)
	}
}

func TestListReadsNoDirectoryInVain(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	var paths []string
	for i := range 100 {
		paths = append(paths, fmt.Sprintf("d%02d/sub/file", i))
	}
	root := files(objects, paths...)
	// All directories are the same tree, which is read anew for each.
	tests := []struct {
		name string
		opt  tree.ListOptions
		most int64
	}{
		{"after a path", tree.ListOptions{Recursive: true, After: treePath(t, "d97/sub/file")}, 7},
		{"up to a limit", tree.ListOptions{Recursive: true, Limit: 2}, 5},
		{"of a pattern", tree.ListOptions{Recursive: true, Patterns: []string{"d42/sub/*", "d4?/nothing"}}, 12},
		{"of a prefix", tree.ListOptions{Prefix: treePath(t, "d50"), Recursive: true}, 3},
		{"of one level", tree.ListOptions{}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := objects.Trees.Load()
			list(t, objects, root, tt.opt)
			if n := objects.Trees.Load() - before; n > tt.most {
				t.Errorf("List reads %d trees, want %d at most", n, tt.most)
			}
		})
	}
}

func TestListEndsAtDamage(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	root := files(objects, "a", "b/c")
	sub, err := tree.Lookup(t.Context(), objects, root, treePath(t, "b"))
	if err != nil {
		t.Fatal(err)
	}
	objects.Remove(sub.ID)
	seq, err := tree.List(t.Context(), objects, root, tree.ListOptions{Recursive: true})
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for e, err := range seq {
		if err != nil {
			seen = append(seen, string(errs.ReasonOf(err)))
			continue
		}
		seen = append(seen, e.Path.String())
	}
	if want := []string{"a", "REPOSITORY_CORRUPT"}; !slices.Equal(seen, want) {
		t.Errorf("List yields %q, want %q", seen, want)
	}
}

func TestATreeNestedWithoutEndIsRefused(t *testing.T) {
	objects := gitcmd.NewObjects(git.SHA1)
	root := objects.AddTree(git.TreeEntry{Name: "f", Mode: git.ModeRegular, ID: objects.Add(git.BlobObject, nil)})
	for range 3000 {
		root = objects.AddTree(git.TreeEntry{Name: "d", Mode: git.ModeDirectory, ID: root})
	}
	seq, err := tree.List(t.Context(), objects, root, tree.ListOptions{Recursive: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range seq {
		if !errs.Is(err, errs.ReasonRepositoryCorrupt) {
			t.Errorf("List yields %v, want REPOSITORY_CORRUPT", err)
		}
	}
	for _, err := range tree.Changes(t.Context(), objects, git.ObjectID{}, root, nil) {
		if !errs.Is(err, errs.ReasonRepositoryCorrupt) {
			t.Errorf("Changes yields %v, want REPOSITORY_CORRUPT", err)
		}
	}
}
