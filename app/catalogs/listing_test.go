package catalogs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
)

// shelf is a catalog at a commit of its own.
func shelf(t *testing.T, files map[string]string) *catalog.Snapshot {
	var changes []catalog.Change
	for name, content := range files {
		changes = append(changes, catalog.Change{
			Path: path(name), Blob: git.SHA1.HashObject(git.BlobObject, []byte(content)), Size: int64(len(content)), Content: []byte(content),
		})
	}
	return must(catalog.Build(t.Context(), nil, git.SHA1.HashObject(git.CommitObject, fmt.Append(nil, files)), changes))
}

// pageOfDiff returns the ids of up to n documents behind a place, and the place behind them.
func pageOfDiff(t *testing.T, from, to *catalog.Snapshot, after page.Token, n int) (ids []string, behind page.Token) {
	for place, d := range catalogs.Diff(t.Context(), from, to, "", after) {
		if len(ids) == n {
			break
		}
		ids, behind = append(ids, d.Shown().ID), place
	}
	return ids, behind
}

func TestPagesOfADiffAreAllOfIt(t *testing.T) {
	long := strings.Repeat("m", 2000)
	before, after := map[string]string{}, map[string]string{}
	for i, id := range []string{"a", "a-b", "b", "c", long + "1", long + "2", long + "3", "n", "o"} {
		name := fmt.Sprintf("products/%d.md", i)
		short := strings.NewReplacer("slug: "+id, fmt.Sprintf("slug: s%d", i))
		before[name], after[name] = short.Replace(product(id, "old")), short.Replace(product(id, "new"))
	}
	before["categories/k.md"] = "---\nid: k\nslug: k\ntitle: K\n---\n"
	after["products/z.md"] = product("z", "new")
	from, to := shelf(t, before), shelf(t, after)
	want := []string{"k", "a", "a-b", "b", "c", long + "1", long + "2", long + "3", "n", "o", "z"}
	for n := 1; n <= len(want); n++ {
		var got []string
		for ids, place := pageOfDiff(t, from, to, page.Token{}, n); len(ids) > 0; ids, place = pageOfDiff(t, from, to, place, n) {
			got = append(got, ids...)
			if old, present, err := catalogs.DiffSides(place); err != nil || old != from.Commit() || present != to.Commit() {
				t.Errorf("a place is of %s and %s, %v", old, present, err)
			}
			if size := len(place.After); size > 2048 {
				t.Errorf("a place takes %d bytes", size)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d they are %.10q", n, got)
		}
	}
}

func TestALatePageOfADiffCostsWhatTheFirstDoes(t *testing.T) {
	before, after := map[string]string{}, map[string]string{}
	for i := range 500 {
		id := fmt.Sprintf("p%03d", i)
		before["products/"+id+".md"], after["products/"+id+".md"] = product(id, "old"), product(id, "new")
	}
	from, to := shelf(t, before), shelf(t, after)
	_, late := pageOfDiff(t, from, to, page.Token{}, 490)
	cost := func(at page.Token) float64 {
		return testing.AllocsPerRun(5, func() { pageOfDiff(t, from, to, at, 5) })
	}
	if first, last := cost(page.Token{}), cost(late); last > 2*first {
		t.Errorf("the last page takes %v allocations, the first %v", last, first)
	}
}
