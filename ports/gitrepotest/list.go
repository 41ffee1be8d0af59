package gitrepotest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var listCases = []testCase{
	{"a recursive listing has every file by the bytes of its path, and no directory", recursiveListing},
	{"a flat listing has files and directories by the bytes of their names", flatListing},
	{"a prefix lists one directory", prefixLists},
	{"a prefix that is no directory is told", badPrefixIsTold},
	{"a commit without files lists nothing", emptyTreeListsNothing},
	{"patterns keep what matches below the prefix", patternsKeep},
	{"a malformed pattern is refused", badPatternIsRefused},
	{"After and Limit cut pages of every size without loss or overlap", listingIsPaged},
	{"After skips what lies before it, whether it exists or not", afterSkips},
	{"a listing may be broken off", listingMayBeBrokenOff},
}

// list returns what ListFiles yields.
func (r *repo) list(q ports.ListFiles) []ports.FileInfo {
	r.c.Helper()
	_, seq, err := r.ListFiles(r.c.ctx, q)
	return all(r.c, seq, err)
}

func listed(infos []ports.FileInfo) []string {
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = info.Path.String()
	}
	return names
}

// recursive is what a recursive listing of the commit has to be.
func (c *worldCommit) recursive() []ports.FileInfo {
	var infos []ports.FileInfo
	for _, p := range c.sorted() {
		f := c.files[p]
		infos = append(infos, ports.FileInfo{Path: path(p), Mode: f.mode, ID: f.id, Size: int64(len(f.content))})
	}
	return infos
}

// flat is what a flat listing of the directory has to be.
func (c *worldCommit) flat(format git.ObjectFormat, dir string) []ports.FileInfo {
	below := map[string]map[string]worldFile{}
	var infos []ports.FileInfo
	for p, f := range c.files {
		rest, ok := strings.CutPrefix(p, dir)
		name, inner, nested := strings.Cut(rest, "/")
		switch {
		case !ok:
		case !nested:
			infos = append(infos, ports.FileInfo{Path: path(p), Mode: f.mode, ID: f.id, Size: int64(len(f.content))})
		case below[name] == nil:
			below[name] = map[string]worldFile{inner: f}
		default:
			below[name][inner] = f
		}
	}
	for name, files := range below {
		infos = append(infos, ports.FileInfo{Path: path(dir + name), Mode: git.ModeDirectory, ID: treeOf(format, files)})
	}
	slices.SortFunc(infos, func(a, b ports.FileInfo) int { return strings.Compare(a.Path.String(), b.Path.String()) })
	return infos
}

func recursiveListing(c *tc) {
	r, w := c.readSample()
	for _, name := range []string{"first", "second"} {
		commit, seq, err := r.ListFiles(c.ctx, ports.ListFiles{Revision: git.AtCommit(w.id(name)), Recursive: true})
		c.equal("the listing of "+name, all(c, seq, err), w.commits[name].recursive())
		c.equal("the commit", commit, w.id(name))
	}
}

func flatListing(c *tc) {
	r, w := c.readSample()
	first := w.commits["first"]
	c.equal("the root", r.list(ports.ListFiles{Revision: git.AtCommit(first.ID)}), first.flat(c.format, ""))
	c.equal("the names", listed(r.list(ports.ListFiles{Revision: git.AtCommit(first.ID), Prefix: path("order")})),
		[]string{"order/a", "order/a-b", "order/a.b", "order/a0"})
}

func prefixLists(c *tc) {
	r, w := c.readSample()
	first := w.commits["first"]
	for _, dir := range []string{"odd", "order", "docs", "docs/deep", "docs/deep/er"} {
		c.equal("a flat listing of "+dir, r.list(ports.ListFiles{Revision: git.AtCommit(first.ID), Prefix: path(dir)}), first.flat(c.format, dir+"/"))
		want := slices.DeleteFunc(first.recursive(), func(info ports.FileInfo) bool { return !path(dir).Contains(info.Path) })
		c.equal("a recursive listing of "+dir, r.list(ports.ListFiles{Revision: git.AtCommit(first.ID), Prefix: path(dir), Recursive: true}), want)
	}
}

