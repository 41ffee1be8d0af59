package gitrepotest

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var commitCases = []testCase{
	{"the first commit has no parent and makes the default branch", firstCommit},
	{"a commit is what was asked for, byte by byte", commitIsAsAskedFor},
	{"people and times have defaults", commitHasDefaults},
	{"create writes a file where there is none", createWrites},
	{"update writes a file where there is one", updateWrites},
	{"upsert writes a file whether there is one or not", upsertWrites},
	{"delete removes a file, and the directories that it leaves empty", deleteRemoves},
	{"move takes a file to where there is none, and may change it on the way", moveMoves},
	{"chmod sets whether a file is executable, and nothing else", chmodSets},
	{"a mode that is not given is kept, and regular for a new file", modesAreKept},
	{"many actions make one commit, judged by the tree before it", actionsMakeOneCommit},
	{"the result names the blobs in the order of the actions", resultNamesBlobs},
	{"a file and a directory do not take each other's place by accident", filesAndDirectoriesConflict},
	{"names that differ in case alone do not stand side by side", caseTwinsConflict},
	{"links and submodules can be deleted and nothing else", linksCanBeDeleted},
	{"two actions on one path are refused", duplicatePathsAreRefused},
	{"any content comes back as it was, whatever its size and however it is read", contentComesBack},
	{"a content of another length than announced is refused", wrongSizeIsRefused},
	{"changes are consumed one after the other, each content to its end", changesAreConsumedInOrder},
	{"an error among the changes, or of a content, ends the commit with it", errorsAmongChangesEndIt},
	{"many files make a commit, and odd but lawful names are taken", manyFilesAreCommitted},
	{"a branch that does not exist needs a start, unless it is the default one or expected to be absent", newBranchNeedsStart},
	{"a start makes a branch that begins there", startBeginsBranch},
	{"a start for a branch that exists, or that leads nowhere, is told", badStartsAreTold},
	{"what changes nothing makes no commit", noOpMakesNoCommit},
	{"an empty commit is made if it is allowed", emptyCommitIsAllowed},
	{"a commit without actions is refused", commitWithoutActionsIsRefused},
	{"a dry run tells what would be, and makes nothing", dryRunMakesNothing},
	{"a new branch must not conflict with another", committedBranchConflicts},
}

// request is a commit by Ada, whose ID follows from what is in it.
func request(message string) ports.CommitFiles {
	return ports.CommitFiles{Branch: mainBranch(), Author: ada(epoch), Committer: ada(epoch), Message: message}
}

// refuses reports it if the commit is made, not refused for the reason, or anything changes.
func (r *repo) refuses(req ports.CommitFiles, changes []git.Change, reason errs.Reason, meta ...string) {
	r.c.Helper()
	if req.Message == "" {
		req.Message = "Change"
	}
	if req.Branch.IsZero() {
		req.Branch = mainBranch()
	}
	r.unchanged(func() {
		res, err := r.CommitFiles(r.c.ctx, req, each(changes...))
		r.c.fails(err, reason, meta...)
		r.c.equal("the result", res, ports.CommitResult{})
	})
}

func firstCommit(c *tc) {
	r := c.create()
	res := r.commit(create("docs/a", "1"), create("b", "2"))
	c.equal("the parent", res.Parent, git.ObjectID{})
	c.equal("HEAD", r.head(), res.Commit)
	commit, err := r.GetCommit(c.ctx, git.Head())
	c.ok(err)
	c.equal("the commit's parents", commit.Parents, []git.ObjectID(nil))
	c.equal("the commit's tree", commit.Tree, res.Tree)
	c.equal("the files", r.files(git.Head()), map[string]string{"docs/a": "1", "b": "2"})
}

