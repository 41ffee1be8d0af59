package catalogs_test

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
)

func TestADirectoryIsReadAsACommitIs(t *testing.T) {
	file := func(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }
	snapshot, err := catalogs.ReadDirectory(t.Context(), fstest.MapFS{
		"categories/tea.md":            file("---\nid: tea\nslug: tea\ntitle: Tea\n---\n"),
		"products/wrong.md":            file("---\nid: wrong\n---\n"),
		"products/large.md":            file(strings.Repeat("x", catalog.MaxDocument+1)),
		"products/photo.jpg":           file("\xff\xd8"),
		".git/products/of-git.md":      file("---\nid: of-git\n---\n"),
		"sub/.git":                     file("gitdir: elsewhere"),
		"products/link.md":             {Mode: fs.ModeSymlink | 0o777},
		"schemas/Recipe.schema.json":   file(`{"type":"object","required":["minutes"]}`),
		"recipes/cake.md":              file("---\nkind: Recipe\nid: cake\n---\n"),
		"notes/nothing-to-validate.md": file("no front matter"),
	})
	require.NoError(t, err)
	assert.NotNil(t, snapshot.Document("tea"))
	found := map[string][]string{}
	for p := range snapshot.Problems() {
		found[p.Path.String()] = append(found[p.Path.String()], p.Field)
	}
	assert.Equal(t, []string{"products/large.md", "products/wrong.md", "recipes/cake.md"}, slices.Sorted(maps.Keys(found)))
	assert.Contains(t, found["products/wrong.md"], "sku")
}