func badPrefixIsTold(c *tc) {
	r, w := c.readSample()
	for p, reason := range map[string]errs.Reason{
		"none": errs.ReasonPathNotFound, "docs/none": errs.ReasonPathNotFound, "README.md/x": errs.ReasonPathNotFound,
		"dirlink/deep": errs.ReasonPathNotFound, "doc": errs.ReasonPathNotFound, "module/x": errs.ReasonPathNotFound,
		"README.md": errs.ReasonNotAFile, "dirlink": errs.ReasonNotAFile, "module": errs.ReasonNotAFile, "empty": errs.ReasonNotAFile,
	} {
		for _, recursive := range []bool{false, true} {
			_, _, err := r.ListFiles(c.ctx, ports.ListFiles{Revision: git.AtCommit(w.id("first")), Prefix: path(p), Recursive: recursive})
			c.fails(err, reason, errs.MetaPath, p)
		}
	}
}

func emptyTreeListsNothing(c *tc) {
	r, w := c.readSample()
	for _, recursive := range []bool{false, true} {
		commit, seq, err := r.ListFiles(c.ctx, ports.ListFiles{Revision: revision("bare"), Recursive: recursive})
		c.equal("the listing", all(c, seq, err), []ports.FileInfo(nil))
		c.equal("the commit", commit, w.id("bare"))
	}
}

func patternsKeep(c *tc) {
	r := c.createWith(
		create("README.md", ""), create("a.md", ""), create("a.txt", ""), create("docs/a.md", ""), create("docs/b.txt", ""),
		create("docs/deep/a.md", ""), create("docs/deep/er/a.md", ""), create("src/docs/a.md", ""), create("[x].md", ""),
	)
	for _, q := range []struct {
		prefix, patterns string
		flat             bool
		want             string
	}{
		{"", "*.md", false, "README.md [x].md a.md"},
		{"", "**/*.md", false, "README.md [x].md a.md docs/a.md docs/deep/a.md docs/deep/er/a.md src/docs/a.md"},
		{"", "**", false, "README.md [x].md a.md a.txt docs/a.md docs/b.txt docs/deep/a.md docs/deep/er/a.md src/docs/a.md"},
		{"", "docs/*", false, "docs/a.md docs/b.txt"},
		{"", "docs/**", false, "docs/a.md docs/b.txt docs/deep/a.md docs/deep/er/a.md"},
		{"", "docs/**/a.md", false, "docs/a.md docs/deep/a.md docs/deep/er/a.md"},
		{"", "**/docs/*.md", false, "docs/a.md src/docs/a.md"},
		{"", "**/deep/**", false, "docs/deep/a.md docs/deep/er/a.md"},
		{"", "*/*/*", false, "docs/deep/a.md src/docs/a.md"},
		{"", "docs", false, ""},
		{"", "a.md", false, "a.md"},
		{"", "A.md", false, ""},
		{"", "[a-b].*", false, "a.md a.txt"},
		{"", "?.md", false, "a.md"},
		{"", `\[x\].md`, false, "[x].md"},
		{"", "*.txt docs/*.txt *.txt", false, "a.txt docs/b.txt"},
		{"", "none/** *.none", false, ""},
		{"docs", "*.md", false, "docs/a.md"},
		{"docs", "**/a.md", false, "docs/a.md docs/deep/a.md docs/deep/er/a.md"},
		{"docs", "docs/*", false, ""},
		{"docs/deep", "*", false, "docs/deep/a.md"},
		{"", "*", true, "README.md [x].md a.md a.txt docs src"},
		{"", "d*", true, "docs"},
		{"", "docs/*", true, ""},
		{"docs", "*e*", true, "docs/deep"},
	} {
		got := listed(r.list(ports.ListFiles{
			Revision: git.Head(), Prefix: prefix(q.prefix), Recursive: !q.flat, Patterns: strings.Fields(q.patterns),
		}))
		c.equal(fmt.Sprintf("what %q keeps below %q", q.patterns, q.prefix), got, strings.Fields(q.want))
	}
}

