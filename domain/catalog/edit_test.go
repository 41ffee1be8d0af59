package catalog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

const written = "---\n" +
	"# The mug that everybody wants.\n" +
	"id: prod-1\n" +
	"sku: 'MUG'   # never changes\n" +
	"slug: mug\n" +
	"title: \"Mug “Größe L”\"\n" +
	"category: cat-coffee\n" +
	"price: 9.80 # since May\n" +
	"currency: EUR\n" +
	"\n" +
	"# where it is\n" +
	"status: active\n" +
	"inventory_status: in_stock\n" +
	"tags: [a, 'b c', \"d\"] # words\n" +
	"supplier:\n" +
	"    name: Ada   # the first\n" +
	"    # born\n" +
	"    since: 1843\n" +
	"care:\n" +
	"  - wash # warm\n" +
	"  # not too warm\n" +
	"  - dry\n" +
	"  - keep\n" +
	"notes: |\n" +
	"  # no comment\n" +
	"  two lines\n" +
	"\n" +
	"# the end\n" +
	"size: {w: 8, h: 9.5} # cm\n" +
	"---\n" +
	"\n" +
	"A *mug*.\n"

func document(t require.TestingT, path, content string) *catalog.Document {
	s := build(map[string]string{path: content})
	p := change(path, "").Path
	d := s.DocumentAt(p)
	require.NotNil(t, d, "%v", problems(s))
	return d
}

func apply(t require.TestingT, path, content string, e catalog.Edit) string {
	out, err := document(t, path, content).Apply([]byte(content), e)
	require.NoError(t, err)
	return string(out)
}

func text(s string) *string { return &s }

func TestAnEditLeavesTheRestOfTheFileAlone(t *testing.T) {
	for _, tt := range []struct{ patch, old, new string }{
		{`{}`, "", ""},
		{`{"price":"9.80","tags":["a","b c","d"],"slug":"mug","links":[],"images":[]}`, "", ""},
		{`{"price":"10.50"}`, "price: 9.80 #", "price: \"10.50\" #"},
		{`{"sku":"CUP"}`, "'MUG'", "'CUP'"},
		{`{"sku":"It's"}`, "'MUG'", "'It''s'"},
		{`{"title":"A \"mug\"\nof two lines"}`, `"Mug “Größe L”"`, `"A \"mug\"\nof two lines"`},
		{`{"status":"draft"}`, "status: active", "status: draft"},
		{`{"tags":["a","x, y"]}`, `[a, 'b c', "d"]`, `[a, 'x, y']`},
		{`{"tags":[]}`, `[a, 'b c', "d"]`, `[]`},
		{`{"supplier":{"name":"Bob"}}`, "Ada ", "Bob "},
		{`{"supplier":{"since":null}}`, "    since: 1843\n", ""},
		{`{"supplier":{"city":"London"}}`, "since: 1843\n", "since: 1843\n    city: London\n"},
		{`{"supplier":"Ada"}`, "supplier:\n    name: Ada   # the first\n    # born\n    since: 1843\n", "supplier: Ada\n"},
		{`{"supplier":null}`, "supplier:\n    name: Ada   # the first\n    # born\n    since: 1843\n", ""},
		{`{"care":["wash","dry"]}`, "  - keep\n", ""},
		{`{"care":["wash","iron","keep"]}`, "  - dry\n", "  - iron\n"},
		{`{"care":["wash","dry","keep","show"]}`, "  - keep\n", "  - keep\n  - show\n"},
		{`{"care":["soak","wash","dry","keep"]}`, "  - wash", "  - soak\n  - wash"},
		{`{"notes":"one line"}`, "notes: |\n  # no comment\n  two lines\n", "notes: one line\n"},
		{`{"notes":"three\nlines\nnow\n"}`, "  # no comment\n  two lines\n", "  three\n  lines\n  now\n"},
		{`{"size":{"h":10}}`, "h: 9.5", "h: 10"},
		{`{"size":{"w":null}}`, "{w: 8, h: 9.5}", "{h: 9.5}"},
		{`{"size":{"h":null,"d":"1"}}`, "{w: 8, h: 9.5}", `{w: 8, d: "1"}`},
		{`{"size":{"h":null,"w":null,"d":1}}`, "{w: 8, h: 9.5}", "{d: 1}"},
		{`{"gtin":"0042","gift":true,"weight":0.5,"made":"2026-01-02","none":null}`, "# cm\n", "# cm\ngtin: \"0042\"\ngift: true\nweight: 0.5\nmade: \"2026-01-02\"\n"},
		{`{"maker":{"name":"x","at":{"a":[1,{"b":2}]}}}`, "# cm\n", "# cm\nmaker:\n  name: x\n  at:\n    a:\n      - 1\n      - b: 2\n"},
	} {
		for name, variant := range map[string]func(string) string{
			"LF":       func(s string) string { return s },
			"CRLF":     func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
			"BOM":      func(s string) string { return "\ufeff" + s },
			"no end":   func(s string) string { return strings.TrimSuffix(s, "\n") },
			"no body":  func(s string) string { return strings.TrimSuffix(s, "\n\nA *mug*.\n") },
			"trailing": func(s string) string { return strings.Replace(s, "---\n", "--- \t\n", 1) },
		} {
			file := variant(written)
			want := file
			if tt.old != "" {
				end := func(s string) string { return s }
				if name == "CRLF" {
					end = variant
				}
				require.Contains(t, file, end(tt.old))
				want = strings.Replace(file, end(tt.old), end(tt.new), 1)
			}
			assert.Equal(t, want, apply(t, "products/mug.md", file, catalog.Edit{Fields: json.RawMessage(tt.patch)}), "%s: %s", name, tt.patch)
		}
	}
}

