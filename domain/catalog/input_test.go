package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/catalog"
)

const personKind = "---\nkind: Person\nid: p1\n"

func TestNumbersKeepTheirValue(t *testing.T) {
	for written, want := range map[string]string{
		"123456789012345678901234567890": "123456789012345678901234567890",
		"18446744073709551615":           "18446744073709551615",
		"0.1000000000000000055511151":    "0.1000000000000000055511151",
		".5":                             "0.5",
		"-.5":                            "-0.5",
		"5.":                             "5",
		"+1.50":                          "1.50",
		"1_000.25":                       "1000.25",
		"18_446_744_073_709_551_615":     "18446744073709551615",
		"0xff":                           "255",
		"0x1e9999":                       "2005401",
		"-0o17":                          "-15",
		"1e-400":                         "1e-400",
		".nan":                           `".nan"`,
	} {
		s := build(map[string]string{"a.md": personKind + "n: " + written + "\n---\n", "schemas/Person.schema.json": "{}"})
		require.Empty(t, problems(s), written)
		assert.Contains(t, string(s.Document("p1").Fields()), `"n":`+want+`}`, written)
	}
	s := build(map[string]string{
		"a.md":                       personKind + "n: 1_000.25\nbig: 9007199254740993\n---\n",
		"schemas/Person.schema.json": `{"properties":{"n":{"const":1000.25},"big":{"const":9007199254740993}}}`,
	})
	assert.Empty(t, problems(s))
}

func TestNumbersThatTakeLongToCompareAreRefused(t *testing.T) {
	for _, n := range []string{"1e-999999", "1e-1_001", strings.Repeat("7", 100) + strings.Repeat("0", 1000) + ".5"} {
		s := build(map[string]string{"a.json": `{"kind":"Person","id":"p1","n":` + strings.ReplaceAll(n, "_", "") + `}`, "schemas/Person.schema.json": "{}"})
		assert.Nil(t, s.Document("p1"), n)
		s = build(map[string]string{"products/a.yaml": "n: " + n + "\n", "schemas/Person.schema.json": "{}"})
		if len(n) < 300 { // YAML takes what is beyond a float for text
			assert.Equal(t, []string{"products/a.yaml:1:4 n MALFORMED"}, problems(s), n)
		}
	}
	s := build(map[string]string{"schemas/Person.schema.json": "{\n \"minimum\": 1e-999999}"})
	assert.Equal(t, []string{"schemas/Person.schema.json:2:13 minimum INVALID_SCHEMA"}, problems(s))
}

func TestJSONIsReadAsJSON(t *testing.T) {
	for name, test := range map[string]struct{ content, want string }{
		"YAML":                {"id: a\n", ":1:1  MALFORMED"},
		"a comment":           {"{\n # no\n}", ":2:2  MALFORMED"},
		"a comma too much":    {"{\n \"id\": \"a\",\n}", ":3:1  MALFORMED"},
		"single quotes":       {"{'id': 'a'}", ":1:2  MALFORMED"},
		"a key twice":         {"{\"id\": \"ä\", \"id\": \"b\"}", ":1:13 id MALFORMED"},
		"a key twice below":   {"{\"x\": [\n{\"y\": 1,\n  \"y\": 2}]}", ":3:3 x[0].y MALFORMED"},
		"two values":          {"{}\n {}", ":2:2  MALFORMED"},
		"no end":              {"{\"id\": ", ":1:8  MALFORMED"},
		"a list":              {" []", ":1:2  MALFORMED"},
		"nothing":             {" \n", ":2:1  MALFORMED"},
		"a hexadecimal":       {"{\"id\": 0x10}", ":1:9  MALFORMED"},
		"an infinity":         {"{\"id\": .inf}", ":1:8  MALFORMED"},
		"a number for an id":  {"{\"kind\": \"Person\",\n \"id\": 7}", ":2:8 id WRONG_TYPE"},
		"not a number's text": {"{\"kind\": \"Person\", \"id\": \"a\",\n\t\"n\": \"7\"}", ":2:7 n SCHEMA_VIOLATION"},
	} {
		s := build(map[string]string{"products/a.json": test.content, "schemas/Person.schema.json": `{"properties":{"n":{"type":"integer"}}}`})
		got := problems(s)
		if assert.Len(t, got, 1, name) {
			assert.Equal(t, "products/a.json"+test.want, got[0], name)
		}
	}
	s := build(map[string]string{
		"a.json":                     "{\"kind\":\"Person\",\"id\":\"a\\/b\",\t\"<<\": {\"y\": no}}",
		"b.json":                     "{\"kind\":\"Person\",\"id\":\"b\",\t\"<<\": {\"y\": \"no\", \"z\": [null, true, 1e5]}}",
		"schemas/Person.schema.json": "{}",
	})
	assert.Equal(t, []string{"a.json:1:43  MALFORMED"}, problems(s))
	assert.JSONEq(t, `{"kind":"Person","id":"b","<<":{"y":"no","z":[null,true,1e5]}}`, string(s.Document("b").Fields()))
}