// prefix is [path], and the root for "".
func prefix(s string) git.TreePath {
	if s == "" {
		return git.TreePath{}
	}
	return path(s)
}

func badPatternIsRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	for _, pattern := range []string{"[", "a/[b", `a\`, "", "/a", "a/", "a//b"} {
		_, _, err := r.ListFiles(c.ctx, ports.ListFiles{Revision: git.Head(), Recursive: true, Patterns: []string{"**", pattern}})
		c.fails(err, errs.ReasonInvalidPattern, errs.MetaField, "patterns")
	}
}

func listingIsPaged(c *tc) {
	r, w := c.readSample()
	first := w.commits["first"]
	for _, q := range []ports.ListFiles{
		{Recursive: true}, {}, {Recursive: true, Prefix: path("odd")}, {Prefix: path("order")}, {Recursive: true, Prefix: path("order")},
		{Recursive: true, Patterns: []string{"**/*.*"}},
	} {
		q.Revision = git.AtCommit(first.ID)
		want := r.list(q)
		for _, size := range []int{1, 2, 3, len(want) - 1, len(want), len(want) + 1} {
			var got []ports.FileInfo
			next := q
			next.Limit = size
			for page := r.list(next); len(page) > 0 && len(got) <= len(want); page = r.list(next) {
				if len(page) > size {
					c.Errorf("a page of at most %d has %d entries", size, len(page))
				}
				got = append(got, page...)
				next.After = got[len(got)-1].Path
			}
			c.equal(fmt.Sprintf("the pages of %d together", size), got, want)
		}
	}
}

func afterSkips(c *tc) {
	r := c.createWith(create("a-b", ""), create("a/x", ""), create("a/y/z", ""), create("a0", ""), create("b", ""))
	for _, q := range []struct {
		after string
		flat  bool
		want  string
	}{
		{"a", false, "a-b a/x a/y/z a0 b"},
		{"a-b", false, "a/x a/y/z a0 b"},
		{"a/a", false, "a/x a/y/z a0 b"},
		{"a/x", false, "a/y/z a0 b"},
		{"a/y", false, "a/y/z a0 b"},
		{"a/y/z", false, "a0 b"},
		{"a/y/zz", false, "a0 b"},
		{"a/z", false, "a0 b"},
		{"az", false, "b"},
		{"b", false, ""},
		{"b/c", false, ""},
		{"zz", false, ""},
		{"\x01", false, "a-b a/x a/y/z a0 b"},
		{"a", true, "a-b a0 b"},
		{"a-b", true, "a0 b"},
		{"a/x", true, "a0 b"},
		{"0", true, "a a-b a0 b"},
	} {
		got := listed(r.list(ports.ListFiles{Revision: git.Head(), Recursive: !q.flat, After: path(q.after)}))
		c.equal(fmt.Sprintf("what comes after %q", q.after), got, strings.Fields(q.want))
	}
}

func listingMayBeBrokenOff(c *tc) {
	files := map[string]bool{}
	var changes []git.Change
	for i := range 2000 {
		p := fmt.Sprintf("%d/%d", i%7, i)
		files[p] = true
		changes = append(changes, create(p, ""))
	}
	r := c.createWith(changes...)
	for _, stop := range []int{1, 700} {
		_, seq, err := r.ListFiles(c.ctx, ports.ListFiles{Revision: git.Head(), Recursive: true})
		c.ok(err)
		seen := 0
		for _, err := range seq {
			c.ok(err)
			if seen++; seen == stop {
				break
			}
		}
	}
	got := listed(r.list(ports.ListFiles{Revision: git.Head(), Recursive: true}))
	c.equal("the next listing", got, slices.Sorted(maps.Keys(files)))
}
