// Package fastimport generates histories as streams of git-fast-import(1). The same seed gives the same commits.
package fastimport

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
)

// Stream is a history that is being written. Commits follow each other by a minute; a failure to write is told at the End. It is
// not safe for concurrent use.
type Stream struct {
	w *bufio.Writer
	// Random is where to draw contents from.
	Random *rand.Rand
	// when is the time of the last commit, in seconds.
	when int64
}

const (
	firstCommit = 1_700_000_000
	// perSeed is between the first commits of two seeds that follow each other: the time of 20,000 commits.
	perSeed = 20_000 * 60
)

// New begins a stream. The commits of a larger seed are later, so that it can go on with the history of a smaller one.
func New(w io.Writer, seed uint64) *Stream {
	return &Stream{bufio.NewWriter(w), rand.New(rand.NewPCG(seed, 0)), firstCommit + perSeed*int64(seed)}
}

func (s *Stream) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.w, format, args...) }

func (s *Stream) data(content string) { s.printf("data %d\n%s\n", len(content), content) }

// Commit begins a commit on top of a branch; From, Merge and its files follow.
func (s *Stream) Commit(branch, message string) {
	s.when += 60
	s.printf("commit refs/heads/%s\ncommitter A U Thor <author@example.com> %d +0100\n", branch, s.when)
	s.data(message)
}

// From puts the commit that was begun on top of another one than the branch's last.
func (s *Stream) From(commit string) { s.printf("from %s\n", commit) }

// Merge makes the commit that was begun a merge of another one as well.
func (s *Stream) Merge(commit string) { s.printf("merge %s\n", commit) }

// File gives a file of the commit that was begun a content.
func (s *Stream) File(path, content string) {
	s.printf("M 100644 inline %s\n", path)
	s.data(content)
}

// Tag makes an annotated tag.
func (s *Stream) Tag(name, commit string) {
	s.printf("tag %s\nfrom %s\ntagger A U Thor <author@example.com> %d +0100\n", name, commit, s.when)
	s.data("Release " + name + "\n")
}

// End ends the stream, and says what could not be written.
func (s *Stream) End() error {
	s.printf("done\n")
	return s.w.Flush()
}

// Path is one of 400 files that the commits of a history change in turn: 20 in each of 20 directories.
func Path(dir, file int) string { return fmt.Sprintf("dir-%d/file-%d.md", dir, file) }

// Bulk writes commits to main, each of which gives one of the 400 files another content, which takes 5 KiB however it is
// compressed. They go on top of a commit, or of nothing if that is "".
func Bulk(w io.Writer, seed uint64, commits int, from string) error {
	s := New(w, seed)
	noise := make([]byte, 5<<10)
	for i := range commits {
		s.Commit("main", fmt.Sprintf("Change %d\n", i))
		if i == 0 && from != "" {
			s.From(from)
		}
		for j := range noise {
			noise[j] = byte(s.Random.Uint32())
		}
		s.File(Path(s.Random.IntN(20), s.Random.IntN(20)), base64.StdEncoding.EncodeToString(noise))
	}
	return s.End()
}
