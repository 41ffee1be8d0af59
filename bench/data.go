package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

// The generated repositories.
const (
	categories     = 200
	productsPer    = 50
	catalogCommits = 20
	catalogTags    = 5
	historyCommits = 6000
	historyTags    = 800
)

// stream writes a git-fast-import(1) stream.
type stream struct {
	*bufio.Writer
	rnd  *rand.Rand
	when int64
}

func newStream(w io.Writer, seed uint64) *stream {
	return &stream{bufio.NewWriter(w), rand.New(rand.NewPCG(seed, 0)), 1_700_000_000}
}

// printf keeps an error for the flush at the end.
func (s *stream) printf(format string, args ...any) { _, _ = fmt.Fprintf(s, format, args...) }

// commit begins a commit on a branch; its changes follow.
func (s *stream) commit(branch, message string) {
	s.when += 60
	s.printf("commit refs/heads/%s\ncommitter A U Thor <author@example.com> %d +0100\n", branch, s.when)
	s.data(message)
}

func (s *stream) data(content string) { s.printf("data %d\n%s\n", len(content), content) }

func (s *stream) file(path, content string) {
	s.printf("M 100644 inline %s\n", path)
	s.data(content)
}

func (s *stream) tag(name, from string) {
	s.printf("tag %s\nfrom %s\ntagger A U Thor <author@example.com> %d +0100\n", name, from, s.when)
	s.data("Release " + name + "\n")
}

func (s *stream) end() error {
	_, _ = s.WriteString("done\n")
	return s.Flush()
}

func productPath(category, product int) string {
	return fmt.Sprintf("products/category-%03d/product-%02d.md", category, product)
}

var words = strings.Fields(`linen copper walnut ceramic enamel wool cotton oak brass glass carafe kettle lamp shelf stool
	basket blanket cushion hammock planter ladle skillet whisk apron candle lantern mirror frame hook rack crate made by
	hand in small batches from and with for the kitchen garden hall bedroom porch light heavy sturdy soft warm matte glazed
	brushed oiled waxed washed folds stacks fits keeps lasts a an every any one two four six`)

// document makes a Markdown file of about 1.5 KB.
func document(rnd *rand.Rand, title string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "---\nid: %08x\ntitle: %s\nsku: SKU-%06d\nprice: %d.%02d\n---\n\n", rnd.Uint32(), title, rnd.IntN(1e6), rnd.IntN(500), rnd.IntN(100))
	for b.Len() < 1450 {
		for range 8 + rnd.IntN(8) {
			b.WriteString(words[rnd.IntN(len(words))] + " ")
		}
		b.WriteString(".\n")
	}
	return b.String()
}

// writeCatalog makes 10,000 products and 200 categories; the commits behind the first change some products, the last one
// a single one.
func writeCatalog(w io.Writer) error {
	s := newStream(w, 1)
	s.commit("main", "Import the catalog\n")
	for c := range categories {
		s.file(fmt.Sprintf("categories/category-%03d.md", c), document(s.rnd, "Category"))
		for p := range productsPer {
			s.file(productPath(c, p), document(s.rnd, "Product"))
		}
	}
	for i := 1; i < catalogCommits; i++ {
		s.commit("main", fmt.Sprintf("Change %d\n", i))
		changed := 25
		if i == catalogCommits-1 {
			changed = 1
		}
		for range changed {
			s.file(productPath(s.rnd.IntN(categories), s.rnd.IntN(productsPer)), document(s.rnd, "Product"))
		}
		if i%(catalogCommits/catalogTags) == 0 || i == catalogCommits-1 {
			s.tag(fmt.Sprintf("v1.%d.0", i), "refs/heads/main")
		}
	}
	return s.end()
}

// writeHistory makes a line of commits with a merged side branch at each tenth, and tags along it.
func writeHistory(w io.Writer) error { return writeCommits(w, historyCommits, historyTags) }

// historyPath is one of the 400 files that the commits of a history change in turn.
func historyPath(dir, file int) string { return fmt.Sprintf("dir-%d/file-%d.md", dir, file) }

func writeCommits(w io.Writer, commits, tags int) error {
	s := newStream(w, 2)
	for i := range commits {
		if i%10 == 8 {
			s.commit("side", fmt.Sprintf("Side %d\n\n%s\n", i, s.sentence()))
			_, _ = s.WriteString("from refs/heads/main\n")
			s.file(fmt.Sprintf("side/%02d.md", i%50), s.sentence())
			continue
		}
		s.commit("main", fmt.Sprintf("Change %d\n\n%s\n", i, s.sentence()))
		if i%10 == 9 {
			_, _ = s.WriteString("merge refs/heads/side\n")
		}
		s.file(historyPath(s.rnd.IntN(20), s.rnd.IntN(20)), s.sentence())
		if n := commits / tags; i%n == n-1 {
			s.tag(fmt.Sprintf("v%d.%d.0", i/1000, i%1000), "refs/heads/main")
		}
	}
	return s.end()
}

func (s *stream) sentence() string {
	var b strings.Builder
	for range 20 {
		b.WriteString(words[s.rnd.IntN(len(words))] + " ")
	}
	return b.String()
}

// scaledPath spreads files over two levels of directories. The first files lie in one directory.
func scaledPath(i int) string { return fmt.Sprintf("a%02d/b%d/file-%02d.md", i/1000, i/100%10, i%100) }

// writeScaled makes a repository of n small files.
func writeScaled(w io.Writer, n int) error {
	s := newStream(w, 3)
	s.commit("main", "Import\n")
	for i := range n {
		s.file(scaledPath(i), fmt.Sprintf("file %d\n", i))
	}
	return s.end()
}