func commitIsAsAskedFor(c *tc) {
	r := c.create()
	zone := time.FixedZone("", 5*60*60+45*60)
	req := ports.CommitFiles{
		Branch: mainBranch(), Message: "Sübject\n\n  body \r\n\n\ttabs\n\n",
		Author:    git.Signature{Name: "Ádá  L.", Email: "ada+x@example.com", When: time.Unix(epoch, 500_000_000).In(zone)},
		Committer: git.Signature{Name: "Bob", Email: "bob@localhost", When: time.Unix(epoch+9, 0).In(time.FixedZone("", -60*60))},
	}
	first, err := r.CommitFiles(c.ctx, req, each(create("a", "1")))
	c.ok(err)
	req.Message = "no newline"
	second, err := r.CommitFiles(c.ctx, req, each(create("d/b", "2")))
	c.ok(err)

	files := map[string]worldFile{"a": {mode: git.ModeRegular, id: c.blobID("1")}}
	want := git.Commit{Tree: treeOf(c.format, files), Author: req.Author, Committer: req.Committer, Message: "Sübject\n\n  body \r\n\n\ttabs\n\n"}
	want.ID = c.format.HashObject(git.CommitObject, want.Encode())
	c.equal("the first result", first, ports.CommitResult{Commit: want.ID, Tree: want.Tree, Blobs: []ports.PathBlob{{Path: path("a"), Blob: c.blobID("1")}}})
	got, err := r.GetCommit(c.ctx, git.AtCommit(first.Commit))
	c.ok(err)
	c.equal("the first commit", *got, want)

	files["d/b"] = worldFile{mode: git.ModeRegular, id: c.blobID("2")}
	want = git.Commit{Tree: treeOf(c.format, files), Parents: []git.ObjectID{first.Commit}, Author: req.Author, Committer: req.Committer, Message: "no newline\n"}
	want.ID = c.format.HashObject(git.CommitObject, want.Encode())
	c.equal("the second result", second, ports.CommitResult{
		Commit: want.ID, Parent: first.Commit, Tree: want.Tree, Blobs: []ports.PathBlob{{Path: path("d/b"), Blob: c.blobID("2")}},
	})
	got, err = r.GetCommit(c.ctx, git.Head())
	c.ok(err)
	c.equal("the second commit", *got, want)
}

func commitHasDefaults(c *tc) {
	r := c.create()
	person := git.Signature{Name: "A", Email: "a@example.com"}
	var own git.Signature
	for i, q := range []struct{ author, committer git.Signature }{
		{}, {author: person}, {committer: person}, {author: ada(epoch)}, {author: git.Signature{When: time.Unix(epoch, 0).UTC()}},
	} {
		_, err := r.CommitFiles(c.ctx, ports.CommitFiles{Branch: mainBranch(), Author: q.author, Committer: q.committer, Message: "Change"},
			each(create(fmt.Sprintf("f%d", i), "")))
		c.ok(err)
		commit, err := r.GetCommit(c.ctx, git.Head())
		c.ok(err)
		if i == 0 {
			own = commit.Author
			if own.IsZero() {
				c.Error("the store has no identity of its own")
			}
		}
		wantAuthor, wantCommitter := q.author, q.committer
		if wantAuthor.IsZero() {
			wantAuthor.Name, wantAuthor.Email = own.Name, own.Email
		}
		if wantCommitter.IsZero() {
			wantCommitter.Name, wantCommitter.Email = wantAuthor.Name, wantAuthor.Email
		}
		for what, p := range map[string]struct{ got, want git.Signature }{
			"author": {commit.Author, wantAuthor}, "committer": {commit.Committer, wantCommitter},
		} {
			c.equal("the "+what, p.got.Name+" <"+p.got.Email+">", p.want.Name+" <"+p.want.Email+">")
			if !p.want.When.IsZero() {
				c.equal("the time of the "+what, p.got.When, p.want.When)
			} else if what == "author" && time.Since(p.got.When).Abs() > time.Hour {
				c.Errorf("the time of the %s is %s, want about now", what, p.got.When)
			}
		}
	}
}

func createWrites(c *tc) {
	r := c.createWith(create("a", "1"), create("d/e/f", "2"))
	r.commit(create("d/g", "3"), as(true, create("x/y/z", "4")))
	c.equal("the files", r.files(git.Head()), map[string]string{"a": "1", "d/e/f": "2", "d/g": "3", "x/y/z": "4"})
	for p, actual := range map[string]string{"a": c.blobID("1").String(), "d/e/f": c.blobID("2").String()} {
		r.refuses(ports.CommitFiles{}, []git.Change{create("new", ""), create(p, "5")}, errs.ReasonPathExists, errs.MetaPath, p, errs.MetaActual, actual)
	}
	r.refuses(ports.CommitFiles{}, []git.Change{create("d", "5")}, errs.ReasonPathConflict, errs.MetaPath, "d")
}

func updateWrites(c *tc) {
	r := c.createWith(create("a", "1"), create("d/b", "2"))
	r.commit(update("d/b", "3"))
	c.equal("the files", r.files(git.Head()), map[string]string{"a": "1", "d/b": "3"})
	for _, p := range []string{"none", "d/none", "none/b", "a/b", "A"} {
		r.refuses(ports.CommitFiles{}, []git.Change{update("a", "4"), update(p, "4")}, errs.ReasonPathNotFound, errs.MetaPath, p)
	}
	r.refuses(ports.CommitFiles{}, []git.Change{update("d", "4")}, errs.ReasonNotAFile, errs.MetaPath, "d")
}

