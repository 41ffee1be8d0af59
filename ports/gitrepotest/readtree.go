package gitrepotest

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var readTreeCases = []testCase{
	{"every file comes with its content, by the bytes of its path, submodules left out", wholeTreeIsRead},
	{"prefixes keep files and directories, each file once", prefixesKeep},
	{"with a base only what differs comes, deletions included", onlyChangesAreRead},
	{"with a base, prefixes keep changes", prefixesKeepChanges},
	{"the same commit as a base, and an empty tree, give nothing", nothingIsRead},
	{"suffixes keep files by the end of their names, in letters of either case", suffixesKeep},
	{"suffixes and prefixes together keep files and changes", suffixesAndPrefixesKeep},
	{"a file above the size limit comes with its size and without its content", largeFilesAreOmitted},
	{"a change across the size limit is told on both sides of it", sizeLimitIsCrossed},
	{"suffixes that no name ends with, and negative size limits, are refused", badTreeFilterIsRefused},
	{"a base that is no commit of the repository is told", badBaseIsTold},
	{"a file that became a directory is a deletion and files", swapsAreRead},
	{"contents may be read in part or not at all", contentsMayBeLeft},
	{"reading may be broken off", readingMayBeBrokenOff},
}

// readFile is a file of ReadTree, its content read and made brief.
type readFile struct {
	Path    string
	Deleted bool
	Mode    git.FileMode
	Blob    git.ObjectID
	Size    int64
	Omitted bool
	Content string
}

// readTree returns what ReadTree yields, all contents read.
func (r *repo) readTree(q ports.ReadTree) (git.ObjectID, []readFile) {
	r.c.Helper()
	commit, seq, err := r.ReadTree(r.c.ctx, q)
	r.c.ok(err)
	var files []readFile
	for f, err := range seq {
		r.c.ok(err)
		read := readFile{Path: f.Path.String(), Deleted: f.Deleted, Mode: f.Mode, Blob: f.Blob, Size: f.Size, Omitted: f.Omitted}
		if !f.Deleted && !f.Omitted {
			read.Content = brief(r.c.content(f.Content))
		} else if f.Content != nil {
			r.c.Errorf("%q comes with content, though it is deleted or omitted", f.Path)
		}
		files = append(files, read)
	}
	return commit, files
}

// brief tells contents apart, and shows small ones.
func brief(content string) string {
	if len(content) < 200 {
		return content
	}
	return git.SHA256.HashObject(git.BlobObject, []byte(content)).String()
}

// changed is what ReadTree has to yield for the commit against the base, which may be nil.
func (c *worldCommit) changed(base *worldCommit) []readFile {
	before, together := c.against(base)
	var files []readFile
	for _, p := range together {
		old, was := before[p]
		f, is := c.files[p]
		switch {
		case old == f:
		case is && f.mode != git.ModeSubmodule:
			files = append(files, readFile{Path: p, Mode: f.mode, Blob: f.id, Size: int64(len(f.content)), Content: brief(f.content)})
		case was && old.mode != git.ModeSubmodule:
			files = append(files, readFile{Path: p, Deleted: true})
		}
	}
	return files
}

// below keeps the files below the paths.
func below(files []readFile, prefixes ...string) []readFile {
	var kept []readFile
	for _, f := range files {
		for _, p := range prefixes {
			if path(p).Contains(path(f.Path)) {
				kept = append(kept, f)
				break
			}
		}
	}
	return kept
}

// ending keeps the files whose paths end with one of the suffixes, which are in lower case.
func ending(files []readFile, suffixes ...string) []readFile {
	var kept []readFile
	for _, f := range files {
		if slices.ContainsFunc(suffixes, func(s string) bool {
			return strings.HasSuffix(f.Path, s) || strings.HasSuffix(strings.ToLower(f.Path), s)
		}) {
			kept = append(kept, f)
		}
	}
	return kept
}

// upTo takes the content from files above the limit.
func upTo(limit int64, files []readFile) []readFile {
	kept := slices.Clone(files)
	for i, f := range kept {
		if f.Size > limit {
			kept[i].Omitted, kept[i].Content = true, ""
		}
	}
	return kept
}

func wholeTreeIsRead(c *tc) {
	r, w := c.readSample()
	for _, name := range []string{"first", "second"} {
		commit, files := r.readTree(ports.ReadTree{Revision: git.AtCommit(w.id(name))})
		c.equal("the commit", commit, w.id(name))
		c.equal("the files of "+name, files, w.commits[name].changed(nil))
	}
}

