package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/gitstore-dev/gitstore/internal/testkit/fastimport"
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
	s := fastimport.New(w, 1)
	s.Commit("main", "Import the catalog\n")
	for c := range categories {
		s.File(fmt.Sprintf("categories/category-%03d.md", c), document(s.Random, "Category"))
		for p := range productsPer {
			s.File(productPath(c, p), document(s.Random, "Product"))
		}
	}
	for i := 1; i < catalogCommits; i++ {
		s.Commit("main", fmt.Sprintf("Change %d\n", i))
		changed := 25
		if i == catalogCommits-1 {
			changed = 1
		}
		for range changed {
			s.File(productPath(s.Random.IntN(categories), s.Random.IntN(productsPer)), document(s.Random, "Product"))
		}
		if i%(catalogCommits/catalogTags) == 0 || i == catalogCommits-1 {
			s.Tag(fmt.Sprintf("v1.%d.0", i), "refs/heads/main")
		}
	}
	return s.End()
}

// writeHistory makes a line of commits with a merged side branch at each tenth, and tags along it.
func writeHistory(w io.Writer) error { return writeCommits(w, historyCommits, historyTags) }

func writeCommits(w io.Writer, commits, tags int) error {
	s := fastimport.New(w, 2)
	for i := range commits {
		if i%10 == 8 {
			s.Commit("side", fmt.Sprintf("Side %d\n\n%s\n", i, sentence(s.Random)))
			s.From("refs/heads/main")
			s.File(fmt.Sprintf("side/%02d.md", i%50), sentence(s.Random))
			continue
		}
		s.Commit("main", fmt.Sprintf("Change %d\n\n%s\n", i, sentence(s.Random)))
		if i%10 == 9 {
			s.Merge("refs/heads/side")
		}
		s.File(fastimport.Path(s.Random.IntN(20), s.Random.IntN(20)), sentence(s.Random))
		if n := commits / tags; i%n == n-1 {
			s.Tag(fmt.Sprintf("v%d.%d.0", i/1000, i%1000), "refs/heads/main")
		}
	}
	return s.End()
}

func sentence(rnd *rand.Rand) string {
	var b strings.Builder
	for range 20 {
		b.WriteString(words[rnd.IntN(len(words))] + " ")
	}
	return b.String()
}

// scaledPath spreads files over two levels of directories. The first files lie in one directory.
func scaledPath(i int) string { return fmt.Sprintf("a%02d/b%d/file-%02d.md", i/1000, i/100%10, i%100) }

// writeScaled makes a repository of n small files.
func writeScaled(w io.Writer, n int) error {
	s := fastimport.New(w, 3)
	s.Commit("main", "Import\n")
	for i := range n {
		s.File(scaledPath(i), fmt.Sprintf("file %d\n", i))
	}
	return s.End()
}