func upsertWrites(c *tc) {
	r := c.create()
	r.commit(upsert("a", "1"), upsert("d/b", "2"))
	r.commit(upsert("a", "3"), upsert("d/c", "4"))
	c.equal("the files", r.files(git.Head()), map[string]string{"a": "3", "d/b": "2", "d/c": "4"})
	r.refuses(ports.CommitFiles{}, []git.Change{upsert("d", "5")}, errs.ReasonPathConflict, errs.MetaPath, "d")
}

func deleteRemoves(c *tc) {
	r := c.createWith(create("a", "1"), create("d/e/f", "2"), create("d/g", "3"), create("h/i/j", "4"))
	r.commit(del("d/e/f"), del("h/i/j"))
	c.equal("the files", r.files(git.Head()), map[string]string{"a": "1", "d/g": "3"})
	c.equal("the root", listed(r.list(ports.ListFiles{Revision: git.Head()})), []string{"a", "d"})
	c.equal("the directory", listed(r.list(ports.ListFiles{Revision: git.Head(), Prefix: path("d")})), []string{"d/g"})
	for _, p := range []string{"none", "d/e/f", "a/x", "h"} {
		r.refuses(ports.CommitFiles{}, []git.Change{del("a"), del(p)}, errs.ReasonPathNotFound, errs.MetaPath, p)
	}
	r.refuses(ports.CommitFiles{}, []git.Change{del("d")}, errs.ReasonNotAFile, errs.MetaPath, "d")
	res := r.commit(del("a"), del("d/g"))
	c.equal("the tree without files", res.Tree, c.format.EmptyTree())
	c.equal("the blobs", res.Blobs, []ports.PathBlob(nil))
	c.equal("the files", r.files(git.Head()), map[string]string{})
	r.commit(create("again", "1"))
	c.equal("the files", r.files(git.Head()), map[string]string{"again": "1"})
}

func moveMoves(c *tc) {
	r := c.createWith(create("a", "1"), create("d/b", "2"), as(true, create("run", "3")), create("d/c", "4"), create("keep", "5"))
	res := r.commit(move("a", "x/y/a"), moveWith("d/b", "b", "changed"), move("run", "d/run"), as(true, move("d/c", "c")))
	c.equal("the files", r.files(git.Head()), map[string]string{"x/y/a": "1", "b": "changed", "d/run": "3", "c": "4", "keep": "5"})
	c.equal("the blobs", res.Blobs, []ports.PathBlob{
		{Path: path("x/y/a"), Blob: c.blobID("1")}, {Path: path("b"), Blob: c.blobID("changed")},
		{Path: path("d/run"), Blob: c.blobID("3")}, {Path: path("c"), Blob: c.blobID("4")},
	})
	c.equal("the modes", r.modes(), map[string]git.FileMode{
		"x/y/a": git.ModeRegular, "b": git.ModeRegular, "d/run": git.ModeExecutable, "c": git.ModeExecutable, "keep": git.ModeRegular,
	})
	r.refuses(ports.CommitFiles{}, []git.Change{move("none", "z")}, errs.ReasonPathNotFound, errs.MetaPath, "none")
	r.refuses(ports.CommitFiles{}, []git.Change{move("x", "z")}, errs.ReasonNotAFile, errs.MetaPath, "x")
	r.refuses(ports.CommitFiles{}, []git.Change{move("b", "keep")}, errs.ReasonPathExists, errs.MetaPath, "keep", errs.MetaActual, c.blobID("5").String())
	r.refuses(ports.CommitFiles{}, []git.Change{move("b", "x")}, errs.ReasonPathConflict, errs.MetaPath, "x")
	r.refuses(ports.CommitFiles{}, []git.Change{move("b", "keep/b")}, errs.ReasonPathConflict, errs.MetaPath, "keep/b")
	r.commit(move("x/y/a", "x/a"), move("b", "B"))
	c.equal("the files", r.files(git.Head()), map[string]string{"x/a": "1", "B": "changed", "d/run": "3", "c": "4", "keep": "5"})
}