const pictured = "---\n" +
	"id: prod-1\nsku: MUG\nslug: mug\ntitle: Mug\ncategory: c\nprice: \"9.80\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n" +
	"images:\n" +
	"  # the front\n" +
	"  - url: https://a.example/1.jpg\n" +
	"    width: 0x320 # px\n" +
	"    credit: 'Ada'\n" +
	"  - url: https://a.example/2.jpg # the back\n" +
	"    alt: 'Back'\n" +
	"    credit: Bob\n" +
	"links:\n" +
	"  - lang: de # German\n" +
	"    url: https://a.example/m.pdf\n" +
	"---\n"

func TestItemsKeepWhatIsNotToldOfThem(t *testing.T) {
	const one, two = `{"url":"https://a.example/1.jpg","alt":""}`, `{"url":"https://a.example/2.jpg","alt":"Back"}`
	const first = "  - url: https://a.example/1.jpg\n    width: 0x320 # px\n    credit: 'Ada'\n"
	const second = "  - url: https://a.example/2.jpg # the back\n    alt: 'Back'\n    credit: Bob\n"
	const third = "  - url: https://a.example/3.jpg\n    alt: New\n"
	for _, tt := range []struct{ field, items, old, new string }{
		{"images", one + "," + two, "", ""},
		{"images", one + "," + two + `,{"url":"https://a.example/3.jpg","alt":"New"}`, second, second + third},
		{"images", `{"alt":"New","url":"https://a.example/3.jpg"},` + one + "," + two, first, "  - alt: New\n    url: https://a.example/3.jpg\n" + first},
		{"images", two, first, ""},
		{"images", two + "," + one, first + second, "  - url: https://a.example/2.jpg\n    alt: 'Back'\n    credit: Bob\n  - url: https://a.example/1.jpg\n    width: 0x320\n    credit: 'Ada'\n"},
		{"images", one + `,{"url":"https://a.example/2.jpg","alt":"Rear"}`, second, "  - url: https://a.example/2.jpg\n    alt: 'Rear'\n    credit: Bob\n"},
		{"images", one + `,{"url":"https://a.example/2.jpg"}`, second, "  - url: https://a.example/2.jpg\n    credit: Bob\n"},
		{"images", `{"url":"https://a.example/1.jpg","alt":"Front","width":900},` + two, first, "  - url: https://a.example/1.jpg\n    width: 900\n    credit: 'Ada'\n    alt: Front\n"},
		{"images", one + `,{"url":"https://a.example/2.jpg","alt":"Back","credit":null}`, second, "  - url: https://a.example/2.jpg\n    alt: 'Back'\n"},
		{"images", one + `,{"url":"https://a.example/3.jpg","alt":"New"}`, second, third},
		{"images", one + "," + two + "," + two, second, second + "  - url: https://a.example/2.jpg\n    alt: Back\n"},
		{"links", `{"title":"","url":"https://a.example/m.pdf"},{"title":"Notes","url":"https://a.example/n.pdf"}`, "/m.pdf\n", "/m.pdf\n  - title: Notes\n    url: https://a.example/n.pdf\n"},
		{"links", `{"title":"Manual","url":"https://a.example/m.pdf"}`, "  - lang: de # German\n    url: https://a.example/m.pdf\n", "  - lang: de\n    url: https://a.example/m.pdf\n    title: Manual\n"},
	} {
		want := pictured
		if tt.old != "" {
			require.Contains(t, pictured, tt.old)
			want = strings.Replace(pictured, tt.old, tt.new, 1)
		}
		fields := fmt.Sprintf(`{"%s":[%s]}`, tt.field, tt.items)
		assert.Equal(t, want, apply(t, "products/mug.md", pictured, catalog.Edit{Fields: json.RawMessage(fields)}), fields)
		whole := strings.Replace(fields, "{", `{"id":"prod-1","sku":"MUG","slug":"mug","title":"Mug","category":"c","price":"9.80","currency":"EUR","status":"active","inventory_status":"in_stock",`, 1)
		for field, items := range map[string]string{"images": one + "," + two, "links": `{"title":"","url":"https://a.example/m.pdf"}`} {
			if field != tt.field {
				whole = strings.TrimSuffix(whole, "}") + fmt.Sprintf(`,"%s":[%s]}`, field, items)
			}
		}
		assert.Equal(t, want, apply(t, "products/mug.md", pictured, catalog.Edit{Fields: json.RawMessage(whole), Replace: true}), whole)
	}
}

func TestOfItemsOfOneAddressTheLikerOneIsKept(t *testing.T) {
	file := strings.ReplaceAll(pictured, "/2.jpg", "/1.jpg")
	out := apply(t, "products/mug.md", file, catalog.Edit{Fields: json.RawMessage(`{"images":[{"url":"https://a.example/1.jpg","alt":"Back"}]}`)})
	assert.Equal(t, strings.Replace(file, file[strings.Index(file, "  - url"):strings.Index(file, "  - url: https://a.example/1.jpg # the back")], "", 1), out)
	out = apply(t, "products/mug.json", `{"id":"p","sku":"P","slug":"p","title":"P","category":"c","price":"1","currency":"EUR","status":"active","inventory_status":"in_stock","images":[{"w":8,"url":"https://a.example/1"}]}`,
		catalog.Edit{Fields: json.RawMessage(`{"images":[{"url":"https://a.example/2","alt":""},{"url":"https://a.example/1","alt":""}]}`)})
	assert.Contains(t, out, `"images":[{"url":"https://a.example/2","alt":""},{"w":8,"url":"https://a.example/1"}]}`)
}

