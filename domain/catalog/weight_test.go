package catalog_test

import (
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogrand"
)

// heap is what is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func numbered(n int, path, content string) map[string]string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf(path, i)] = strings.ReplaceAll(content, "%d", fmt.Sprint(i))
	}
	return files
}

func TestTheWeightOfASnapshotIsNoLessThanItsMemory(t *testing.T) {
	const category = "---\nid: cat-%d\nslug: cat-%d\ntitle: Cups\nposition: 1\n"
	var skus, fields strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&skus, "  - SKU-%d\n", i)
		fmt.Fprintf(&fields, "field_%d: %d\n", i, i)
	}
	for name, files := range map[string]map[string]string{
		"many":          maps.Collect(catalogdata.New(1, catalogdata.Options{}).Files()),
		"small":         numbered(5000, "categories/%d.md", category+"---\n"),
		"large bodies":  numbered(50, "categories/%d.md", category+"---\n"+strings.Repeat("x", 500_000)),
		"many fields":   numbered(100, "categories/%d.md", category+fields.String()+"---\n"),
		"references":    numbered(100, "collections/%d.md", strings.ReplaceAll(category, "position: 1\n", "products:\n"+skus.String())+"---\n"),
		"all is broken": numbered(200, "products/%d.md", category+fields.String()+"---\n"),
		"schemas":       numbered(100, "schemas/Kind%d.schema.json", `{"properties":{"a":{"type":"string","pattern":"^[a-z]{100}$"},"b":{"items":{"type":"integer"}}}}`),
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			s := build(files)
			for kind := range s.Counts() {
				for _, field := range []string{"id", "slug", "title"} {
					find(t, s, catalog.Query{Kind: kind, Text: "nothing", Sort: []catalog.FieldOrder{{Field: field}}}, "")
				}
			}
			taken := heap() - before
			assert.GreaterOrEqual(t, s.Weight(), taken)
			assert.LessOrEqual(t, s.Weight(), 8*taken+1<<20)
			runtime.KeepAlive(s)
			runtime.KeepAlive(files)
		})
	}
}

func TestSnapshotsKnowWhatTheyShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := [3]map[string]string{}
		for i := range files {
			files[i] = catalogrand.Files(t, 0, 12)
		}
		var versions []*catalog.Snapshot
		for i, now := range files {
			var changes []catalog.Change
			before := map[string]string{}
			if i > 0 {
				before = files[i-1]
			}
			for path := range before {
				if _, stays := now[path]; !stays {
					changes = append(changes, deletion(path))
				}
			}
			for path, content := range now {
				if was, there := before[path]; !there || was != content {
					changes = append(changes, change(path, content))
				}
			}
			var base *catalog.Snapshot
			if i > 0 {
				base = versions[i-1]
			}
			versions = append(versions, after(base, changes))
		}
		whole := func(s *catalog.Snapshot) int64 { return s.Unshared(nil) }
		for i, s := range versions {
			require.Equal(t, build(files[i]).Weight(), s.Weight())
			require.Zero(t, s.Unshared(s))
		}
		first, second, third := versions[0], versions[1], versions[2]
		shared := whole(second) - second.Unshared(first)
		require.Equal(t, shared, whole(first)-first.Unshared(second), "both share the same")
		require.GreaterOrEqual(t, shared, int64(0))
		require.Equal(t, whole(third), third.Unshared(first), "what is not known counts as not shared")
		same := after(third, nil)
		require.Zero(t, same.Unshared(third))
		require.Zero(t, third.Unshared(same))
	})
	base := build(map[string]string{"categories/a.md": coffee, "products/mug.md": mug})
	next := after(base, []catalog.Change{change("products/mug.md", mug+"Blue.\n")})
	for _, pair := range [][2]*catalog.Snapshot{{base, next}, {next, base}} {
		assert.Equal(t, build(map[string]string{"categories/a.md": coffee}).Unshared(nil), pair[0].Unshared(nil)-pair[0].Unshared(pair[1]), "the category is shared")
	}
}
