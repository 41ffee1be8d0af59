package catalog_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/gitstore-dev/gitstore/domain/catalog"
)

// frontMatterFiles are files as people write them for Hugo, Jekyll, Astro, Obsidian, MkDocs and Docusaurus, with a kind and an
// id. They lie below products, so that what cannot be read is a problem.
func frontMatterFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{"schemas/Page.schema.json": "{}"}
	names, err := filepath.Glob(filepath.Join("testdata", "frontmatter", "*.md"))
	require.NoError(t, err)
	require.Greater(t, len(names), 30)
	for _, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		files["products/"+filepath.Base(name)] = string(content)
	}
	return files
}

// parts divides a file as Markdown tools do: what is in front of the fields, the fields, and the rest from the line "---" on.
func parts(t *testing.T, content string) (head, fields, rest string) {
	t.Helper()
	begin := strings.IndexByte(content, '\n') + 1
	end := regexp.MustCompile(`(?m)^---\r?$`).FindStringIndex(content[begin:])
	require.NotNil(t, end)
	return content[:begin], content[begin : begin+end[0]], content[begin+end[0]:]
}

// fieldsOf reads fields with the YAML library alone.
func fieldsOf(t *testing.T, content string) map[string]any {
	t.Helper()
	_, fields, _ := parts(t, content)
	var v map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(fields), &v), content)
	return v
}

// linesOf are the first line of a top-level field and the one behind its last; blank lines and comments at the margin in front
// of the next field are not its own.
func linesOf(lines []string, key string) (from, to int) {
	isKey := regexp.MustCompile(`^["']?` + regexp.QuoteMeta(key) + `["']?\s*:(\s|$)`)
	for from = 0; !isKey.MatchString(lines[from]); from++ {
	}
	for to = from + 1; to < len(lines) && (strings.TrimSpace(lines[to]) == "" || strings.ContainsAny(lines[to][:1], " \t#-]}")); to++ {
	}
	for to > from+1 && (strings.TrimSpace(lines[to-1]) == "" || lines[to-1][0] == '#') {
		to--
	}
	return from, to
}

func TestEditsOfFilesAsPeopleWriteThemKeepTheRest(t *testing.T) {
	files := frontMatterFiles(t)
	served := build(files)
	for path, content := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "products/"), ".md")
		if strings.HasPrefix(name, "refused-") || strings.HasPrefix(path, "schemas/") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			d := served.Document(name)
			require.NotNil(t, d, "%v", problems(served))
			head, source, rest := parts(t, content)
			before := fieldsOf(t, content)
			lines := strings.SplitAfter(source, "\n")
			lines = lines[:len(lines)-1]
			edited := func(e catalog.Edit) string {
				t.Helper()
				out, err := d.Apply([]byte(content), e)
				require.NoError(t, err, "%s", e.Fields)
				return string(out)
			}
			patched := func(fields map[string]any) string {
				t.Helper()
				patch, err := json.Marshal(fields)
				require.NoError(t, err)
				return edited(catalog.Edit{Fields: patch})
			}
			// differs checks that only the lines of a field do, and that it is what was asked for.
			differs := func(out, key string, want any) {
				t.Helper()
				from, to := linesOf(lines, key)
				above, below := head+strings.Join(lines[:from], ""), strings.Join(lines[to:], "")+rest
				assert.True(t, strings.HasPrefix(out, above) && strings.HasSuffix(out, below) && len(out) >= len(above)+len(below), "%s:\n%s", key, out)
				after := maps.Clone(before)
				delete(after, key)
				if want != nil {
					after[key] = want
				}
				assert.Equal(t, after, fieldsOf(t, out), key)
			}

			assert.Equal(t, content, patched(map[string]any{}), "nothing was asked for")
			assert.Equal(t, content, edited(catalog.Edit{Fields: d.Fields(), Replace: true}), "all fields are as they are")
			body := "New.\n"
			assert.True(t, strings.HasPrefix(edited(catalog.Edit{Fields: []byte("{}"), Body: &body}), head+source+strings.SplitAfter(rest, "\n")[0]), "the body was to change alone")
			added := patched(map[string]any{"zz_new": "x"})
			assert.Equal(t, content, regexp.MustCompile(`(?m)^zz_new: x\r?\n`).ReplaceAllString(added, ""), "a field was to be added alone")
			assert.Equal(t, bytes.Count([]byte(content), []byte("\r")) > 0, strings.Contains(added, "zz_new: x\r\n"), "the end of the new line is another")

			for key, value := range before {
				for _, want := range []any{"changed", "it's: # \"é\"", true, 42, nil} {
					if want != value {
						differs(patched(map[string]any{key: want}), key, want)
					}
				}
				switch value := value.(type) {
				case map[string]any:
					want := maps.Clone(value)
					want["zz"] = "new"
					differs(patched(map[string]any{key: map[string]any{"zz": "new"}}), key, want)
				case []any:
					out := patched(map[string]any{key: append([]any{}, "zz")})
					differs(out, key, []any{"zz"})
				}
			}
		})
	}
}

func TestFilesThatCannotBeEditedSafelyAreRefused(t *testing.T) {
	refused := 0
	s := build(frontMatterFiles(t))
	for p := range s.Problems() {
		assert.Contains(t, p.Path.String(), "refused-", "%v", p)
		assert.Equal(t, catalog.ReasonMalformed, p.Reason, "%v", p)
		refused++
	}
	assert.Equal(t, 7, refused)
}