func TestAReplacementKeepsWhatItRepeats(t *testing.T) {
	d := document(t, "products/mug.md", written)
	fields := string(d.Fields())
	assert.Equal(t, written, apply(t, "products/mug.md", written, catalog.Edit{Fields: json.RawMessage(fields), Replace: true, Body: text("A *mug*.\n")}))
	// Another order of the members changes nothing, and what is not named goes.
	out := apply(t, "products/mug.md", written, catalog.Edit{Replace: true, Fields: json.RawMessage(`{"status":"active","id":"prod-1","sku":"MUG","slug":"mug","title":"Mug “Größe L”",
		"category":"cat-coffee","currency":"EUR","price":"9.80","inventory_status":"in_stock","tags":["a","b c","d"],"images":[],"links":[]}`)})
	want := written[:strings.Index(written, "supplier:")] + "\n# the end\n" + written[strings.LastIndex(written, "---\n"):]
	assert.Equal(t, want, out)
}

func TestABodyIsReplacedAlone(t *testing.T) {
	front := written[:strings.Index(written, "\nA *mug*")]
	for _, tt := range []struct{ file, body, want string }{
		{written, "A cup.\n", front + "\nA cup.\n"},
		{written, "\n\n---\nA cup.", front + "\n---\nA cup."},
		{written, "", front + "\n"},
		{front, "A cup.\n", front + "\nA cup.\n"},
		{front[:len(front)-1], "A cup.", front + "\nA cup."},
		{front + "text", "A cup.", front + "A cup."},
		{strings.ReplaceAll(front, "\n", "\r\n"), "A cup.\r\n", strings.ReplaceAll(front, "\n", "\r\n") + "\r\nA cup.\r\n"},
	} {
		assert.Equal(t, tt.want, apply(t, "products/mug.md", tt.file, catalog.Edit{Fields: json.RawMessage("{}"), Body: &tt.body}))
	}
}

func TestABodyTakesTheLineEndsOfItsFile(t *testing.T) {
	crlf := strings.ReplaceAll(written, "\n", "\r\n")
	head := strings.TrimSuffix(crlf, "A *mug*.\r\n")
	mixed := strings.Replace(crlf, "\r\n", "\n", 1)
	for _, tt := range []struct{ file, body, want string }{
		{crlf, "A *mug*.\n", crlf},
		{crlf, "\nNew\n\nbody", head + "New\r\n\r\nbody"},
		{strings.TrimSuffix(crlf, "\r\n\r\nA *mug*.\r\n"), "New\nbody\n", head + "New\r\nbody\r\n"},
		{crlf, "New\r\nbody\n", head + "New\r\nbody\n"},
		{mixed, "New\nbody\n", strings.TrimSuffix(mixed, "A *mug*.\r\n") + "New\nbody\n"},
		{written, "New\r\nbody\r\n", strings.TrimSuffix(written, "A *mug*.\n") + "New\r\nbody\r\n"},
	} {
		assert.Equal(t, tt.want, apply(t, "products/mug.md", tt.file, catalog.Edit{Fields: json.RawMessage("{}"), Body: &tt.body}), "%q", tt.body)
	}
}

// required are the fields that a product needs.
const required = "id: p\nsku: P\nslug: p\ntitle: P\ncategory: c\nprice: \"1\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n"

