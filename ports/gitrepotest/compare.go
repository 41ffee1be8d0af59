package gitrepotest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var compareCases = []testCase{
	{"every kind of change is told, by the bytes of the paths", changesAreTold},
	{"without a base everything is an addition", everythingIsAdded},
	{"paths keep files and what lies below directories", pathsKeepChanges},
	{"a comparison from the merge base leaves out what the base did", mergeBaseIsCompared},
	{"equal commits do not differ", equalCommitsDoNotDiffer},
	{"a diff has the hunks and the counts of lines", diffHasHunks},
	{"a diff of what is not text, or is large, has no patch", diffOfBinary},
	{"a diff tells the same changes as the listing of paths", diffTellsChanges},
	{"comparing may be broken off", comparingMayBeBrokenOff},
}

// differences are the changes from base, which may be nil, to c.
func (c *worldCommit) differences(base *worldCommit) []git.PathChange {
	before, together := c.against(base)
	var changes []git.PathChange
	for _, p := range together {
		old, was := before[p]
		f, is := c.files[p]
		change := git.PathChange{Path: path(p), OldMode: old.mode, NewMode: f.mode, OldID: old.id, NewID: f.id}
		switch {
		case old.mode == f.mode && old.id == f.id:
			continue
		case !was:
			change.Status = git.StatusAdded
		case !is:
			change.Status = git.StatusDeleted
		case kind(old.mode) != kind(f.mode):
			change.Status = git.StatusTypeChanged
		default:
			change.Status = git.StatusModified
		}
		changes = append(changes, change)
	}
	return changes
}

// kind is a mode without its permissions.
func kind(m git.FileMode) git.FileMode { return m &^ 0o777 }

// changes returns what ListChangedPaths yields.
func (r *repo) changes(q ports.Compare) (ports.Comparison, []git.PathChange) {
	r.c.Helper()
	compared, seq, err := r.ListChangedPaths(r.c.ctx, q)
	return compared, all(r.c, seq, err)
}

// diffs returns what GetDiff yields.
func (r *repo) diffs(q ports.Compare) (ports.Comparison, []ports.FileDiff) {
	r.c.Helper()
	compared, seq, err := r.GetDiff(r.c.ctx, q)
	return compared, all(r.c, seq, err)
}

func changesAreTold(c *tc) {
	r, w := c.readSample()
	for _, q := range [][2]string{{"first", "second"}, {"second", "first"}, {"bare", "second"}, {"second", "bare"}} {
		base, head := w.commits[q[0]], w.commits[q[1]]
		compared, changes := r.changes(ports.Compare{Base: git.AtCommit(base.ID), Head: git.AtCommit(head.ID)})
		c.equal("the commits", compared, ports.Comparison{Base: base.ID, Head: head.ID})
		c.equal("the changes from "+q[0]+" to "+q[1], changes, head.differences(base))
	}
	_, changes := r.changes(ports.Compare{Base: revision("v1.0.0"), Head: revision("v2.0.0")})
	statuses := map[string]string{}
	for _, change := range changes {
		statuses[change.Path.String()] = change.Status.String()
	}
	for p, want := range map[string]string{
		"README.md": "modified", "bin/run": "modified", "gone.txt": "deleted", "new.txt": "added", "link": "type_changed", "module": "modified",
		"swap": "deleted", "swap/inner": "added", "turn": "added", "turn/inner": "deleted", "hook": "type_changed", "unhook": "type_changed",
	} {
		c.equal("the status of "+p, statuses[p], want)
	}
}

func everythingIsAdded(c *tc) {
	r, w := c.readSample()
	for _, fromMergeBase := range []bool{false, true} {
		compared, changes := r.changes(ports.Compare{Head: revision("v2.0.0"), FromMergeBase: fromMergeBase})
		c.equal("the commits", compared, ports.Comparison{Head: w.id("second")})
		c.equal("the changes", changes, w.commits["second"].differences(nil))
	}
	_, changes := r.changes(ports.Compare{Head: revision("bare")})
	c.equal("the changes to an empty tree", changes, []git.PathChange(nil))
}

func pathsKeepChanges(c *tc) {
	r, w := c.readSample()
	every := w.commits["second"].differences(w.commits["first"])
	for _, keep := range [][]string{
		{"README.md"}, {"docs"}, {"docs/guide.md", "docs"}, {"swap"}, {"turn"}, {"turn/inner", "gone.txt"}, {"odd"}, {"order"}, {"none"},
		{"doc"}, {"README.md/x"}, {"hook", "unhook", "module"},
	} {
		q := ports.Compare{Base: git.AtCommit(w.id("first")), Head: git.AtCommit(w.id("second")), Paths: paths(keep...)}
		_, changes := r.changes(q)
		want := slices.DeleteFunc(slices.Clone(every), func(change git.PathChange) bool {
			return !slices.ContainsFunc(q.Paths, func(p git.TreePath) bool { return p.Contains(change.Path) })
		})
		c.equal(fmt.Sprintf("the changes of %q", keep), changes, want)
	}
}

