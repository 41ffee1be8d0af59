package patch_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/patch"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

func TestUnified(t *testing.T) {
	tests := []struct {
		name           string
		before, after  string
		want           string
		added, removed int
	}{
		{"equal", "a\nb\n", "a\nb\n", "", 0, 0},
		{"both empty", "", "", "", 0, 0},
		{"from nothing", "", "a\n", "@@ -0,0 +1 @@\n+a\n", 1, 0},
		{"to nothing", "a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n", 0, 2},
		{"a line", "a\nb\nc\n", "a\nB\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n", 1, 1},
		{"newline added at the end", "a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n", 1, 1},
		{"no newline in the context", "a\nb\nc", "a\nB\nc", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n\\ No newline at end of file\n", 1, 1},
		{
			"far apart", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n2\n3\n4\n5\n6\n7\n8\n",
			"@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,3 @@\n 6\n 7\n 8\n-9\n", 1, 2,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, added, removed := patch.Unified([]byte(tt.before), []byte(tt.after))
			if string(got) != tt.want || added != tt.added || removed != tt.removed {
				t.Errorf("Unified = %q, +%d -%d, want %q, +%d -%d", got, added, removed, tt.want, tt.added, tt.removed)
			}
		})
	}
}

// text makes content out of lines that a patch could trip over.
func text(rnd *rand.Rand, lines []string) []byte {
	s := strings.Join(lines, "\n")
	if rnd.IntN(4) > 0 && len(lines) > 0 {
		s += "\n"
	}
	return []byte(s)
}

func edited(rnd *rand.Rand, lines []string) []string {
	for range rnd.IntN(6) {
		if i := rnd.IntN(len(lines) + 1); i < len(lines) && rnd.IntN(2) == 0 {
			lines = append(append([]string{}, lines[:i]...), lines[min(len(lines), i+1+rnd.IntN(5)):]...)
		} else {
			lines = append(append(append([]string{}, lines[:i]...), randomLines(rnd, 1+rnd.IntN(3))...), lines[i:]...)
		}
	}
	return lines
}

func randomLines(rnd *rand.Rand, n int) []string {
	words := []string{"", "a", "b", "c", "d\r", "-", "+", " ", "-- a", "++ b", "@@ -1 +1 @@", `\ No newline at end of file`, "\xff", "diff --git a/x b/x"}
	lines := make([]string, n)
	for i := range lines {
		lines[i] = words[rnd.IntN(len(words))]
	}
	return lines
}

func TestGitAppliesWhatUnifiedReturns(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var stream, diff bytes.Buffer
	stream.WriteString("commit refs/heads/main\ncommitter C <c@example.com> 1 +0000\ndata 0\n")
	afterwards := map[string][]byte{}
	for i := range 1000 {
		lines := randomLines(rnd, rnd.IntN(40))
		before, after := text(rnd, lines), text(rnd, edited(rnd, lines))
		name := fmt.Sprintf("f%04d", i)
		fmt.Fprintf(&stream, "M 100644 inline %s\ndata %d\n%s\n", name, len(before), before)
		afterwards[name] = after

		hunks, added, removed := patch.Unified(before, after)
		if (len(hunks) == 0) != bytes.Equal(before, after) {
			t.Fatalf("%q and %q give the patch %q", before, after, hunks)
		}
		if len(hunks) > 0 {
			fmt.Fprintf(&diff, "diff --git a/%s b/%s\n--- a/%s\n+++ b/%s\n%s", name, name, name, name, hunks)
		}
		if delta := lineCount(after) - lineCount(before); added-removed != delta {
			t.Errorf("from %q to %q: +%d -%d, want a difference of %d", before, after, added, removed, delta)
		}
	}
	r := gitcmd.Init(t)
	r.FastImport(stream.Bytes())
	r.Git(nil, "read-tree", "main")
	r.Git(diff.Bytes(), "apply", "--cached", "--whitespace=nowarn")
	objects := r.Load()
	for _, line := range r.Lines("ls-files", "--stage") {
		var mode, id, stage, name string
		if _, err := fmt.Sscan(line, &mode, &id, &stage, &name); err != nil {
			t.Fatal(err)
		}
		got, err := objects.Blob(t.Context(), r.ID(id))
		if err != nil {
			t.Fatal(err)
		}
		if want := afterwards[name]; !bytes.Equal(got, want) {
			t.Errorf("git apply makes %q of %s, want %q", got, name, want)
		}
		delete(afterwards, name)
	}
	if len(afterwards) > 0 {
		t.Errorf("git apply lost %d files", len(afterwards))
	}
}