func TestWhatStandsBetweenBracketsIsReadAsYAMLReadsIt(t *testing.T) {
	for _, tt := range []struct{ field, patch, want string }{
		{"x: {k: rock 'n roll}\n", `{"k":null,"z":1}`, "x: {z: 1}\n"},
		{"x: {k: rock 'n roll, l: 2} # c\n", `{"l":3}`, "x: {k: rock 'n roll, l: 3} # c\n"},
		{"x: {k: rock 'n roll, l: [a 'b, c \"d]} # c\n", `{"l":3,"z":1}`, "x: {k: rock 'n roll, l: 3, z: 1} # c\n"},
		{"x: {k: [a\n  'n roll, b], l: 2} # c\n", `{"k":1}`, "x: {k: 1, l: 2} # c\n"},
		{"x: {k: a\n  'n roll, l: 2} # c\n", `{"l":1}`, "x: {k: a\n  'n roll, l: 1} # c\n"},
		{"x: {k: [a # it's ]\n  , b], l: 2} # c\n", `{"k":1}`, "x: {k: 1, l: 2} # c\n"},
		{"x: {k: [a#'b, \"]#\"], l: 2} # c\n", `{"k":1}`, "x: {k: 1, l: 2} # c\n"},
		{"x: {k: [\"a\"# ]\n  ], l: 2} # c\n", `{"k":1}`, "x: {k: 1, l: 2} # c\n"},
		{"x: {k: {\"a\":'}', b:'c: 1}, l: 2} # c\n", `{"k":1}`, "x: {k: 1, l: 2} # c\n"},
		{"x: {k: [!!str ']', !<tag:yaml.org,2002:str> \"]\"], l: 2} # c\n", `{"k":1}`, "x: {k: 1, l: 2} # c\n"},
		{"x: {k: [-'a, ? 'b ]' : \"c]\"], l: 2} # c\n", `{"k":1}`, "x: {k: 1, l: 2} # c\n"},
		{"x: {k: [it's\u2028 'a, b # ]\u2028], l: 2} # c\n", `{"k":1}`, "x: {k: 1, l: 2} # c\n"},
	} {
		out := apply(t, "products/p.yaml", required+tt.field+"last: x\n", catalog.Edit{Fields: json.RawMessage(`{"x":` + tt.patch + `}`)})
		assert.Equal(t, required+tt.want+"last: x\n", out, "%s%s", tt.field, tt.patch)
	}
	root := "{" + strings.ReplaceAll(strings.TrimSuffix(required, "\n"), "\n", ", ") + ", m: {k: rock 'n roll}, n: a 'b}\n"
	for patch, want := range map[string]string{
		`{"title":"T"}`: strings.Replace(root, "title: P", "title: T", 1),
		`{"m":{"l":1}}`: strings.Replace(root, "roll}", "roll, l: 1}", 1),
		`{"n":null}`:    strings.Replace(root, ", n: a 'b", "", 1),
		`{"o":1}`:       strings.Replace(root, "'b}", "'b, o: 1}", 1),
	} {
		assert.Equal(t, want, apply(t, "products/p.yaml", root, catalog.Edit{Fields: json.RawMessage(patch)}), patch)
	}
}

func TestFilesOfYAMLAndJSONAreEditedInPlace(t *testing.T) {
	fields := strings.TrimSuffix(strings.Split(written, "---\n")[1], "\n")
	out := apply(t, "products/mug.yaml", fields, catalog.Edit{Fields: json.RawMessage(`{"price":"1.00","gtin":"1"}`)})
	assert.Equal(t, strings.Replace(fields, "9.80", `"1.00"`, 1)+"\ngtin: \"1\"", out, "without a line end at the end")

	const file = "{\n  \"id\" : \"prod-1\",\n  \"sku\": \"MUG\", \"slug\": \"mug\", \"title\": \"Mug\\u00e9\",\n  \"category\": \"c\",\n  \"price\": \"9.80\",\n  \"currency\": \"EUR\",\n" +
		"  \"status\": \"active\",\n  \"inventory_status\": \"in_stock\",\n  \"size\": {\n    \"w\": 1.0,\n    \"h\": [1,2]\n  }\n}"
	for _, tt := range []struct{ patch, old, new string }{
		{`{}`, "", ""},
		{`{"size":{"w":1}}`, "", ""},
		{`{"price":"1.00"}`, `"9.80"`, `"1.00"`},
		{`{"size":{"h":[2]}}`, `[1,2]`, `[2]`},
		{`{"size":{"d":{"x":null,"y":1}}}`, "[1,2]\n", "[1,2],\n    \"d\": {\"y\":1}\n"},
		{`{"size":{"w":null}}`, "\"w\": 1.0,\n    ", ""},
		{`{"size":null}`, ",\n  \"size\": {\n    \"w\": 1.0,\n    \"h\": [1,2]\n  }", ""},
		{`{"gtin":"<1> & \u003c2\\u003c"}`, "  }\n}", "  },\n  \"gtin\": \"<1> & <2\\\\u003c\"\n}"},
		{`{"size":{"<&>":["\u2028"]}}`, "[1,2]\n", "[1,2],\n    \"<&>\": [\"\\u2028\"]\n"},
	} {
		want := strings.Replace(file, tt.old, tt.new, 1)
		got := apply(t, "products/mug.json", file, catalog.Edit{Fields: json.RawMessage(tt.patch)})
		assert.Equal(t, want, got, tt.patch)
	}
	_, err := document(t, "products/mug.json", file).Apply([]byte(file), catalog.Edit{Fields: json.RawMessage("{}"), Body: text("no")})
	assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), "%v", err)
	for _, bad := range []string{"", "[]", "null", `{"a":1} 2`, `{"a"`} {
		_, err := document(t, "products/mug.md", written).Apply([]byte(written), catalog.Edit{Fields: json.RawMessage(bad)})
		assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), "%s: %v", bad, err)
	}
}