func prefixesKeep(c *tc) {
	r, w := c.readSample()
	first := w.commits["first"]
	every := first.changed(nil)
	for _, prefixes := range [][]string{
		{"docs"}, {"README.md"}, {"docs/deep/er/still.md"}, {"odd", "order"}, {"order", "odd", "README.md"},
		{"docs", "docs/deep", "docs/guide.md", "docs"}, {"docs/deep", "docs"}, {"link"}, {"dirlink"}, {latin1Path, newlinePath},
		{"none"}, {"none", "empty"}, {"README.md/x"}, {"doc"}, {"module"}, {"docs/none", "order/a"},
	} {
		_, files := r.readTree(ports.ReadTree{Revision: git.AtCommit(first.ID), Prefixes: paths(prefixes...)})
		c.equal(fmt.Sprintf("the files below %q", prefixes), files, below(every, prefixes...))
	}
	_, files := r.readTree(ports.ReadTree{Revision: git.AtCommit(first.ID), Prefixes: []git.TreePath{path("docs"), {}}})
	c.equal("the files below the root", files, every)
}

func onlyChangesAreRead(c *tc) {
	r, w := c.readSample()
	for _, q := range [][2]string{{"first", "second"}, {"second", "first"}, {"bare", "second"}, {"second", "bare"}} {
		base, head := w.commits[q[0]], w.commits[q[1]]
		commit, files := r.readTree(ports.ReadTree{Revision: git.AtCommit(head.ID), Base: base.ID})
		c.equal("the commit", commit, head.ID)
		c.equal("the changes from "+q[0]+" to "+q[1], files, head.changed(base))
	}
}

func prefixesKeepChanges(c *tc) {
	r, w := c.readSample()
	base, head := w.commits["first"], w.commits["second"]
	for _, prefixes := range [][]string{{"docs"}, {"gone.txt"}, {"swap"}, {"turn"}, {"hook", "unhook"}, {"odd", "README.md"}, {"order"}, {"none"}} {
		_, files := r.readTree(ports.ReadTree{Revision: git.AtCommit(head.ID), Base: base.ID, Prefixes: paths(prefixes...)})
		c.equal(fmt.Sprintf("the changes below %q", prefixes), files, below(head.changed(base), prefixes...))
	}
}

func suffixesKeep(c *tc) {
	r := c.createWith(
		create("a.md", "1"), create("B.MD", "2"), create("c.Md", "3"), create("d.markdown", "4"), create(".md", "5"), create("md", "6"),
		create("e.md.bak", "7"), create("f.md/inner.txt", "8"), create("f.md/INNER.MD", "9"), create("g.\u00e9", "10"), create("h.\u00c9", "11"),
		create("i.\u017fvg", "12"), create("j[md", "13"), create("k{md", "14"),
	)
	for _, q := range []struct {
		suffixes, want string
	}{
		{".md", ".md B.MD a.md c.Md f.md/INNER.MD"},
		{".MD", ".md B.MD a.md c.Md f.md/INNER.MD"},
		{"md", ".md B.MD a.md c.Md f.md/INNER.MD j[md k{md md"},
		{".markdown .txt", "d.markdown f.md/inner.txt"},
		{"a.md b.md .md", ".md B.MD a.md c.Md f.md/INNER.MD"},
		{"inner.md", "f.md/INNER.MD"},
		{".\u00e9", "g.\u00e9"},
		{".\u00c9", "h.\u00c9"},
		{"[md", "j[md"},
		{"{md", "k{md"},
		{"*.md", ""},
		{".svg", ""},
		{"", ".md B.MD a.md c.Md d.markdown e.md.bak f.md/INNER.MD f.md/inner.txt g.\u00e9 h.\u00c9 i.\u017fvg j[md k{md md"},
	} {
		_, files := r.readTree(ports.ReadTree{Revision: git.Head(), Suffixes: strings.Fields(q.suffixes)})
		var got []string
		for _, f := range files {
			got = append(got, f.Path)
		}
		c.equal(fmt.Sprintf("the files that %q keep", q.suffixes), strings.Join(got, " "), q.want)
	}
}

