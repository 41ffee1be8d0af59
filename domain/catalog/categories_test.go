package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/domain/catalog"
)

func categoryAt(path, id, parent string) catalog.Change {
	return change(path, fmt.Sprintf("---\nid: %s\nslug: %s\ntitle: T\nparent: %q\n---\n", id, id, parent))
}

// categoryBelow is the n-th category, below the one of number parent; -1 is none.
func categoryBelow(n, parent int) catalog.Change {
	above := ""
	if parent >= 0 {
		above = fmt.Sprintf("c%05d", parent)
	}
	id := fmt.Sprintf("c%05d", n)
	return categoryAt("categories/"+id+".md", id, above)
}

// A line of this length takes minutes if it is walked for each of its categories.
const long = 20_000

func TestInALongLineOfCategoriesOnlyACircleIsAProblem(t *testing.T) {
	changes := make([]catalog.Change, 0, long)
	for n := range long {
		changes = append(changes, categoryBelow(n, n-1))
	}
	s := after(nil, changes)
	assert.Empty(t, problems(s))
	assert.Equal(t, long, s.Count(catalog.KindCategory))

	const half = long / 2
	s = after(s, []catalog.Change{categoryBelow(0, half-1)})
	var told []string
	for p := range s.Problems() {
		require.Equal(t, catalog.ReasonCategoryCycle, p.Reason)
		told = append(told, p.Path.String())
	}
	require.Len(t, told, half, "those below the circle are not in it")
	assert.Equal(t, []string{"categories/c00000.md", "categories/c09999.md"}, []string{told[0], told[half-1]})

	s = after(s, []catalog.Change{categoryBelow(half/2, -1)})
	assert.Empty(t, problems(s), "the circle is opened within")
	s = after(s, []catalog.Change{deletion("categories/c10000.md")})
	assert.Equal(t, []string{"categories/c10001.md:5:9 parent BROKEN_REFERENCE"}, problems(s))
}

func TestOfALongLineTheNearestAncestorsAreTold(t *testing.T) {
	var changes []catalog.Change
	for n := range catalog.MaxAncestors + 3 {
		changes = append(changes, categoryBelow(n, n-1))
	}
	s := after(nil, changes)
	above := ids(slices.Values(s.Ancestors("c00102")))
	assert.Len(t, above, catalog.MaxAncestors)
	assert.Equal(t, []string{"c00002", "c00101"}, []string{above[0], above[len(above)-1]})
	assert.Len(t, s.Ancestors("c00100"), catalog.MaxAncestors)
	assert.Empty(t, s.Ancestors("c00000"))
}

// inCircles finds the served categories that are above themselves by following each of them on its own.
func inCircles(s *catalog.Snapshot) []string {
	var all []string
	for d := range s.List(catalog.KindCategory, "") {
		c := d
		for range s.Count(catalog.KindCategory) {
			if c = s.Document(c.Category.Parent); c == nil {
				break
			}
			if c == d {
				all = append(all, d.Path.String())
				break
			}
		}
	}
	slices.Sort(all)
	return all
}

func TestCirclesAreThoseThatAWalkFromEachCategoryFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(label string) int { return rapid.IntRange(0, 7).Draw(t, label) }
		files := map[string]catalog.Change{}
		var s *catalog.Snapshot
		for range rapid.IntRange(1, 10).Draw(t, "commits") {
			var changes []catalog.Change
			for range rapid.IntRange(1, 8).Draw(t, "changes") {
				path := fmt.Sprintf("categories/%d.md", n("path"))
				c := categoryAt(path, fmt.Sprint("i", n("id")), fmt.Sprint("i", n("parent")))
				if n("faulty") <= 2 {
					c = change(path, strings.Replace(string(c.Content), "title: T", "title: ''", 1))
				}
				if n("delete") == 0 {
					c = deletion(path)
				}
				changes = append(changes, c)
				files[path] = c
			}
			s = after(s, changes)
			var told []string
			for p := range s.Problems() {
				if p.Reason == catalog.ReasonCategoryCycle && s.DocumentAt(p.Path) != nil {
					told = append(told, p.Path.String())
				}
			}
			if diff := cmp.Diff(inCircles(s), told); diff != "" {
				t.Fatalf("-walked +told:\n%s", diff)
			}
			all := make([]catalog.Change, 0, len(files))
			for _, c := range files {
				all = append(all, c)
			}
			if diff := cmp.Diff(problems(after(nil, all)), problems(s)); diff != "" {
				t.Fatalf("differs from the catalog of all files (-all +changes):\n%s", diff)
			}
		}
	})
}