func TestTextsThatOtherReadersTakeForSomethingElseAreInQuotes(t *testing.T) {
	const fields = `{"id":"prod-1","slug":"mug","title":"Mug","answers":["yes","No","ON","y"],"at":"12:30","no":"yes and no"}`
	p := change("categories/mug.md", "").Path
	out, err := catalog.Format(p, catalog.Edit{Fields: json.RawMessage(fields)})
	require.NoError(t, err)
	for _, want := range []string{"- \"yes\"\n", "- \"No\"\n", "- \"ON\"\n", "- \"y\"\n", "at: \"12:30\"\n", "\"no\": yes and no\n"} {
		assert.Contains(t, string(out), want)
	}
	again := apply(t, "categories/mug.md", "---\nid: mug\nslug: mug\ntitle: Mug\nsold: never\n---\n", catalog.Edit{Fields: json.RawMessage(`{"sold":"off"}`)})
	assert.Contains(t, again, "sold: \"off\"\n")
	for _, text := range []string{
		"2026-05-01", "2026-5-1", "1234-56-78", "2026-05-01T10:00:00", "2026-05-01t1:00:00.5Z", "2026-05-01 10:00:00", "2026-05-01 10:00:00 +0200", "2026-05-01  10:00:00 -2:30", "=", "<<",
		"0x1F", "-0x_", "0x1234567890abcdef1234567890abcdef12345678", "+0b_1", "0b" + strings.Repeat("1", 72), "1_000", "017", "1:2:3.4", ".5_", "1e400", "-1.5e+400",
	} {
		out, err := catalog.Format(p, catalog.Edit{Fields: json.RawMessage(fmt.Sprintf(`{"id":"mug","slug":"mug","title":"Mug","of":[%q],%q:{"in":%q}}`, text, text, text))})
		require.NoError(t, err)
		assert.Contains(t, string(out), fmt.Sprintf("of:\n  - %q\n%q:\n  in: %q\n", text, text, text))
		again := apply(t, "categories/mug.md", "---\nid: mug\nslug: mug\ntitle: Mug\nsold: [never] # yet\n---\n", catalog.Edit{Fields: json.RawMessage(fmt.Sprintf(`{"sold":[%q]}`, text))})
		assert.Contains(t, again, fmt.Sprintf("sold: [%q] # yet\n", text))
	}
	for _, text := range []string{"2026-05", "2026-05-01 to 2026-05-02", "12026-05-01", "==", "a=b", "<", "0xyz", "0b12", "0b", "1.2.3", "e5", "1e", "_1"} {
		out, err := catalog.Format(p, catalog.Edit{Fields: json.RawMessage(fmt.Sprintf(`{"id":"mug","slug":"mug","title":"Mug","at":%q}`, text))})
		require.NoError(t, err)
		assert.Contains(t, string(out), "at: "+text+"\n")
	}
}

func TestTextsThatLinesOfTheirOwnCannotHoldAreInQuotes(t *testing.T) {
	const file = required + "keep: # c1\n  - one # c2\nlist:\n  - |\n    old\n  - end\nlast: x # c3\n"
	for text, quoted := range map[string]string{
		"\tfirst\nsecond\n": `"\tfirst\nsecond\n"`,
		"\t\n":              `"\t\n"`,
		"a\nb\u2028c\nd\n":  `"a\nb\Lc\nd\n"`,
		"a\u0085":           `"a\N"`,
		"a\n\u2029":         `"a\n\P"`,
	} {
		encoded, err := json.Marshal(text)
		require.NoError(t, err)
		for _, tt := range []struct{ patch, old, new string }{
			{`{"last":%s}`, "last: x", "last: " + quoted},
			{`{"list":[%s,"end"]}`, "  - |\n    old\n", "  - " + quoted + "\n"},
			{`{"new":{"of":%s}}`, "# c3\n", "# c3\nnew:\n  of: " + quoted + "\n"},
			{`{"new":{%s:1}}`, "# c3\n", "# c3\nnew:\n  ? " + quoted + "\n  : 1\n"},
			{`{%s:{"a":1}}`, "# c3\n", "# c3\n? " + quoted + "\n: a: 1\n"},
		} {
			patch := fmt.Sprintf(tt.patch, encoded)
			out := apply(t, "products/p.yaml", file, catalog.Edit{Fields: json.RawMessage(patch)})
			assert.Equal(t, strings.Replace(file, tt.old, tt.new, 1), out, patch)
		}
	}
}

func TestATextGoesWithItsLastLines(t *testing.T) {
	for _, tt := range []struct{ fields, patch, want string }{
		{"x: |-\n  a\n\n  \t\n", `{"x":"b"}`, "x: b\n"},
		{"x: |-\n  a\n\n  \t\n", `{"x":null}`, ""},
		{"x: >\n  a\n   \n\n", `{"x":"b"}`, "x: b\n\n"},
		{"x:\n  m: |2-\n    a\n    \t\n  z: 1\n", `{"x":{"m":"b"}}`, "x:\n  m: b\n  z: 1\n"},
		{"x:\n  m: |2-\n    a\n    \t\n", `{"x":{"z":1}}`, "x:\n  m: |2-\n    a\n    \t\n  z: 1\n"},
		{"x:\n  - |-\n    a\n    \t\n  - b\n", `{"x":["c","b"]}`, "x:\n  - c\n  - b\n"},
		{"x:\n  - |-\n    a\n    \t\n", `{"x":["c"]}`, "x:\n  - c\n"},
		{"x: a\n \t\n", `{"x":"b"}`, "x: b\n \t\n"},
		{"x: |\n  a\n\n# c\nk: [[]] # d\n", `{"x":"b\n\n","k":{"b":2}}`, "x: |+\n  b\n\n# c\nk: {b: 2} # d\n"},
		{"x:\n  - 1 # c\n  - 2\n\n", `{"x":[1,"b\n\n"]}`, "x:\n  - 1 # c\n  - |+\n    b\n\n"},
		{"x:\n  m: 1 # c\n\n", `{"x":{"o":"b\n\n"}}`, "x:\n  m: 1 # c\n\n  o: |+\n    b\n\n"},
	} {
		out := apply(t, "products/p.yaml", required+tt.fields+"last: x\n", catalog.Edit{Fields: json.RawMessage(tt.patch)})
		assert.Equal(t, required+tt.want+"last: x\n", out, "%s%s", tt.fields, tt.patch)
	}
}