func TestAFileThatSaysItsKindIsADocumentThoughItCannotBeRead(t *testing.T) {
	for path, tt := range map[string]struct {
		content  string
		kind, id string
	}{
		"notes/a.yaml":     {"kind: Note\nid: n1\ntext: [\n", "Note", "n1"},
		"notes/b.md":       {"---\nkind: Note\nid: n1\n", "Note", "n1"},
		"notes/c.md":       {"---\nid: \"n1\"\ntext: a: b\nkind: 'Note' # it is\n---\n", "Note", "n1"},
		"notes/d.yaml":     {"kind: Note\nid: n1\ntext: x\ntext: y\n", "Note", "n1"},
		"notes/e.yaml":     {"kind: Note\nid: n1\n---\nkind: Note\n", "Note", "n1"},
		"notes/f.json":     {"{\n  \"kind\": \"Note\",\n  \"id\": \"n1\",\n}\n", "Note", "n1"},
		"notes/g.json":     {`{"kind":"Note","id":"n1",}`, "Note", ""},
		"notes/h.yaml":     {"kind: Note\nid: n1\ntext: " + strings.Repeat("x", 70_000) + "\n", "Note", "n1"},
		"products/i.yaml":  {"kind: Note\nid: n1\ntext: [\n", "Note", "n1"},
		"products/j.yaml":  {"kind: [Note\nid: n1\ntext: [\n", "Product", "n1"},
		"no/kind.yaml":     {"id: n1\ntext: [\n", "", ""},
		"no/text.yaml":     {"kind: 7\nid: n1\ntext: [\n", "", ""},
		"no/deeper.yaml":   {"spec:\n  kind: Note\n  text: [\n", "", ""},
		"no/long.yaml":     {"kind: " + strings.Repeat("N", 2000) + "\ntext: [\n", "", ""},
		"no/longer.json":   {`{"kind": "` + strings.Repeat("N", 2000) + `",}`, "", ""},
		"no/chapter.md":    {"# kind: Note\nkind: Note\n", "", ""},
		"documents/z.yaml": {"kind: \"a\\0b\"\ntext: [\n", "a\uFFFDb", ""},
	} {
		files := map[string]string{path: tt.content, "schemas/Note.schema.json": "{}"}
		s := build(files)
		if tt.kind == "" {
			assert.Empty(t, problems(s), path)
			continue
		}
		assert.Len(t, problems(s), 1, path)
		if w := s.Withheld("n1"); tt.id != "" && assert.NotNil(t, w, path) {
			assert.Equal(t, path+" "+tt.kind, w.Path.String()+" "+string(w.Kind))
		}
		mended := after(s, []catalog.Change{change(path, strings.NewReplacer("[", "").Replace("kind: Note\nid: n1\n"))})
		if strings.HasSuffix(path, ".yaml") {
			assert.NotNil(t, mended.Document("n1"), path)
		}
		assert.Equal(t, problems(s), problems(after(after(s, []catalog.Change{deletion("schemas/Note.schema.json")}), []catalog.Change{change("schemas/Note.schema.json", "{}")})), path)
	}
}

func TestNoFileInTheFolderForDocumentsIsLeftOutInSilence(t *testing.T) {
	for path, tt := range map[string]struct{ content, want, id string }{
		"documents/large.md":       {strings.Repeat("x", catalog.MaxDocument+1), ":0:0  TOO_LARGE", ""},
		"documents/plain.md":       {"# A note\n", ":1:1  MALFORMED", ""},
		"documents/utf16.md":       {"\xff\xfe-\x00-\x00-\x00\n\x00", ":1:1  MALFORMED", ""},
		"documents/utf16.yaml":     {"\xff\xfei\x00d\x00", ":1:1  MALFORMED", ""},
		"documents/broken.yaml":    {"id: n1\ntext: [\n", ":2:1  MALFORMED", "n1"},
		"documents/long.yaml":      {"id: n1\ntext: " + strings.Repeat("x", catalog.MaxFrontMatter), ":1:1  TOO_LARGE", "n1"},
		"documents/Note/none.md":   {"---\nid: n1\n---\n", ":2:1 kind MISSING_FIELD", "n1"},
		"documents/Note/null.md":   {"---\nid: n1\nkind:\n---\n", ":3:6 kind MISSING_FIELD", "n1"},
		"documents/Note/empty.md":  {"---\nid: n1\nkind: ''\n---\n", ":3:7 kind MISSING_FIELD", "n1"},
		"documents/Note/number.md": {"---\nid: n1\nkind: 7\n---\n", ":3:7 kind WRONG_TYPE", "n1"},
		"documents/README.md":      {"# Notes\n", "", ""},
		"documents/photo.jpg":      {"\xff\xd8", "", ""},
		"Documents/plain.md":       {"# A note\n", "", ""},
		"notes/documents/plain.md": {"# A note\n", "", ""},
	} {
		files := map[string]string{path: tt.content, "schemas/Note.schema.json": "{}", "documents/Note/other.md": "---\nkind: Note\nid: n0\n---\n"}
		s := build(files)
		var want []string
		if tt.want != "" {
			want = []string{path + tt.want}
		}
		assert.Equal(t, want, problems(s), path)
		assert.Equal(t, map[catalog.Kind]int{"Note": 1}, s.Counts(), path)
		if w := s.Withheld("n1"); tt.id != "" && assert.NotNil(t, w, path) {
			assert.Equal(t, path, w.Path.String())
			assert.True(t, w.MayBe("Note") && w.MayBe(catalog.KindProduct), path)
		}
		again := after(after(s, []catalog.Change{deletion("schemas/Note.schema.json")}), []catalog.Change{change("schemas/Note.schema.json", "{}")})
		assert.Equal(t, want, problems(again), path)
		mended := after(s, []catalog.Change{change(path, "---\nkind: Note\nid: n1\n---\n")})
		if strings.HasSuffix(path, ".md") && tt.want != "" {
			assert.NotNil(t, mended.Document("n1"), path)
			assert.Empty(t, problems(mended), path)
		}
		assert.Empty(t, problems(after(s, []catalog.Change{deletion(path)})), path)
	}
}