// modes returns the modes of all files of the default branch.
func (r *repo) modes() map[string]git.FileMode {
	r.c.Helper()
	modes := map[string]git.FileMode{}
	for _, info := range r.list(ports.ListFiles{Revision: git.Head(), Recursive: true}) {
		modes[info.Path.String()] = info.Mode
	}
	return modes
}

func chmodSets(c *tc) {
	r := c.createWith(create("a", "1"), as(true, create("d/run", "2")))
	res := r.commit(chmod("a", true), chmod("d/run", false))
	c.equal("the modes", r.modes(), map[string]git.FileMode{"a": git.ModeExecutable, "d/run": git.ModeRegular})
	c.equal("the files", r.files(git.Head()), map[string]string{"a": "1", "d/run": "2"})
	c.equal("the blobs", res.Blobs, []ports.PathBlob{{Path: path("a"), Blob: c.blobID("1")}, {Path: path("d/run"), Blob: c.blobID("2")}})
	r.refuses(ports.CommitFiles{}, []git.Change{chmod("none", true)}, errs.ReasonPathNotFound, errs.MetaPath, "none")
	r.refuses(ports.CommitFiles{}, []git.Change{chmod("d", true)}, errs.ReasonNotAFile, errs.MetaPath, "d")
}

func modesAreKept(c *tc) {
	r := c.createWith(create("new", "1"), as(true, create("run", "1")), as(false, create("plain", "1")), as(true, upsert("up", "1")))
	want := map[string]git.FileMode{"new": git.ModeRegular, "run": git.ModeExecutable, "plain": git.ModeRegular, "up": git.ModeExecutable}
	c.equal("the modes of new files", r.modes(), want)
	r.commit(update("new", "2"), update("run", "2"), upsert("plain", "2"), upsert("up", "2"))
	c.equal("the modes of changed files", r.modes(), want)
	r.commit(as(true, update("new", "3")), as(false, update("run", "3")), as(true, upsert("plain", "2")))
	want = map[string]git.FileMode{"new": git.ModeExecutable, "run": git.ModeRegular, "plain": git.ModeExecutable, "up": git.ModeExecutable}
	c.equal("the modes that were set", r.modes(), want)
}

func actionsMakeOneCommit(c *tc) {
	r := c.createWith(create("a", "1"), create("b", "2"), create("c", "3"), create("d", "4"), create("swap", "5"), create("turn/x", "6"), create("turn/y", "7"))
	before := r.head()
	res := r.commit(
		create("swap/inner", "8"), create("turn", "9"), create("new", "10"), del("swap"), update("a", "11"), move("b", "moved/b"), upsert("c", "12"),
		chmod("d", true), upsert("e", "13"), del("turn/x"), move("turn/y", "y"),
	)
	c.equal("the parent", res.Parent, before)
	c.equal("the files", r.files(git.Head()), map[string]string{
		"swap/inner": "8", "turn": "9", "new": "10", "a": "11", "moved/b": "2", "c": "12", "d": "4", "e": "13", "y": "7",
	})
	// The first action would make way for the second: all are judged by the tree before.
	r.refuses(ports.CommitFiles{}, []git.Change{create("x", "1"), update("x/y", "1")}, errs.ReasonPathNotFound, errs.MetaPath, "x/y")
	r.refuses(ports.CommitFiles{}, []git.Change{create("x", "1"), create("x/y", "1")}, errs.ReasonPathConflict)
}

func resultNamesBlobs(c *tc) {
	r := c.createWith(create("a", "1"), create("b", "2"), create("c", "3"))
	res := r.commit(upsert("z", "26"), del("a"), update("b", "22"), create("d/d", "4"), move("c", "0"))
	c.equal("the blobs", res.Blobs, []ports.PathBlob{
		{Path: path("z"), Blob: c.blobID("26")}, {Path: path("b"), Blob: c.blobID("22")},
		{Path: path("d/d"), Blob: c.blobID("4")}, {Path: path("0"), Blob: c.blobID("3")},
	})
	commit, err := r.GetCommit(c.ctx, git.Head())
	c.ok(err)
	c.equal("the tree", res.Tree, commit.Tree)
}

func filesAndDirectoriesConflict(c *tc) {
	r := c.createWith(create("file", "1"), create("dir/inner", "2"))
	for _, change := range []git.Change{create("file/x", ""), upsert("file/x/y", ""), move("dir/inner", "file/x")} {
		r.refuses(ports.CommitFiles{}, []git.Change{change}, errs.ReasonPathConflict, errs.MetaPath, change.Path.String())
	}
	r.refuses(ports.CommitFiles{}, []git.Change{del("file/x")}, errs.ReasonPathNotFound, errs.MetaPath, "file/x")
}