func lineCount(b []byte) int {
	n := bytes.Count(b, []byte{'\n'})
	if len(b) > 0 && b[len(b)-1] != '\n' {
		n++
	}
	return n
}

func TestUnifiedOfTwoLargeFilesWithNothingInCommon(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	large := func(alphabet int) []byte {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = byte('a' + rnd.IntN(alphabet))
			if i%3 == 2 {
				b[i] = '\n'
			}
		}
		return b
	}
	before, after := large(20), large(20)
	hunks, added, removed := patch.Unified(before, after)
	if len(hunks) == 0 || added == 0 || removed == 0 {
		t.Errorf("Unified = %d bytes, +%d -%d", len(hunks), added, removed)
	}
}

func TestADiffOfTheLargestFilesTakesUpTo16MiB(t *testing.T) {
	const size = 1 << 20
	text := func(line func(int) string) []byte {
		var b bytes.Buffer
		for i := range patch.MaxLines {
			b.WriteString(line(i))
			b.WriteByte('\n')
		}
		return b.Bytes()[:min(b.Len(), size)]
	}
	numbered := func(side string) []byte {
		return text(func(i int) string { return fmt.Sprintf("%s%0*d", side, size/patch.MaxLines-2, i) })
	}
	random := func(seed uint64) []byte {
		rnd := rand.New(rand.NewPCG(seed, 0))
		return text(func(int) string { return fmt.Sprint(rnd.IntN(patch.MaxLines)) })
	}
	empty := text(func(int) string { return "" })
	for name, sides := range map[string][2][]byte{
		"all differs": {numbered("a"), numbered("b")}, "of many lines half are in both": {random(1), random(2)},
		"empty lines from nothing": {nil, empty}, "empty lines to another": {empty, text(func(int) string { return "x" })},
	} {
		t.Run(name, func(t *testing.T) {
			for _, side := range sides {
				if !patch.IsDiffable(side) {
					t.Fatal("no diff is made of a side")
				}
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			hunks, _, _ := patch.Unified(sides[0], sides[1])
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 || len(hunks) == 0 {
				t.Errorf("a patch of %d bytes took %d", len(hunks), took)
			}
		})
	}
}

func TestIsDiffable(t *testing.T) {
	most := bytes.Repeat([]byte{'\n'}, patch.MaxLines)
	tests := []struct {
		name    string
		content []byte
		want    bool
	}{
		{"nothing", nil, true},
		{"text", []byte("a\nb\n"), true},
		{"not UTF-8", []byte{0xff, 0xfe}, true},
		{"NUL", []byte("a\x00b"), false},
		{"NUL as byte 8,000", append(bytes.Repeat([]byte{'a'}, 7999), 0), false},
		{"NUL behind byte 8,000", append(bytes.Repeat([]byte{'a'}, 8000), 0), true},
		{"the most lines", most, true},
		{"the most lines, of which the last does not end", append(most[1:len(most):len(most)], 'x'), true},
		{"a line more", append(most[:len(most):len(most)], '\n'), false},
		{"a line more, which does not end", append(most[:len(most):len(most)], 'x'), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := patch.IsDiffable(tt.content); got != tt.want {
				t.Errorf("IsDiffable = %t, want %t", got, tt.want)
			}
		})
	}
}
