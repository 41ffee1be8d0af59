package gitrepotest

import (
	"fmt"
	"io"
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
		read := readFile{Path: f.Path.String(), Deleted: f.Deleted, Mode: f.Mode, Blob: f.Blob, Size: f.Size}
		if !f.Deleted {
			read.Content = brief(r.c.content(f.Content))
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