func TestAnEditTakesNoCommentsOfWhatStays(t *testing.T) {
	for _, tt := range []struct{ fields, patch, want string }{
		{"keep: # c1\n  - one # c2\nx: |\n  old\n  text\nlast: x # c3\n", `{"x":"a\n\u2028"}`, "keep: # c1\n  - one # c2\nx: \"a\\n\\L\"\nlast: x # c3\n"},
		{"keep: 1 # c1\n... # c2\n", `{"x":1}`, "keep: 1 # c1\nx: 1\n... # c2\n"},
		{"x: {a, b: , c: 1} # c\n", `{"x":{"c":2}}`, "x: {a, b: , c: 2} # c\n"},
		{"x: {a, b: , c} # c\n", `{"x":{"a":"x","b":"w","c":"z"}}`, "x: {a: x, b: w, c: z} # c\n"},
		{"x: {a, b: !!str , c: 1} # c\n", `{"x":{"c":2}}`, "x: {a: null, b: \"\", c: 2} # c\n"},
		{"x: {\n  a: 1, # c1\n  b: 2, # c2\n  # c3\n  c: 3 # c4\n} # c5\n", `{"x":{"b":null}}`, "x: {\n  a: 1, # c1\n  # c3\n  c: 3 # c4\n} # c5\n"},
		{"x: {\n  a: 1, # c1\n  b: 2, # c2\n  c: 3 # c3\n} # c4\n", `{"x":{"a":null}}`, "x: {\n  b: 2, # c2\n  c: 3 # c3\n} # c4\n"},
		{"x: {\n  a: 1, # c1\n  b: 2 # c2\n} # c3\n", `{"x":{"b":null}}`, "x: {\n  a: 1, # c1\n   # c2\n} # c3\n"},
		{"x: {\n  a: 1, # c1\n  b: 2,\n} # c2\n", `{"x":{"b":null,"c":3,"d":4}}`, "x: {\n  a: 1, # c1\n  c: 3,\n  d: 4\n} # c2\n"},
	} {
		out := apply(t, "products/p.yaml", required+tt.fields, catalog.Edit{Fields: json.RawMessage(tt.patch)})
		assert.Equal(t, required+tt.want, out, "%s%s", tt.fields, tt.patch)
	}
	for _, file := range []string{
		required + "x: {a: !!str x, # c\n  b: 1}\n",
		"{" + strings.ReplaceAll(required, "\n", ", ") + "a: !!str x, # c\n  x: {b: 1}}\n",
	} {
		_, err := document(t, "products/p.yaml", file).Apply([]byte(file), catalog.Edit{Fields: json.RawMessage(`{"x":{"b":2}}`)})
		assert.True(t, errs.Is(err, errs.ReasonInvalidArgument), "%s: %v", file, err)
	}
}

func TestTextsWithoutQuotesThatDoNotChangeGetNone(t *testing.T) {
	const file = "id: mug\nslug: mug\ntitle: Mug\nat: 2026-05-01T10:00:00\nof:\n  - 0xyz\n  - =\n  - yes\nin: [1234-56-78]\nnumber: 123456789012345678901234567890\nhuge: !!float 1e400\nsum: !!float 5\n"
	for fields, want := range map[string]string{
		`{"at":"2026-05-01T10:00:00","of":["0xyz","=","yes"],"in":["1234-56-78"],"number":123456789012345678901234567890}`: file,
		`{"title":"Cup"}`:               strings.Replace(file, "Mug", "Cup", 1),
		`{"of":["0xyz","=","yes","a"]}`: strings.Replace(file, "- yes\n", "- yes\n  - a\n", 1),
	} {
		assert.Equal(t, want, apply(t, "categories/mug.yaml", file, catalog.Edit{Fields: json.RawMessage(fields)}), fields)
	}
}

func TestNumbersAreWrittenWithoutATagWhereTheyAreReadAsThemselves(t *testing.T) {
	const file = "id: mug\nslug: mug\ntitle: Mug\nv: 7 # seven\n"
	for number, want := range map[string]string{
		"1": "1", "-0": "-0", "1.0": "1.0", "1E5": "1.0E+5", "1e-07": "1.0e-07", "-1.5e3": "-1.5e+3", "0.1": "0.1", "123456789012345678901234567890": "123456789012345678901234567890", "-100000000000000000000": "-100000000000000000000",
		"12345678901234567890.5": "12345678901234567890.5", "1e400": "!!float 1.0e+400", // a text without the tag
	} {
		fields := fmt.Sprintf(`{"id":"mug","slug":"mug","title":"Mug","v":%s}`, number)
		out, err := catalog.Format(change("categories/mug.yaml", "").Path, catalog.Edit{Fields: json.RawMessage(fields)})
		require.NoError(t, err)
		assert.Equal(t, "id: mug\nslug: mug\ntitle: Mug\nv: "+want+"\n", string(out))
		assert.Equal(t, strings.Replace(fields, number, strings.TrimPrefix(want, "!!float "), 1), string(document(t, "categories/mug.yaml", string(out)).Fields()))
		assert.Equal(t, strings.Replace(file, "7", want, 1), apply(t, "categories/mug.yaml", file, catalog.Edit{Fields: json.RawMessage(fmt.Sprintf(`{"v":%s}`, number))}))
		list := strings.Replace(file, "7", "[7]", 1)
		assert.Equal(t, strings.Replace(file, "7", "["+want+"]", 1), apply(t, "categories/mug.yaml", list, catalog.Edit{Fields: json.RawMessage(fmt.Sprintf(`{"v":[%s]}`, number))}))
	}
	// A tag that is written in the file is meant.
	tagged := strings.Replace(pictured, "credit: Bob", "width: !!float 800", 1)
	out := apply(t, "products/mug.md", tagged, catalog.Edit{Fields: json.RawMessage(`{"images":[{"url":"https://a.example/2.jpg","alt":"Rear"}]}`)})
	assert.Contains(t, out, "alt: 'Rear'\n    width: !!float 800\n")
}