func caseTwinsConflict(c *tc) {
	r := c.createWith(create("README.md", "1"), create("docs/guide.md", "2"))
	for _, p := range []string{"readme.md", "Docs/other.md", "docs/GUIDE.md", "DOCS"} {
		r.refuses(ports.CommitFiles{}, []git.Change{create(p, "")}, errs.ReasonPathConflict)
	}
	r.refuses(ports.CommitFiles{}, []git.Change{create("new", ""), create("New", "")}, errs.ReasonPathConflict)
	r.commit(move("README.md", "readme.md"), del("docs/guide.md"), create("Docs/guide.md", "2"))
	c.equal("the files", r.files(git.Head()), map[string]string{"readme.md": "1", "Docs/guide.md": "2"})
}

func linksCanBeDeleted(c *tc) {
	r, w := c.ownCopy(sample.light())
	for _, change := range []git.Change{
		update("dirlink", ""), upsert("escape", ""), chmod("dirlink", true), move("dirlink", "new"), update("module", ""), upsert("hook", ""), move("module", "new"),
	} {
		source := change.Path
		if !change.From.IsRoot() {
			source = change.From
		}
		r.refuses(ports.CommitFiles{}, []git.Change{change}, errs.ReasonNotAFile, errs.MetaPath, source.String())
	}
	r.refuses(ports.CommitFiles{}, []git.Change{create("escape", "")}, errs.ReasonPathExists, errs.MetaPath, "escape")
	r.refuses(ports.CommitFiles{}, []git.Change{create("dirlink/x", "")}, errs.ReasonPathConflict, errs.MetaPath, "dirlink/x")
	r.refuses(ports.CommitFiles{}, []git.Change{create("module/x", "")}, errs.ReasonPathConflict, errs.MetaPath, "module/x")

	gone := []string{"dirlink", "escape", "module", "hook", ".gitmodules", latin1Path, newlinePath, "odd/back\\slash", "odd/cafe\u0301", "odd/\x01\x7f"}
	var changes []git.Change
	for _, p := range gone {
		changes = append(changes, del(p))
	}
	r.commit(changes...)
	want := slices.DeleteFunc(w.commits["second"].sorted(), func(p string) bool { return slices.Contains(gone, p) })
	c.equal("the files", listed(r.list(ports.ListFiles{Revision: git.Head(), Recursive: true})), want)
}

func duplicatePathsAreRefused(c *tc) {
	r := c.createWith(create("a", "1"), create("b", "2"))
	for _, changes := range [][]git.Change{
		{update("a", "3"), update("a", "3")}, {create("x", ""), create("x", "")}, {del("a"), create("a", "")}, {upsert("a", ""), chmod("a", true)},
		{move("a", "x"), move("b", "x")}, {move("a", "x"), update("a", "")}, {move("a", "x"), move("a", "y")}, {move("a", "x"), create("x", "")},
		{move("a", "b"), move("b", "a")},
	} {
		r.refuses(ports.CommitFiles{}, changes, errs.ReasonDuplicatePath)
	}
}

func contentComesBack(c *tc) {
	r := c.create()
	contents := map[string]string{
		"empty": "", "byte": "\x00", "text": "a\r\nb\n", "latin1": "caf\xe9", "64KiB": pattern(64 << 10), "64KiB+1": pattern(64<<10 + 1),
		"limit": pattern(ports.MaxGetFile), "1MiB+1": pattern(ports.MaxGetFile + 1), "4MiB": pattern(4 << 20), "9MiB": pattern(9<<20 + 3),
		"zeros": strings.Repeat("\x00", 3<<20),
	}
	var changes []git.Change
	for i, p := range slices.Sorted(maps.Keys(contents)) {
		change := create(p, contents[p])
		switch i % 3 {
		case 1:
			change.Size = -1
		case 2:
			change.Content = halfReader{strings.NewReader(contents[p])}
		}
		changes = append(changes, change)
	}
	res := r.commit(changes...)
	for i, blob := range res.Blobs {
		c.equal("the path", blob.Path, changes[i].Path)
		c.equal("the blob of "+blob.Path.String(), blob.Blob, c.blobID(contents[blob.Path.String()]))
	}
	for p, content := range r.files(git.Head()) {
		if content != contents[p] {
			c.Errorf("%q came back with %d bytes that are not the %d expected", p, len(content), len(contents[p]))
		}
	}
}