func mergeBaseIsCompared(c *tc) {
	r, w := c.readStory()
	for _, q := range []struct{ base, head, mergeBase string }{
		{"main", "topic", "topic2"}, {"topic", "main", "topic2"}, {"side", "topic", "second"}, {"third", "topic", "second"},
		{"skewed", "main", "second"}, {"main", "orphan", ""}, {"orphan", "main", ""}, {"main", "main", "last"},
	} {
		base, head := revision(q.base), revision(q.head)
		if q.base == "third" {
			base = git.AtCommit(w.id("third"))
		}
		var want ports.Comparison
		want.Head = r.at(head)
		var from *worldCommit
		if q.mergeBase != "" {
			from = w.commits[q.mergeBase]
			want.Base = from.ID
		}
		compared, changes := r.changes(ports.Compare{Base: base, Head: head, FromMergeBase: true})
		c.equal("the commits of "+q.base+"..."+q.head, compared, want)
		for _, commit := range w.commits {
			if commit.ID == want.Head {
				c.equal("the changes of "+q.base+"..."+q.head, changes, commit.differences(from))
			}
		}
		compared, _ = r.changes(ports.Compare{Base: base, Head: head})
		c.equal("the commits of "+q.base+".."+q.head, compared, ports.Comparison{Base: r.at(base), Head: want.Head})
	}
}

func equalCommitsDoNotDiffer(c *tc) {
	r, w := c.readSample()
	for _, q := range []ports.Compare{
		{Base: revision("main"), Head: revision("main")},
		{Base: revision("main"), Head: revision("v2.0.0"), FromMergeBase: true},
		{Base: revision("odd"), Head: git.AtCommit(w.id("first"))},
	} {
		_, changes := r.changes(q)
		c.equal("the changes", changes, []git.PathChange(nil))
		_, diffs := r.diffs(q)
		c.equal("the diffs", diffs, []ports.FileDiff(nil))
	}
}

// patchOf returns a patch without what some diffs show behind the ranges of a hunk.
func patchOf(d ports.FileDiff) string {
	lines := strings.SplitAfter(string(d.Patch), "\n")
	for i, line := range lines {
		if parts := strings.SplitAfterN(line, " @@", 3); strings.HasPrefix(line, "@@ ") && len(parts) > 1 {
			lines[i] = parts[0] + "\n"
		}
	}
	return strings.Join(lines, "")
}

func diffHasHunks(c *tc) {
	r := c.createWith(
		create("added-to", "1\n2\n3\n"), create("far", ladder()), create("gone", "1\n2\n"), create("eol", "a\nb"),
		create("emptied", "1\n"), as(true, create("mode", "x\n")), create("crlf", "a\r\nb\r\n"), create("same", "s\n"),
	)
	base := r.head()
	r.commit(
		update("added-to", "1\n2\n2.5\n3\n"), update("far", strings.NewReplacer("line 2\n", "", "line 19\n", "line nineteen\n").Replace(ladder())),
		del("gone"), update("eol", "a\nb\n"), update("emptied", ""), chmod("mode", false), update("crlf", "a\r\nc\r\n"), create("new", "n\n"), create("new-empty", ""),
	)
	compared, diffs := r.diffs(ports.Compare{Base: git.AtCommit(base), Head: git.Head()})
	c.equal("the commits", compared, ports.Comparison{Base: base, Head: r.head()})
	type summary struct {
		Path           string
		Added, Removed int
		Binary         bool
		Patch          string
	}
	got := make([]summary, len(diffs))
	for i, d := range diffs {
		got[i] = summary{d.Path.String(), d.Added, d.Removed, d.Binary, patchOf(d)}
	}
	c.equal("the diffs", got, []summary{
		{"added-to", 1, 0, false, "@@ -1,3 +1,4 @@\n 1\n 2\n+2.5\n 3\n"},
		{"crlf", 1, 1, false, "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n"},
		{"emptied", 0, 1, false, "@@ -1 +0,0 @@\n-1\n"},
		{"eol", 1, 1, false, "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"},
		{"far", 1, 2, false, "@@ -1,5 +1,4 @@\n line 1\n-line 2\n line 3\n line 4\n line 5\n" +
			"@@ -16,5 +15,5 @@\n line 16\n line 17\n line 18\n-line 19\n+line nineteen\n line 20\n"},
		{"gone", 0, 2, false, "@@ -1,2 +0,0 @@\n-1\n-2\n"},
		{"mode", 0, 0, false, ""},
		{"new", 1, 0, false, "@@ -0,0 +1 @@\n+n\n"},
		{"new-empty", 0, 0, false, ""},
	})
}