func TestANewDocumentReadsAsItsFields(t *testing.T) {
	const fields = `{"id":"prod-1","sku":"0042","slug":"mug","title":"yes: no","category":"c","price":"1.50","currency":"EUR","status":"draft","inventory_status":"preorder",` +
		`"tags":["a","true"],"supplier":{"name":"Ada","note":"two\nlines\n"},"made":"2026-01-02"}`
	for _, path := range []string{"products/mug.md", "products/mug.yaml", "products/mug.json"} {
		e := catalog.Edit{Fields: json.RawMessage(strings.Replace(fields, `"made"`, `"none":null,"made"`, 1))}
		if strings.HasSuffix(path, ".md") {
			e.Body = text("\nA mug.\n")
		}
		p := change(path, "").Path
		out, err := catalog.Format(p, e)
		require.NoError(t, err)
		d := document(t, path, string(out))
		assert.JSONEq(t, fields, string(d.Fields()), "%s", out)
		if e.Body != nil {
			assert.Equal(t, "A mug.\n", d.Body)
			assert.True(t, strings.HasPrefix(string(out), "---\nid: prod-1\nsku: \"0042\"\n"), "%s", out)
			assert.Contains(t, string(out), "---\n\nA mug.\n")
		}
	}
}

// patched is RFC 7396, section 2, as it is written there.
func patched(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for name, value := range p {
		if value == nil {
			delete(t, name)
		} else {
			t[name] = patched(t[name], value)
		}
	}
	return t
}

var yamlParts = []string{
	"a: 1\n", "a: plain text # comment\n", "a: 'it''s' # comment\n", "a: \"x # \\\" y\"\n", "a: |\n  # text\n\n  more\n\n", "a: |+\n  text\n\n", "a: >-\n  folded\n  text\n",
	"a:\n  b: 1\n  # in between\n  c: {d: [1, 2], e: x}\n\n", "a:\n    b:\n        c: 1\n", "a:\n- 1\n- b: 2\n  c: 3 # x\n- [x, y]\n", "a: []\n", "a: {}\n", "a:\n", "a: ~\n",
	"a: {b: 1, 'c': \"}\", d: [1, {e: 2}]} # flow\n", "a: [\n  1, # one\n  2\n]\n", "a: plain\n  on two lines\n", "? a\n: 1\n", "a: \"two\n  lines\"\n", "a: 日本 # 語\n", "a: 2026-01-02\n", "\"a\": 0x10\n",
	"a: |-\n  text\n\n  \t\n", "a: |\n  text\n   \n\n", "a: >+ # kept\n  x\n\n    \t\n  y\n \n\n", "a:\n  b: |2\n     \tx\n      \n  c: 'it''s' # it's\n", "a:\n  - |-\n    x\n    \t\n  - y # it's\n", "a:\n  b: >-\n    x\n     \t\n",
}

// flowScalars are texts and numbers as they may stand between brackets.
var flowScalars = []string{
	"1", "~", "rock 'n roll", "it's", "a \"b", "5\" nail", "x#y", "-'x", "a:b'c", "a:'b'", "x\n  'y z", "# x\n  y", "'it''s ]'", "'} # '", "\"}\\\" # '\"", "''", "日 '本", "[]", "{}",
}

// flowSource draws a value between brackets.
func flowSource(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if depth == 0 {
			return rapid.SampledFrom(flowScalars).Draw(t, "scalar")
		}
		items := rapid.SliceOfN(flowSource(depth-1), 0, 3).Draw(t, "items")
		from, to := "[", "]"
		if rapid.Bool().Draw(t, "map") {
			from, to = "{", "}"
			for i := range items {
				items[i] = []string{"b: ", "'c': ", "\"d\":"}[i] + items[i]
			}
			if rapid.Bool().Draw(t, "a key alone") {
				items = append(items, rapid.SampledFrom([]string{"e", "e: ", "'e'"}).Draw(t, "key"))
			}
		}
		between := rapid.SampledFrom([]string{", ", ",", " , ", ",\n  ", ", # it's ]\n  ", " # \"}\n  , "}).Draw(t, "between")
		return from + strings.Join(items, between) + to
	})
}

// anyText draws a text of what YAML has rules for.
func anyText() *rapid.Generator[string] {
	pieces := []string{"a", "b c", "\t", " ", "\n", "\n\n", "\r", "\r\n", "\u0085", "\u2028", "\u2029", "\ufeff", "\x00", "\x7f", "#", " #", ": ", ",", "'", `"`, "- ", "?", "]", "}", "|", "日", "😀", "1e5", "yes"}
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 6), func(of []string) string { return strings.Join(of, "") })
}