// halfReader reads half of what it is asked for, and tells its end with the last bytes.
type halfReader struct{ r *strings.Reader }

func (h halfReader) Read(b []byte) (int, error) {
	n, err := h.r.Read(b[:(len(b)+1)/2])
	if err == nil && h.r.Len() == 0 {
		err = io.EOF
	}
	return n, err
}

func wrongSizeIsRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	for _, q := range []struct{ announced, actual int }{{0, 1}, {1, 0}, {9, 10}, {11, 10}, {1 << 20, 1<<20 + 1}, {1<<20 + 1, 1 << 20}, {10, 3 << 20}, {3 << 20, 10}} {
		change := create("b", pattern(q.actual))
		change.Size = int64(q.announced)
		r.refuses(ports.CommitFiles{}, []git.Change{create("c", ""), change, create("d", "")}, errs.ReasonInvalidAction, errs.MetaPath, "b")
	}
}

// watched is a content that tells whether it was read to its end and whether it was closed.
type watched struct {
	io.Reader
	done, closed bool
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.done = w.done || errors.Is(err, io.EOF)
	return n, err
}

func (w *watched) Close() error {
	w.closed = true
	return nil
}

func changesAreConsumedInOrder(c *tc) {
	r := c.create()
	var given []*watched
	changes := func(yield func(git.Change, error) bool) {
		for i, size := range []int{10, 0, 300_000, 5 << 20, 1} {
			for _, before := range given {
				if !before.done {
					c.Errorf("change %d is asked for before the content of those before it was read to its end", i)
				}
			}
			content := &watched{Reader: strings.NewReader(pattern(size))}
			given = append(given, content)
			change := git.Change{Action: git.ActionCreate, Path: path(fmt.Sprintf("f%d", i)), Content: content, Size: -1}
			if i%2 == 0 {
				change.Size = int64(size)
			}
			if !yield(change, nil) {
				c.Error("the changes are broken off")
				return
			}
		}
	}
	_, err := r.CommitFiles(c.ctx, request("Change"), changes)
	c.ok(err)
	for i, content := range given {
		c.equal(fmt.Sprintf("whether content %d was read to its end, and whether it was closed", i), [2]bool{content.done, content.closed}, [2]bool{true, false})
	}
	c.equal("the number of files", len(r.files(git.Head())), len(given))
}

func errorsAmongChangesEndIt(c *tc) {
	r := c.createWith(create("a", "1"))
	cause := errors.New("the source has run dry")
	r.unchanged(func() {
		for _, at := range []int{0, 1, 5} {
			asked := 0
			_, err := r.CommitFiles(c.ctx, request("Change"), func(yield func(git.Change, error) bool) {
				for i := range at {
					if asked++; !yield(create(fmt.Sprintf("f%d", i), pattern(1000)), nil) {
						return
					}
				}
				if yield(git.Change{}, cause) {
					c.Error("the changes go on behind an error")
				}
			})
			if !errors.Is(err, cause) {
				c.Errorf("error is %v, want the one among the changes", err)
			}
			c.equal("the number of changes asked for", asked, at)
		}
		_, err := r.CommitFiles(c.ctx, request("Change"), func(yield func(git.Change, error) bool) {
			yield(git.Change{}, errs.InvalidField(errs.ReasonInvalidPath, "path", "the edge refuses it"))
		})
		c.fails(err, errs.ReasonInvalidPath, errs.MetaField, "path")
		for _, size := range []int{0, 10, 300_000, 3 << 20} {
			for _, announced := range []int64{-1, int64(size), int64(size) + 1000} {
				change := git.Change{Action: git.ActionCreate, Path: path("f"), Content: cut(pattern(size), cause), Size: announced}
				if _, err := r.CommitFiles(c.ctx, request("Change"), each(create("g", ""), change)); !errors.Is(err, cause) {
					c.Errorf("error of a content of %d that was announced as %d is %v, want the reader's", size, announced, err)
				}
			}
		}
	})
	r.commit(create("after", "2"))
	c.equal("the files", r.files(git.Head()), map[string]string{"a": "1", "after": "2"})
}