func suffixesAndPrefixesKeep(c *tc) {
	r, w := c.readSample()
	first, second := w.commits["first"], w.commits["second"]
	for _, of := range []struct{ base, head *worldCommit }{{nil, first}, {nil, second}, {first, second}, {second, first}} {
		var base git.ObjectID
		if of.base != nil {
			base = of.base.ID
		}
		every := of.head.changed(of.base)
		for _, prefixes := range [][]string{nil, {"docs", "README.md", "odd"}, {"swap", "turn"}} {
			for _, suffixes := range [][]string{
				{".md"}, {".md", ".txt", ".dat"}, {"swap"}, {"inner"}, {"turn"}, {"link", "hook"}, {"module"}, {"upper"}, {"\xe9.txt", ".gitmodules"},
			} {
				q := ports.ReadTree{Revision: git.AtCommit(of.head.ID), Base: base, Prefixes: paths(prefixes...), Suffixes: suffixes}
				_, files := r.readTree(q)
				want := ending(every, suffixes...)
				if prefixes != nil {
					want = below(want, prefixes...)
				}
				c.equal(fmt.Sprintf("the files from %v to %v below %q ending with %q", base, of.head.ID, prefixes, suffixes), files, want)
			}
		}
	}
}

func largeFilesAreOmitted(c *tc) {
	r, w := c.readSample()
	first, second := w.commits["first"], w.commits["second"]
	every, forwards, backwards := first.changed(nil), second.changed(first), first.changed(second)
	for _, limit := range []int64{1, int64(len("# Sample\n")), ports.MaxGetFile, largeSize - 1, 1 << 62} {
		what := fmt.Sprintf("up to %d bytes", limit)
		_, files := r.readTree(ports.ReadTree{Revision: git.AtCommit(first.ID), MaxFileSize: limit})
		c.equal("the files, "+what, files, upTo(limit, every))
		_, files = r.readTree(ports.ReadTree{Revision: git.AtCommit(second.ID), Base: first.ID, MaxFileSize: limit})
		c.equal("the changes, "+what, files, upTo(limit, forwards))
		_, files = r.readTree(ports.ReadTree{Revision: git.AtCommit(first.ID), Base: second.ID, MaxFileSize: limit})
		c.equal("the changes backwards, "+what, files, upTo(limit, backwards))
		_, files = r.readTree(ports.ReadTree{Revision: git.AtCommit(first.ID), Suffixes: []string{".bin", ".md"}, Prefixes: paths("docs", "limit.bin", "large.bin"), MaxFileSize: limit})
		c.equal("the files of both filters, "+what, files, upTo(limit, ending(below(every, "docs", "limit.bin", "large.bin"), ".bin", ".md")))
	}
}

func sizeLimitIsCrossed(c *tc) {
	const limit = 1000
	small, large, larger := pattern(limit), pattern(limit+1), pattern(5*limit)
	r := c.createWith(
		create("grows.md", small), create("shrinks.md", larger), create("stays.md", large), create("goes.md", large),
		create("swap.md", large), create("same.md", larger), create("chmod.md", large), create("other.txt", small),
	)
	base := r.head()
	r.commit(
		update("grows.md", large), update("shrinks.md", small), update("stays.md", larger), del("goes.md"), del("swap.md"),
		create("swap.md/inner.md", small), chmod("chmod.md", true), create("new.md", larger), update("other.txt", larger),
	)
	file := func(p, content string) readFile {
		return readFile{Path: p, Mode: git.ModeRegular, Blob: c.blobID(content), Size: int64(len(content)), Content: brief(content)}
	}
	q := ports.ReadTree{Revision: git.Head(), Base: base, Suffixes: []string{".md"}, MaxFileSize: limit}
	_, files := r.readTree(q)
	made := file("chmod.md", large)
	made.Mode = git.ModeExecutable
	c.equal("the changes", files, upTo(limit, []readFile{
		made, {Path: "goes.md", Deleted: true}, file("grows.md", large), file("new.md", larger), file("shrinks.md", small),
		file("stays.md", larger), {Path: "swap.md", Deleted: true}, file("swap.md/inner.md", small),
	}))
	q.Revision, q.Base = git.AtCommit(base), r.head()
	_, files = r.readTree(q)
	c.equal("the changes backwards", files, upTo(limit, []readFile{
		file("chmod.md", large), file("goes.md", large), file("grows.md", small), {Path: "new.md", Deleted: true}, file("shrinks.md", larger),
		file("stays.md", large), file("swap.md", large), {Path: "swap.md/inner.md", Deleted: true},
	}))
}

func badTreeFilterIsRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	for _, suffix := range []string{"", "/", "a/b", "docs/", "/a", "a\x00", strings.Repeat("a", 256)} {
		_, _, err := r.ReadTree(c.ctx, ports.ReadTree{Revision: git.Head(), Suffixes: []string{"a", suffix}})
		c.fails(err, errs.ReasonInvalidPattern, errs.MetaField, "suffixes")
	}
	most := slices.Repeat([]string{strings.Repeat("a", 255)}, ports.MaxSuffixes)
	_, files := r.readTree(ports.ReadTree{Revision: git.Head(), Suffixes: most})
	c.equal("the files that as many and as long suffixes as are taken keep", files, []readFile(nil))
	_, _, err := r.ReadTree(c.ctx, ports.ReadTree{Revision: git.Head(), Suffixes: append(most, "a")})
	c.fails(err, errs.ReasonInvalidPattern, errs.MetaField, "suffixes")
	_, _, err = r.ReadTree(c.ctx, ports.ReadTree{Revision: git.Head(), MaxFileSize: -1})
	c.fails(err, errs.ReasonInvalidArgument, errs.MetaField, "max_file_size")
}

func nothingIsRead(c *tc) {
	r, w := c.readSample()
	for _, q := range []ports.ReadTree{
		{Revision: revision("main"), Base: w.id("second")},
		{Revision: revision("bare")},
		{Revision: revision("bare"), Base: w.id("bare")},
		{Revision: revision("odd"), Base: w.id("first")},
	} {
		_, files := r.readTree(q)
		c.equal("what is read", files, []readFile(nil))
	}
}

func badBaseIsTold(c *tc) {
	r := c.createWith(create("a", "1"))
	commit, err := r.GetCommit(c.ctx, git.Head())
	c.ok(err)
	for id, reason := range map[git.ObjectID]errs.Reason{
		c.unknownID(): errs.ReasonObjectNotFound, c.foreignID(): errs.ReasonObjectNotFound,
		commit.Tree: errs.ReasonNotACommit, c.blobID("1"): errs.ReasonNotACommit,
	} {
		_, _, err := r.ReadTree(c.ctx, ports.ReadTree{Revision: git.Head(), Base: id})
		c.fails(err, reason, errs.MetaObject, id.String())
	}
}

func swapsAreRead(c *tc) {
	r := c.createWith(create("a", "file"), create("z", "stays"))
	base := r.head()
	r.commit(del("a"), create("a/b", "1"), create("a/c/d", "2"), create("a-b", "3"))
	_, files := r.readTree(ports.ReadTree{Revision: git.Head(), Base: base})
	blob := func(p, content string) readFile {
		return readFile{Path: p, Mode: git.ModeRegular, Blob: c.blobID(content), Size: int64(len(content)), Content: content}
	}
	c.equal("a file that became a directory", files, []readFile{{Path: "a", Deleted: true}, blob("a-b", "3"), blob("a/b", "1"), blob("a/c/d", "2")})
	_, files = r.readTree(ports.ReadTree{Revision: git.AtCommit(base), Base: r.head()})
	c.equal("a directory that became a file", files, []readFile{
		blob("a", "file"), {Path: "a-b", Deleted: true}, {Path: "a/b", Deleted: true}, {Path: "a/c/d", Deleted: true},
	})
}

func contentsMayBeLeft(c *tc) {
	r, w := c.readSample()
	want := w.commits["first"].changed(nil)
	_, seq, err := r.ReadTree(c.ctx, ports.ReadTree{Revision: git.AtCommit(w.id("first"))})
	c.ok(err)
	i := 0
	for f, err := range seq {
		c.ok(err)
		c.equal("the path", f.Path.String(), want[i].Path)
		if n := int64(i % 3); n > 0 {
			part := f.Size * n / 2
			if got := c.content(io.LimitReader(f.Content, part)); got != w.commits["first"].files[want[i].Path].content[:part] {
				c.Errorf("the first %d bytes of %q are wrong", part, want[i].Path)
			}
		}
		i++
	}
	c.equal("the number of files", i, len(want))
}

func readingMayBeBrokenOff(c *tc) {
	var changes []git.Change
	for i := range 300 {
		changes = append(changes, create(fmt.Sprintf("f%03d", i), strings.Repeat("x", i*100)))
	}
	r := c.createWith(changes...)
	for _, stop := range []int{1, 2, 150, 300} {
		_, seq, err := r.ReadTree(c.ctx, ports.ReadTree{Revision: git.Head()})
		c.ok(err)
		seen := 0
		for _, err := range seq {
			c.ok(err)
			if seen++; seen == stop {
				break
			}
		}
	}
	c.equal("the number of files of the next reading", len(r.files(git.Head())), 300)
}