var patchValues = []any{
	"x", "true", "", "# y", "two\nlines\n", " lead", "é: ü", "'", `"`, "\u2028", "\ttab", 1.5, 2.0, true, []any{}, []any{1.0, "x"}, map[string]any{}, map[string]any{"b": 2.0},
	map[string]any{"c": map[string]any{"d": nil, "z": "q"}, "b": nil}, map[string]any{"b": map[string]any{"c": "deep"}}, []any{map[string]any{"e": 1.0}},
	[]any{1.0, map[string]any{"b": 2.0, "c": 3.0}, "new", []any{"x", "y"}}, map[string]any{"e": "x", "c": nil}, map[string]any{"b": nil, "z": 1.0},
}

// patchValue draws what a field is to become, nil to be gone.
func patchValue() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Just[any](nil),
		rapid.SampledFrom(patchValues),
		rapid.Map(anyText(), func(s string) any { return s }),
		rapid.Map(anyText(), func(s string) any { return []any{"x", s, []any{s}} }),
		rapid.Map(anyText(), func(s string) any { return map[string]any{s: s, "c": s} }),
	)
}

func TestAnyEditReadsAsItWasMeantAndTouchesNoOtherField(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own := "id: prod-1\nsku: MUG\nslug: mug\ntitle: Mug # t\ncategory: c\nprice: \"9.80\"\ncurrency: EUR\nstatus: active\n# s\ninventory_status: in_stock\n"
		names := []string{"k0", "k1", "k2", "k3"}
		parts, behind := make([]string, len(names)), make([]string, len(names))
		braces := rapid.Bool().Draw(t, "braces")
		for i, name := range names {
			switch {
			case braces:
				parts[i] = fmt.Sprintf("%s: %s", name, flowSource(i%3).Draw(t, "part"))
				behind[i] = rapid.SampledFrom([]string{"", " # behind it's " + name}).Draw(t, "behind")
			case rapid.Bool().Draw(t, "flow"):
				parts[i] = fmt.Sprintf("%s: %s # it's\n", name, flowSource(1+i%2).Draw(t, "part"))
			default:
				parts[i] = strings.Replace(rapid.SampledFrom(yamlParts).Draw(t, "part"), "a", name, 1)
			}
			if rapid.Bool().Draw(t, "comment") {
				parts[i] = fmt.Sprintf("# before %s\n", name) + parts[i]
			}
		}
		source := own + strings.Join(parts, "")
		if braces {
			own = "{ # it's\n" + strings.NewReplacer("\n# s", ", # s", "Mug # t\n", "Mug, # t\n", "\n", ",\n").Replace(own)
			source = own
			for i := range parts {
				source += parts[i] + []string{",", "", ",", ","}[i] + behind[i] + []string{"\n", "\n,", "\n", "\n"}[i]
			}
			source += "}\n"
			own = strings.TrimSuffix(own, ",\n")
		}
		path, file := "products/mug.yaml", source
		if rapid.Bool().Draw(t, "markdown") {
			path, file = "products/mug.md", "---\n"+source+"---\nBody"
		}
		ends := strings.NewReplacer("\n", "\n")
		if rapid.Bool().Draw(t, "CRLF") {
			ends = strings.NewReplacer("\n", "\r\n")
		}
		file = ends.Replace(file)
		d := document(t, path, file)
		patch := map[string]any{}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(append(names, "k4", "k 5", "\tk\n\u2028")), 1, 3, rapid.ID[string]).Draw(t, "changed") {
			patch[name] = patchValue().Draw(t, "value")
		}
		encoded, err := json.Marshal(patch)
		require.NoError(t, err)
		out, err := d.Apply([]byte(file), catalog.Edit{Fields: encoded})
		require.NoError(t, err, "%s\n%s", file, encoded)
		var before, after, p any
		require.NoError(t, json.Unmarshal(d.Fields(), &before))
		require.NoError(t, json.Unmarshal(encoded, &p))
		changed := document(t, path, string(out))
		require.NoError(t, json.Unmarshal(changed.Fields(), &after))
		require.Equal(t, patched(before, p), after, "%s\n%s\n%s", file, encoded, out)
		require.Equal(t, d.Body, changed.Body)
		require.False(t, bytes.ContainsAny(out, "\u0085\u2028\u2029"), "%s\n%s\n%s", file, encoded, out)
		require.Contains(t, string(out), ends.Replace(own), "%s\n%s\n%s", file, encoded, out)
		stays, gone := own, true
		for _, value := range patch {
			gone = gone && value == nil
		}
		for i, name := range names {
			part := parts[i]
			if _, ok := patch[name]; ok {
				part, _, _ = strings.Cut(part, "\n")
				if !strings.HasPrefix(part, "# before") {
					part = ""
				}
			} else {
				require.Contains(t, string(out), behind[i], "%s\n%s\n%s", file, encoded, out)
			}
			require.Contains(t, string(out), strings.TrimRight(ends.Replace(part), "\r\n"), "%s\n%s\n%s", file, encoded, out)
			stays += part + "\n"
		}
		if gone && !braces {
			breaks := regexp.MustCompile(`[\r\n]+`)
			fields := strings.TrimSuffix(strings.TrimPrefix(string(out), ends.Replace("---\n")), ends.Replace("---\n")+"Body")
			require.Equal(t, breaks.ReplaceAllString(stays, "\n"), breaks.ReplaceAllString(fields, "\n"), "%s\n%s\n%s", file, encoded, out)
		}
	})
}