func manyFilesAreCommitted(c *tc) {
	r := c.create()
	want := map[string]string{}
	for i := range 2000 {
		want[fmt.Sprintf("d%02d/e%d/f%04d.md", i%37, i%5, i)] = fmt.Sprintf("file %d\n", i)
	}
	for _, p := range []string{
		"ünï/cödé", "日本語.md", "emoji 🙂.txt", "a b/c d", "-rf", "--", "~", "$HOME", "a;b|c&d", "'quoted' \"twice\"", "*?[x]", "#x", "a:b", "%41", "+", "@", "gitignore",
		".gitignore", ".gitattributes", ".github/x", "git", "x.git", "console", "nul1", strings.Repeat("a/", 31) + "deep", strings.Repeat("x", 255),
		strings.Repeat(strings.Repeat("y", 203)+"/", 5) + "1024",
	} {
		want[p] = p
	}
	var changes []git.Change
	for p, content := range want {
		changes = append(changes, create(p, content))
	}
	r.commit(changes...)
	c.equal("the files", r.files(git.Head()), want)
	c.equal("the listing", listed(r.list(ports.ListFiles{Revision: git.Head(), Recursive: true})), slices.Sorted(maps.Keys(want)))
}

func newBranchNeedsStart(c *tc) {
	r := c.createWith(create("a", "1"))
	req := request("Change")
	req.Branch = branch("topic")
	r.refuses(req, []git.Change{create("b", "2")}, errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/topic")
	req.ExpectedHead = git.ExpectAbsent()
	res, err := r.CommitFiles(c.ctx, req, each(create("b", "2")))
	c.ok(err)
	c.equal("the parent", res.Parent, git.ObjectID{})
	c.equal("the files of a branch that was to be absent", r.files(revision("topic")), map[string]string{"b": "2"})

	empty := c.create()
	empty.refuses(ports.CommitFiles{Branch: branch("topic")}, []git.Change{create("b", "2")}, errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/topic")
	_, err = empty.CommitFiles(c.ctx, req, each(create("b", "2")))
	c.ok(err)
	_, err = empty.ResolveRevision(c.ctx, git.Head())
	c.fails(err, errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/main")
}

func startBeginsBranch(c *tc) {
	r := c.createWith(create("a", "1"))
	first := r.head()
	_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head(), Message: "One"})
	c.ok(err)
	second := r.commit(update("a", "2")).Commit
	for i, q := range []struct {
		start  git.Revision
		parent git.ObjectID
		a      string
	}{{git.Head(), second, "2"}, {git.AtCommit(first), first, "1"}, {revision("v1"), first, "1"}, {revision("main"), second, "2"}} {
		req := request("Change")
		req.Branch, req.Start = branch(fmt.Sprintf("topic%d", i)), q.start
		if i%2 == 0 {
			req.ExpectedHead = git.ExpectAbsent()
		}
		res, err := r.CommitFiles(c.ctx, req, each(create("b", "3")))
		c.ok(err)
		c.equal("the parent", res.Parent, q.parent)
		c.equal("the branch", r.at(git.AtRef(req.Branch)), res.Commit)
		c.equal("the files", r.files(git.AtRef(req.Branch)), map[string]string{"a": q.a, "b": "3"})
	}
	req := request("Change")
	req.Branch, req.Start = branch("same"), git.AtCommit(first)
	res, err := r.CommitFiles(c.ctx, req, each(update("a", "1")))
	c.ok(err)
	c.equal("the result of what changes nothing", res, ports.CommitResult{
		Commit: first, Tree: res.Tree, Blobs: []ports.PathBlob{{Path: path("a"), Blob: c.blobID("1")}}, NoOp: true,
	})
	c.equal("the branch", r.at(revision("same")), first)
	c.equal("main", r.head(), second)
}

func badStartsAreTold(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	commit, err := r.GetCommit(c.ctx, git.Head())
	c.ok(err)
	refuses := func(r *repo, req ports.CommitFiles, reason errs.Reason, meta ...string) {
		c.Helper()
		r.refuses(req, []git.Change{create("b", "2")}, reason, meta...)
	}
	refuses(r, ports.CommitFiles{Start: git.Head()}, errs.ReasonRefExists, errs.MetaRef, "refs/heads/main", errs.MetaActual, head.String())
	topic := func(start git.Revision) ports.CommitFiles {
		return ports.CommitFiles{Branch: branch("topic"), Start: start}
	}
	refuses(r, topic(revision("none")), errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/none")
	refuses(r, topic(git.AtCommit(c.unknownID())), errs.ReasonObjectNotFound, errs.MetaObject, c.unknownID().String())
	refuses(r, topic(git.AtCommit(commit.Tree)), errs.ReasonNotACommit, errs.MetaObject, commit.Tree.String())
	expecting := topic(git.Head())
	expecting.ExpectedHead = git.ExpectID(head)
	refuses(r, expecting, errs.ReasonInvalidArgument, errs.MetaField, "expected_head")
	refuses(c.create(), topic(git.Head()), errs.ReasonRefNotFound, errs.MetaRef, "refs/heads/main")
}

func noOpMakesNoCommit(c *tc) {
	r := c.createWith(create("a", "1"), as(true, create("run", "2")))
	first := r.head()
	commit := r.commit(create("b", "3"))
	for _, changes := range [][]git.Change{
		{update("a", "1")}, {upsert("a", "1"), upsert("b", "3")}, {chmod("run", true)}, {chmod("a", false)}, {as(true, update("run", "2"))},
	} {
		r.unchanged(func() {
			res, err := r.CommitFiles(c.ctx, request("Change"), each(changes...))
			c.ok(err)
			c.equal("whether it is a no-op", res.NoOp, true)
			res.Blobs = nil
			c.equal("the result", res, ports.CommitResult{Commit: commit.Commit, Parent: first, Tree: commit.Tree, NoOp: true})
		})
	}
	res, err := r.CommitFiles(c.ctx, request("Change"), each(upsert("a", "1"), create("c", "4")))
	c.ok(err)
	c.equal("whether it is a no-op if one action changes something", res.NoOp, false)
}

func emptyCommitIsAllowed(c *tc) {
	r := c.create()
	req := request("Empty")
	req.AllowEmpty = true
	first, err := r.CommitFiles(c.ctx, req, each())
	c.ok(err)
	c.equal("the first", first, ports.CommitResult{Commit: first.Commit, Tree: c.format.EmptyTree()})
	c.equal("the files", r.files(git.Head()), map[string]string{})
	r.commit(create("a", "1"))
	before := r.head()
	for _, changes := range [][]git.Change{nil, {update("a", "1")}} {
		res, err := r.CommitFiles(c.ctx, req, each(changes...))
		c.ok(err)
		c.equal("the parent", res.Parent, before)
		c.equal("whether it is a no-op", res.NoOp, false)
		c.equal("HEAD", r.head(), res.Commit)
		before = res.Commit
	}
	c.equal("the files", r.files(git.Head()), map[string]string{"a": "1"})
}

func commitWithoutActionsIsRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	r.refuses(ports.CommitFiles{}, nil, errs.ReasonNoActions, errs.MetaField, "actions")
	r.refuses(ports.CommitFiles{DryRun: true}, nil, errs.ReasonNoActions, errs.MetaField, "actions")
	c.create().refuses(ports.CommitFiles{}, nil, errs.ReasonNoActions, errs.MetaField, "actions")
}

func dryRunMakesNothing(c *tc) {
	r := c.createWith(create("a", "1"))
	req := request("Change")
	changes := func() iter.Seq2[git.Change, error] { return each(update("a", "2"), create("large", pattern(2<<20))) }
	req.DryRun = true
	var dry ports.CommitResult
	r.unchanged(func() {
		for range 2 {
			var err error
			dry, err = r.CommitFiles(c.ctx, req, changes())
			c.ok(err)
		}
		_, err := r.GetCommit(c.ctx, git.AtCommit(dry.Commit))
		c.fails(err, errs.ReasonObjectNotFound, errs.MetaObject, dry.Commit.String())
		same, err := r.CommitFiles(c.ctx, req, each(update("a", "1")))
		c.ok(err)
		c.equal("whether it is a no-op", same.NoOp, true)
		_, err = r.CommitFiles(c.ctx, req, each(create("a", "2")))
		c.fails(err, errs.ReasonPathExists, errs.MetaPath, "a")
		started := req
		started.Branch, started.Start = branch("topic"), git.Head()
		_, err = r.CommitFiles(c.ctx, started, each(create("b", "2")))
		c.ok(err)
	})
	req.DryRun = false
	wet, err := r.CommitFiles(c.ctx, req, changes())
	c.ok(err)
	c.equal("what the dry run told", dry, wet)
}

func committedBranchConflicts(c *tc) {
	r := c.createWith(create("a", "1"))
	for _, start := range []git.Revision{git.Head(), {}} {
		req := request("Change")
		req.Branch, req.Start, req.ExpectedHead = branch("main/below"), start, git.ExpectAbsent()
		r.refuses(req, []git.Change{create("b", "2")}, errs.ReasonRefConflict, errs.MetaRef, "refs/heads/main/below")
	}
}
