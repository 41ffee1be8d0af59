package gitrepotest

import (
	"bytes"
	"context"
	"io"
	"math"
	"strings"
	"testing/iotest"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var fileCases = []testCase{
	{"a file is read with all that is known of it", fileIsReadWhole},
	{"every file reads the same by each way, whatever its name and size", everyFileReadsTheSame},
	{"a file is read as it was at each revision", fileIsReadAtRevision},
	{"a path that does not exist is told", missingPathIsTold},
	{"a directory, a submodule and the root are no files", directoryIsNoFile},
	{"symbolic links are read and never followed", symlinksAreNotFollowed},
	{"a path is never a pattern, an option or a revision", pathIsOnlyAPath},
	{"GetFile returns up to its limit and names ReadFile above it", getFileHasALimit},
	{"ReadFile reads any part of a file", readFileReadsParts},
	{"ReadFile refuses a range that cannot be", badRangeIsRefused},
	{"ReadFile's content behaves as a reader, and may be closed at any point", contentIsAReader},
	{"what is in the cache of one repository is not read from another", contentsAreApart},
}

func fileIsReadWhole(c *tc) {
	r := c.createWith(create("docs/a.md", "# A\n"), as(true, create("bin/run", "#!/bin/sh\n")), create("empty", ""))
	head := r.head()
	for p, want := range map[string]ports.FileContent{
		"docs/a.md": {File: ports.File{Mode: git.ModeRegular, Size: 4}, Content: []byte("# A\n")},
		"bin/run":   {File: ports.File{Mode: git.ModeExecutable, Size: 10}, Content: []byte("#!/bin/sh\n")},
		"empty":     {File: ports.File{Mode: git.ModeRegular}},
	} {
		want.Commit, want.Path, want.Blob = head, path(p), c.blobID(string(want.Content))
		got, err := r.GetFile(c.ctx, git.Head(), path(p))
		c.ok(err)
		c.equal("what GetFile returns for "+p, got, want)
		file, content, err := r.ReadFile(c.ctx, ports.ReadFile{Revision: git.Head(), Path: path(p)})
		c.ok(err)
		c.equal("what ReadFile returns for "+p, file, want.File)
		c.equal("what ReadFile reads of "+p, c.content(content), string(want.Content))
		c.ok(content.Close())
	}
}

func everyFileReadsTheSame(c *tc) {
	r, w := c.readSample()
	for _, name := range []string{"first", "second"} {
		commit := w.commits[name]
		for _, p := range commit.sorted() {
			f := commit.files[p]
			if f.mode == git.ModeSubmodule {
				continue
			}
			want := ports.File{Commit: commit.ID, Path: path(p), Mode: f.mode, Blob: f.id, Size: int64(len(f.content))}
			file, content, err := r.ReadFile(c.ctx, ports.ReadFile{Revision: git.AtCommit(commit.ID), Path: path(p)})
			c.ok(err)
			c.equal("what ReadFile returns", file, want)
			if got := c.content(content); got != f.content {
				c.Errorf("%q has %d bytes that are not the %d expected", p, len(got), len(f.content))
			}
			c.ok(content.Close())
			if want.Size > ports.MaxGetFile {
				continue
			}
			got, err := r.GetFile(c.ctx, git.AtCommit(commit.ID), path(p))
			c.ok(err)
			c.equal("what GetFile returns", got.File, want)
			if string(got.Content) != f.content {
				c.Errorf("%q has %d bytes that are not the %d expected", p, len(got.Content), len(f.content))
			}
		}
	}
}

func fileIsReadAtRevision(c *tc) {
	r := c.createWith(create("a", "1"))
	first := r.head()
	second := r.commit(update("a", "2"), create("b", "2")).Commit
	_, err := r.CreateBranch(c.ctx, ports.CreateBranch{Name: branch("old"), Target: git.AtCommit(first)})
	c.ok(err)
	for rev, want := range map[string]string{"HEAD": "2", "main": "2", second.String(): "2", "old": "1", first.String(): "1", "refs/heads/old": "1"} {
		f, err := r.GetFile(c.ctx, revision(rev), path("a"))
		c.ok(err)
		c.equal("the file at "+rev, string(f.Content), want)
	}
	_, err = r.GetFile(c.ctx, revision("old"), path("b"))
	c.fails(err, errs.ReasonPathNotFound, errs.MetaPath, "b")
}

// readers are the ways to read one file.
var readers = map[string]func(context.Context, *repo, git.Revision, git.TreePath) error{
	"GetFile": func(ctx context.Context, r *repo, rev git.Revision, p git.TreePath) error {
		_, err := r.GetFile(ctx, rev, p)
		return err
	},
	"ReadFile": func(ctx context.Context, r *repo, rev git.Revision, p git.TreePath) error {
		_, content, err := r.ReadFile(ctx, ports.ReadFile{Revision: rev, Path: p})
		if err == nil {
			err = content.Close()
		}
		return err
	},
	"BatchGetFiles": func(ctx context.Context, r *repo, rev git.Revision, p git.TreePath) error {
		_, seq, err := r.BatchGetFiles(ctx, rev, []git.TreePath{p})
		if err != nil {
			return err
		}
		files, err := drain(seq)
		if err != nil {
			return err
		}
		return files[0].Err
	},
}

// unreadable reports it if the path can be read, or not for the reason.
func (r *repo) unreadable(rev git.Revision, p git.TreePath, reason errs.Reason) {
	r.c.Helper()
	for name, read := range readers {
		r.c.sub(name, func(c *tc) { c.fails(read(c.ctx, r, rev, p), reason, errs.MetaPath, p.String()) })
	}
}

func missingPathIsTold(c *tc) {
	r := c.createWith(create("a/b/c", "1"), create("f", "1"))
	for _, p := range []string{"none", "a/none", "a/b/c/d", "f/g", "A", "a/b/c.", " f", "no/such/path\xff"} {
		c.sub(strings.ReplaceAll(p, "/", "_"), func(c *tc) {
			c.repo(c.store, r.id).unreadable(git.Head(), path(p), errs.ReasonPathNotFound)
		})
	}
}

func directoryIsNoFile(c *tc) {
	r := c.createWith(create("a/b/c", "1"))
	for _, p := range []git.TreePath{{}, path("a"), path("a/b")} {
		r.unreadable(git.Head(), p, errs.ReasonNotAFile)
	}
	c.sub("submodules", func(c *tc) {
		r, w := c.readSample()
		r.unreadable(git.AtCommit(w.id("first")), path("module"), errs.ReasonNotAFile)
		r.unreadable(git.AtCommit(w.id("first")), path("module/README.md"), errs.ReasonPathNotFound)
	})
	c.sub("a commit without files", func(c *tc) {
		r, _ := c.readSample()
		r.unreadable(revision("bare"), git.TreePath{}, errs.ReasonNotAFile)
		r.unreadable(revision("bare"), path("a"), errs.ReasonPathNotFound)
	})
}

func symlinksAreNotFollowed(c *tc) {
	r, w := c.readSample()
	first := git.AtCommit(w.id("first"))
	for p, target := range map[string]string{"link": "README.md", "dirlink": "docs", "escape": "../../../etc/passwd"} {
		f, err := r.GetFile(c.ctx, first, path(p))
		c.ok(err)
		c.equal("the mode of "+p, f.Mode, git.ModeSymlink)
		c.equal("the content of "+p, string(f.Content), target)
	}
	for _, p := range []string{"dirlink/guide.md", "link/x"} {
		r.unreadable(first, path(p), errs.ReasonPathNotFound)
	}
}

func pathIsOnlyAPath(c *tc) {
	r := c.createWith(create("a", "1"), create("-rf", "dash"), create("*", "star"), create("main:a", "colon"), create(":!x", "bang"))
	for p, want := range map[string]string{"-rf": "dash", "*": "star", "main:a": "colon", ":!x": "bang"} {
		c.equal("the content of "+p, r.read(p), want)
	}
	for _, p := range []string{"--all", ":(glob)**", ":/fix", ":(exclude)*", "HEAD:a", "?", "[a]", "a^{}", "a\nHEAD:a", "\n", "a "} {
		c.sub(strings.ReplaceAll(p, "/", "_"), func(c *tc) {
			c.repo(c.store, r.id).unreadable(git.Head(), path(p), errs.ReasonPathNotFound)
		})
	}
}

func getFileHasALimit(c *tc) {
	r, w := c.readSample()
	first := w.commits["first"]
	f, err := r.GetFile(c.ctx, git.AtCommit(first.ID), path("limit.bin"))
	c.ok(err)
	c.equal("the size", f.Size, int64(ports.MaxGetFile))
	c.equal("the content is whole", string(f.Content) == first.files["limit.bin"].content, true)
	for _, p := range []string{"over.bin", "large.bin"} {
		_, err = r.GetFile(c.ctx, git.AtCommit(first.ID), path(p))
		c.fails(err, errs.ReasonFileTooLarge, errs.MetaPath, p)
		if err != nil && !strings.Contains(err.Error(), "ReadFile") {
			c.Errorf("message %q does not name ReadFile", err)
		}
	}
}

func readFileReadsParts(c *tc) {
	small, large := "0123456789", pattern(3<<20)
	r := c.createWith(create("small", small), create("large", large), create("empty", ""))
	for _, q := range []struct {
		file, content string
		offset, limit int64
	}{
		{"small", small, 0, 0},
		{"small", small, 0, 1},
		{"small", small, 0, 10},
		{"small", small, 0, 11},
		{"small", small, 3, 0},
		{"small", small, 3, 4},
		{"small", small, 9, 1},
		{"small", small, 9, 100},
		{"small", small, 10, 0},
		{"small", small, 10, 5},
		{"small", small, 5, math.MaxInt64},
		{"empty", "", 0, 0},
		{"empty", "", 0, 7},
		{"large", large, 0, 1},
		{"large", large, 1 << 20, 1 << 20},
		{"large", large, 2<<20 + 17, 0},
		{"large", large, 3<<20 - 1, 0},
		{"large", large, 3 << 20, 0},
		{"large", large, 1<<16 - 1, 2},
	} {
		want := q.content[q.offset:]
		if q.limit > 0 {
			want = want[:min(q.limit, int64(len(want)))]
		}
		f, content, err := r.ReadFile(c.ctx, ports.ReadFile{Revision: git.Head(), Path: path(q.file), Offset: q.offset, Limit: q.limit})
		c.ok(err)
		c.equal("the size of the whole file", f.Size, int64(len(q.content)))
		if got := c.content(content); got != want {
			c.Errorf("%d bytes of %q from %d are wrong: %d bytes, want %d", q.limit, q.file, q.offset, len(got), len(want))
		}
		c.ok(content.Close())
	}
}

func badRangeIsRefused(c *tc) {
	r := c.createWith(create("small", "0123456789"), create("empty", ""), create("large", pattern(2<<20)))
	for _, q := range []ports.ReadFile{
		{Path: path("small"), Offset: -1},
		{Path: path("small"), Limit: -1},
		{Path: path("small"), Offset: math.MinInt64, Limit: math.MinInt64},
		{Path: path("small"), Offset: 11},
		{Path: path("small"), Offset: math.MaxInt64, Limit: math.MaxInt64},
		{Path: path("empty"), Offset: 1},
		{Path: path("large"), Offset: 2<<20 + 1},
	} {
		q.Revision = git.Head()
		_, _, err := r.ReadFile(c.ctx, q)
		c.fails(err, errs.ReasonInvalidRange)
	}
}

func contentIsAReader(c *tc) {
	text := pattern(200_000)
	r := c.createWith(create("a", text), create("large", pattern(4<<20)))
	_, content, err := r.ReadFile(c.ctx, ports.ReadFile{Revision: git.Head(), Path: path("a")})
	c.ok(err)
	if err := iotest.TestReader(content, []byte(text)); err != nil {
		c.Error(err)
	}
	c.ok(content.Close())
	for _, read := range []int{0, 1, 100_000} {
		_, content, err := r.ReadFile(c.ctx, ports.ReadFile{Revision: git.Head(), Path: path("large")})
		c.ok(err)
		_, err = io.CopyN(io.Discard, content, int64(read))
		c.ok(err)
		c.ok(content.Close())
	}
	c.equal("the file after all that", r.read("a") == text, true)
}

func contentsAreApart(c *tc) {
	r := c.createWith(create("a", "secret"))
	head := r.head()
	c.equal("the file", r.read("a"), "secret")
	other := c.createWith(create("a", "public"))
	other.unreadableObject(git.AtCommit(head))
	c.equal("the other's file", other.read("a"), "public")
}

func (r *repo) unreadableObject(rev git.Revision) {
	r.c.Helper()
	id, _ := rev.CommitID()
	for name, read := range readers {
		r.c.sub(name, func(c *tc) {
			c.fails(read(c.ctx, r, rev, path("a")), errs.ReasonObjectNotFound, errs.MetaObject, id.String())
		})
	}
}

var batchCases = []testCase{
	{"files come in the order of the paths, each as often as it is named", batchKeepsOrder},
	{"a path that cannot be read is told in its place", batchTellsWhatItCannotRead},
	{"no paths give no files", batchOfNothing},
	{"files of any size come whole, and may be read in part or not at all", batchOfLargeFiles},
	{"as many paths as the limit are taken, and no more", batchHasALimit},
	{"a batch may be broken off", batchMayBeBrokenOff},
}

func batchKeepsOrder(c *tc) {
	r, w := c.readSample()
	second := w.commits["second"]
	var asked []git.TreePath
	for _, p := range second.sorted() {
		if second.files[p].mode != git.ModeSubmodule {
			asked = append([]git.TreePath{path(p)}, asked...)
		}
	}
	asked = append(asked, asked[0], asked[0], asked[len(asked)-1])
	commit, seq, err := r.BatchGetFiles(c.ctx, git.AtRef(mainBranch()), asked)
	c.ok(err)
	c.equal("the commit", commit, second.ID)
	i := 0
	for f, err := range seq {
		c.ok(err)
		c.ok(f.Err)
		want := second.files[asked[i].String()]
		c.equal("the file", f.File, ports.File{Commit: commit, Path: asked[i], Mode: want.mode, Blob: want.id, Size: int64(len(want.content))})
		if got := c.content(f.Content); got != want.content {
			c.Errorf("%q has %d bytes that are not the %d expected", asked[i], len(got), len(want.content))
		}
		i++
	}
	c.equal("the number of files", i, len(asked))
}

func batchTellsWhatItCannotRead(c *tc) {
	r := c.createWith(create("a", "1"), create("d/b", "2"))
	asked := append(paths("none", "a", "d", "a/x", "d/b", "none"), git.TreePath{})
	reasons := []errs.Reason{errs.ReasonPathNotFound, "", errs.ReasonNotAFile, errs.ReasonPathNotFound, "", errs.ReasonPathNotFound, errs.ReasonNotAFile}
	commit, seq, err := r.BatchGetFiles(c.ctx, git.Head(), asked)
	c.ok(err)
	i := 0
	for f, err := range seq {
		c.ok(err)
		c.equal("the path", f.Path, asked[i])
		c.equal("the commit", f.Commit, commit)
		if reasons[i] == "" {
			c.ok(f.Err)
			c.content(f.Content)
		} else {
			c.fails(f.Err, reasons[i], errs.MetaPath, asked[i].String())
			c.equal("content of what cannot be read", f.Content == nil, true)
		}
		i++
	}
	c.equal("the number of answers", i, len(asked))
}

func batchOfNothing(c *tc) {
	r := c.createWith(create("a", "1"))
	commit, seq, err := r.BatchGetFiles(c.ctx, git.Head(), nil)
	c.equal("the number of files", len(all(c, seq, err)), 0)
	c.equal("the commit", commit, r.head())
	_, _, err = r.BatchGetFiles(c.ctx, revision("none"), nil)
	c.fails(err, errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/none")
}

func batchOfLargeFiles(c *tc) {
	r, w := c.readSample()
	first := w.commits["first"]
	asked := paths("large.bin", "README.md", "large.bin", "over.bin", "empty", "limit.bin", "large.bin", "README.md")
	for read, reader := range map[string]func(io.Reader, int64) io.Reader{
		"all":     func(content io.Reader, _ int64) io.Reader { return content },
		"half":    func(content io.Reader, size int64) io.Reader { return io.LimitReader(content, size/2) },
		"nothing": func(io.Reader, int64) io.Reader { return strings.NewReader("") },
	} {
		_, seq, err := r.BatchGetFiles(c.ctx, git.AtCommit(first.ID), asked)
		c.ok(err)
		i := 0
		for f, err := range seq {
			c.ok(err)
			want := first.files[asked[i].String()].content
			expected := c.content(reader(strings.NewReader(want), f.Size))
			if got := c.content(reader(f.Content, f.Size)); got != expected {
				c.Errorf("reading %s: %q has %d bytes that are not the %d expected", read, asked[i], len(got), len(expected))
			}
			c.equal("the size", f.Size, int64(len(want)))
			i++
		}
		c.equal("the number of files, reading "+read, i, len(asked))
	}
}

func batchHasALimit(c *tc) {
	r := c.createWith(create("a", "1"), create("b", "2"))
	asked := make([]git.TreePath, ports.MaxBatchPaths+1)
	for i := range asked {
		asked[i] = paths("a", "b", "none")[i%3]
	}
	_, _, err := r.BatchGetFiles(c.ctx, git.Head(), asked)
	c.fails(err, errs.ReasonTooManyActions, errs.MetaField, "paths")
	_, seq, err := r.BatchGetFiles(c.ctx, git.Head(), asked[:ports.MaxBatchPaths])
	c.ok(err)
	i := 0
	for f, err := range seq {
		c.ok(err)
		if f.Path != asked[i] || (i%3 == 2) != (f.Err != nil) {
			c.Fatalf("answer %d is of %q with error %v", i, f.Path, f.Err)
		}
		if f.Err == nil && c.content(f.Content) != []string{"1", "2"}[i%3] {
			c.Fatalf("answer %d has another content", i)
		}
		i++
	}
	c.equal("the number of answers", i, ports.MaxBatchPaths)
}

func batchMayBeBrokenOff(c *tc) {
	r, w := c.readSample()
	for n := range 4 {
		_, seq, err := r.BatchGetFiles(c.ctx, git.AtCommit(w.id("first")), paths("README.md", "large.bin", "empty", "large.bin", "README.md"))
		c.ok(err)
		for f, err := range seq {
			c.ok(err)
			_, err = io.CopyN(new(bytes.Buffer), f.Content, min(f.Size, 10))
			c.ok(err)
			if n--; n < 0 {
				break
			}
		}
	}
	f, err := r.GetFile(c.ctx, git.AtCommit(w.id("first")), path("README.md"))
	c.ok(err)
	c.equal("the next read", string(f.Content), "# Sample\n")
}