func TestAnIDIsAPartOfAURL(t *testing.T) {
	for id, problem := range map[string]bool{".": true, "..": true, "a/../b": true, "./a": true, "a/..": true, "...": false, ".a": false, "a..b": false, "a/b": false, "a.": false} {
		s := build(map[string]string{"p.yaml": "kind: Person\nid: \"" + id + "\"\n", "schemas/Person.schema.json": "{}"})
		if !problem {
			assert.Empty(t, problems(s), id)
			continue
		}
		assert.Equal(t, []string{"p.yaml:2:5 id INVALID_VALUE"}, problems(s), id)
		assert.Nil(t, s.Document(id), id)
		assert.NotNil(t, s.Withheld(id), "%s cannot be deleted", id)
	}
}

func TestSchemasAreJSONWithoutDoubleKeys(t *testing.T) {
	s := build(map[string]string{"schemas/Person.schema.json": "{\"type\": \"object\",\n \"type\": \"string\"}"})
	assert.Equal(t, []string{"schemas/Person.schema.json:2:2 type INVALID_SCHEMA"}, problems(s))
}

func TestAPriceThatIsTooLongIsToldAsThat(t *testing.T) {
	for price, says := range map[string]string{`"9999999999999999"`: "more than 15 digits", "9999999999999999": "more than 15 digits", `"1.0000001"`: "more than 6 behind it", `"-1"`: "no decimal number", "x": "no decimal number"} {
		s := build(map[string]string{"categories/coffee.md": coffee, "products/mug.md": strings.Replace(mug, `"9.80"`, price, 1)})
		var got []string
		for p := range s.Problems() {
			got = append(got, p.Message)
		}
		if assert.Len(t, got, 1, price) {
			assert.Contains(t, got[0], says)
		}
	}
}

func TestTheProblemsOfADocumentAreBounded(t *testing.T) {
	const most = 50
	many := strings.TrimSuffix(strings.Repeat("x,", 20_000), ",")
	s := build(map[string]string{
		"collections/links.md": "---\nid: c\nslug: c\ntitle: C\nproducts: [" + many + "]\n---\n",
		"categories/tags.md":   coffee,
		"products/mug.md":      strings.Replace(mug, "slug: mug", "slug: mug\ntags: ["+strings.ReplaceAll(many, "x", "1")+"]", 1),
	})
	var links, tags, last int
	for p := range s.Problems() {
		switch p.Path.String() {
		case "collections/links.md":
			links++
		case "products/mug.md":
			tags++
		}
		if strings.HasSuffix(p.Message, "the file has more problems than are listed") {
			last++
		}
	}
	assert.Equal(t, []int{most, most, 2}, []int{links, tags, last})
	assert.NotNil(t, s.Document("c"), "a document with broken references is served")
}

func TestTheEndOfANameIsTakenInEitherCase(t *testing.T) {
	person := personKind + "---\n"
	for _, name := range []string{"a.MD", "a.markdown", "a.Markdown", "people/a.Md"} {
		s := build(map[string]string{name: person, "schemas/Person.schema.json": "{}"})
		assert.Empty(t, problems(s), name)
		assert.NotNil(t, s.Document("p1"), name)
	}
	for name, content := range map[string]string{"products/a.MD": "# A\n", "products/a.YML": "[", "products/a.JSON": "id: a\n"} {
		assert.Equal(t, []string{fmt.Sprintf("%s:1:1  MALFORMED", name)}, problems(build(map[string]string{name: content})))
	}
	assert.Empty(t, problems(build(map[string]string{"products/Readme.MARKDOWN": "# A\n"})))
}