func diffOfBinary(c *tc) {
	text := strings.Repeat("x", 100) + "\n"
	limit := strings.Repeat(text, ports.MaxDiffFile/len(text)+1)[:ports.MaxDiffFile]
	lines := strings.Repeat("\n", ports.MaxDiffLines)
	r := c.createWith(
		create("late-nul", strings.Repeat("y", 8000)+"\x00"), create("binary", "a\n"), create("nul-7999", "a\n"),
		create("limit", limit), create("over", limit), create("was-over", limit+"x"),
		create("most-lines", lines), create("more-lines", lines), create("had-more-lines", lines+"x"),
	)
	base := r.head()
	r.commit(
		update("late-nul", strings.Repeat("y", 8000)+"\x00\n"), update("binary", "\x00"), update("nul-7999", strings.Repeat("y", 7999)+"\x00"),
		update("limit", limit[1:]), update("over", limit+"x"), update("was-over", "small\n"), create("new-nul", "\x00"), create("new-over", limit+"x"),
		update("most-lines", "x"+lines), update("more-lines", lines+"x"), update("had-more-lines", lines),
	)
	_, diffs := r.diffs(ports.Compare{Base: git.AtCommit(base), Head: git.Head()})
	for _, d := range diffs {
		p := d.Path.String()
		wantBinary := !slices.Contains([]string{"late-nul", "limit", "most-lines"}, p)
		c.equal("whether "+p+" is binary", d.Binary, wantBinary)
		c.equal("whether "+p+" has a patch", len(d.Patch) > 0, !wantBinary)
		if wantBinary {
			c.equal("the lines of "+p, [2]int{d.Added, d.Removed}, [2]int{})
		}
	}
	c.equal("the number of diffs", len(diffs), 11)
}

func diffTellsChanges(c *tc) {
	r, w := c.readSample()
	for _, q := range []ports.Compare{
		{Base: revision("v1.0.0"), Head: revision("main")}, {Base: revision("main"), Head: revision("v1.0.0")}, {Head: revision("main")},
		{Base: revision("v1.0.0"), Head: revision("main"), Paths: paths("docs", "hook", latin1Path)},
	} {
		compared, changes := r.changes(q)
		diffCompared, diffs := r.diffs(q)
		c.equal("the commits", diffCompared, compared)
		told := make([]git.PathChange, len(diffs))
		for i, d := range diffs {
			told[i] = d.PathChange
			if len(d.Patch) > 0 && !strings.HasPrefix(string(d.Patch), "@@ -") {
				c.Errorf("the patch of %q begins %.20q", d.Path, d.Patch)
			}
		}
		c.equal("the changes that the diffs tell", told, changes)
	}
	_, diffs := r.diffs(ports.Compare{Base: git.AtCommit(w.id("first")), Head: git.AtCommit(w.id("second")), Paths: paths("large.bin", "bin/run", "docs/guide.md")})
	c.equal("the number of diffs", len(diffs), 3)
	c.equal("a change of the mode alone", [2]any{diffs[0].Binary, string(diffs[0].Patch)}, [2]any{false, ""})
	c.equal("a change of a line", patchOf(diffs[1]), "@@ -7,7 +7,7 @@\n line 7\n line 8\n line 9\n-line 10\n+line ten\n line 11\n line 12\n line 13\n")
	c.equal("a change of a large file", [2]any{diffs[2].Binary, string(diffs[2].Patch)}, [2]any{true, ""})
}

func comparingMayBeBrokenOff(c *tc) {
	r, w := c.readSample()
	q := ports.Compare{Base: git.AtCommit(w.id("first")), Head: git.AtCommit(w.id("second"))}
	for stop := range 3 {
		_, changes, err := r.ListChangedPaths(c.ctx, q)
		c.ok(err)
		_, diffs, err := r.GetDiff(c.ctx, q)
		c.ok(err)
		seen := 0
		for _, err := range changes {
			c.ok(err)
			if seen++; seen > stop {
				break
			}
		}
		for _, err := range diffs {
			c.ok(err)
			if seen--; seen <= 0 {
				break
			}
		}
	}
	_, changes := r.changes(q)
	c.equal("the next comparison", changes, w.commits["second"].differences(w.commits["first"]))
}
