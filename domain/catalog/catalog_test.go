package catalog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
)

func change(path, content string) catalog.Change {
	p, err := git.ParseTreePath(path)
	if err != nil {
		panic(err)
	}
	return catalog.Change{
		Path: p, Blob: git.SHA1.HashObject(git.BlobObject, []byte(content)), Size: int64(len(content)), Content: []byte(content),
	}
}

func deletion(path string) catalog.Change {
	c := change(path, "")
	c.Deleted = true
	return c
}

// after is the catalog after changes of a base.
func after(base *catalog.Snapshot, changes []catalog.Change) *catalog.Snapshot {
	s, err := catalog.Build(context.Background(), base, git.ObjectID{}, changes)
	if err != nil {
		panic(err) // the context does not end
	}
	return s
}

func build(files map[string]string) *catalog.Snapshot {
	var changes []catalog.Change
	for path, content := range files {
		changes = append(changes, change(path, content))
	}
	return after(nil, changes)
}

const (
	coffee = "---\nid: cat-coffee\nslug: coffee\ntitle: Coffee\n---\n"
	mug    = "---\nid: prod-1\nsku: MUG\nslug: mug\ntitle: Mug\ncategory: cat-coffee\nprice: \"9.80\"\ncurrency: EUR\n" +
		"status: active\ninventory_status: in_stock\n---\n\nA *mug*.\n"
)

// problems are the problems in words: place, field and reason.
func problems(s *catalog.Snapshot) []string {
	var all []string
	for p := range s.Problems() {
		all = append(all, fmt.Sprintf("%s:%d:%d %s %s", p.Path, p.Line, p.Column, p.Field, p.Reason))
	}
	return all
}

func TestTheExampleCatalogIsServedWhole(t *testing.T) {
	files := map[string]string{}
	root := "../../examples/catalog"
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = string(b)
		return err
	}))
	s := build(files)
	assert.Empty(t, problems(s))
	assert.Equal(t, map[catalog.Kind]int{catalog.KindProduct: 43, catalog.KindCategory: 14, catalog.KindCollection: 5}, s.Counts())
	phin := s.BySKU("BRW-PHIN-04")
	require.NotNil(t, phin)
	assert.Equal(t, "9.80", phin.Product.Price)
	assert.Equal(t, phin, s.BySlug(catalog.KindProduct, "phin-sai-gon"))
	assert.Equal(t, phin, s.Document("prod-2105"))
	assert.Equal(t, []string{"cat-brewing"}, ids(slices.Values(s.Ancestors(phin.Product.Category))))
	assert.Contains(t, ids(s.InCategory("cat-immersion")), "prod-2105")
	assert.Equal(t, "prod-1015", ids(s.InCollection(s.Document("col-gifts-under-30")))[0])
	assert.Len(t, ids(s.List(catalog.KindProduct, "")), 43)
	roots := ids(s.Children(""))
	assert.Equal(t, "cat-coffee", roots[0])
	for _, root := range roots {
		assert.NotContains(t, ids(s.Descendants(root)), root)
	}
	var fields map[string]any
	require.NoError(t, json.Unmarshal(phin.Fields(), &fields))
	assert.Equal(t, "9.80", fields["price"])
	assert.Equal(t, []any{"vietnamese-coffee", "travel", "gift"}, fields["tags"])
}

func ids(seq func(func(*catalog.Document) bool)) []string {
	var all []string
	seq(func(d *catalog.Document) bool {
		all = append(all, d.ID)
		return true
	})
	return all
}

func TestListGoesOnBehindAnID(t *testing.T) {
	files := map[string]string{"categories/coffee.md": coffee}
	for _, id := range []string{"a", "a-b", "a.b", "b"} {
		files["products/"+id+".md"] = strings.NewReplacer("prod-1", id, "MUG", "SKU-"+id, "slug: mug", "slug: s"+strings.ReplaceAll(id, ".", "-x-")).Replace(mug)
	}
	s := build(files)
	require.Empty(t, problems(s))
	var got []string
	for after := ""; ; {
		next := ids(s.List(catalog.KindProduct, after))
		if len(next) == 0 {
			break
		}
		after = next[0]
		got = append(got, after)
	}
	assert.Equal(t, []string{"a", "a-b", "a.b", "b"}, got)
}

func TestProblemsSayWhereAndWhat(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		want    string
	}{
		"no front matter":    {"# Mug\n", ":1:1  MALFORMED"},
		"no end":             {"---\nid: x\n", ":1:1  MALFORMED"},
		"nothing in it":      {"---\n---\n", ":2:1  MALFORMED"},
		"a list":             {"---\n- a\n---\n", ":2:1  MALFORMED"},
		"broken YAML":        {"---\nid: prod-1\ntitle: [a\n---\n", "MALFORMED"},
		"a tab":              {"---\nid: prod-1\n\ttitle: a\n---\n", "MALFORMED"},
		"a key twice":        {strings.Replace(mug, "slug: mug", "slug: mug\nsku: X", 1), ":5:1 sku MALFORMED"},
		"an alias":           {strings.Replace(mug, "slug: mug", "slug: &a mug\nx: *a", 1), ":4:7 slug MALFORMED"},
		"a merge":            {strings.Replace(mug, "slug: mug", "slug: mug\n<<: {a: b}", 1), ":5:1  MALFORMED"},
		"a tag":              {strings.Replace(mug, "slug: mug", "slug: mug\nx: !!binary aGk=", 1), ":5:4 x MALFORMED"},
		"a tag of a key":     {strings.Replace(mug, "slug: mug", "slug: mug\n!!python/object:os.system x: 1", 1), ":5:1 x MALFORMED"},
		"a key's own tag":    {strings.Replace(mug, "slug: mug", "slug: mug\nx: [{!go y: 1}]", 1), ":5:6 x[0].y MALFORMED"},
		"a tag of one's own": {strings.Replace(mug, "slug: mug", "slug: mug\nx: !go a", 1), ":5:4 x MALFORMED"},
		"a map for a key":    {strings.Replace(mug, "slug: mug", "slug: mug\n? {a: b}\n: c", 1), "MALFORMED"},
		"too deep":           {strings.Replace(mug, "slug: mug", "slug: mug\nx: "+strings.Repeat("[", 100)+strings.Repeat("]", 100), 1), "MALFORMED"},
		"not UTF-8":          {strings.Replace(mug, "title: Mug", "title: \"M\xff\"", 1), ":1:1  MALFORMED"},
		"no price":           {strings.Replace(mug, "price: \"9.80\"\n", "", 1), ":2:1 price MISSING_FIELD"},
		"an empty title":     {strings.Replace(mug, "title: Mug", "title: ''", 1), ":5:8 title MISSING_FIELD"},
		"a number for text":  {strings.Replace(mug, "sku: MUG", "sku: 1e3", 1), ":3:6 sku WRONG_TYPE"},
		"a date for text":    {strings.Replace(mug, "title: Mug", "title: 2027-12-31", 1), ":5:8 title WRONG_TYPE"},
		"a price in words":   {strings.Replace(mug, "\"9.80\"", "cheap", 1), ":7:8 price INVALID_PRICE"},
		"no number":          {strings.Replace(mug, "\"9.80\"", ".nan", 1), ":7:8 price INVALID_PRICE"},
		"infinity":           {strings.Replace(mug, "\"9.80\"", "1e400", 1), ":7:8 price INVALID_PRICE"},
		"too many decimals":  {strings.Replace(mug, "currency: EUR", "currency: JPY", 1), ":7:8 price INVALID_PRICE"},
		"no currency":        {strings.Replace(mug, "currency: EUR", "currency: EURO", 1), ":8:11 currency INVALID_CURRENCY"},
		"lower case":         {strings.Replace(mug, "currency: EUR", "currency: eur", 1), ":8:11 currency INVALID_CURRENCY"},
		"a status":           {strings.Replace(mug, "status: active", "status: sold", 1), ":9:9 status INVALID_VALUE"},
		"a slug":             {strings.Replace(mug, "slug: mug", "slug: Mug Shop", 1), ":4:7 slug INVALID_VALUE"},
		"a script":           {strings.Replace(mug, "slug: mug", "slug: mug\nlinks: [{url: 'javascript:alert(1)'}]", 1), ":5:15 links[0].url INVALID_VALUE"},
		"no list":            {strings.Replace(mug, "slug: mug", "slug: mug\ntags: a", 1), ":5:7 tags WRONG_TYPE"},
		"a NUL":              {strings.Replace(mug, "title: Mug", "title: \"a\\0b\"", 1), ":5:8 title INVALID_VALUE"},
		"no such category":   {strings.Replace(mug, "cat-coffee", "cat-tea", 1), ":6:11 category BROKEN_REFERENCE"},
		"two documents":      {"", ""},
	} {
		if test.content == "" {
			continue
		}
		got := problems(build(map[string]string{"categories/coffee.md": coffee, "products/x.md": test.content}))
		if assert.Len(t, got, 1, name) {
			assert.True(t, strings.HasPrefix(got[0], "products/x.md:"), "%s: %s", name, got[0])
			assert.True(t, strings.HasSuffix(got[0], test.want), "%s: %s, want %s", name, got[0], test.want)
		}
	}
	got := problems(build(map[string]string{"products/x.yaml": "id: a\n---\nid: b\n"}))
	assert.Equal(t, []string{"products/x.yaml:1:1  MALFORMED"}, got)
}

func TestHostileYAMLIsRefusedCheaply(t *testing.T) {
	bomb := "---\na: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ","))
	}
	large := change("products/large.md", mug)
	large.Size, large.Content = 10<<20, nil
	hostile := []catalog.Change{
		change("products/bomb.md", bomb+"---\n"),
		change("products/deep.md", "---\nx: "+strings.Repeat("[", 60_000)+"\n---\n"),
		change("products/long.md", "---\nx: "+strings.Repeat("[", 200_000)+"\n---\n"),
		change("products/maps.json", strings.Repeat(`{"a":`, 12_000)),
		large,
		change("categories/coffee.md", coffee), change("products/mug.md", mug),
	}
	s := after(nil, hostile)
	var reasons []string
	for p := range s.Problems() {
		reasons = append(reasons, p.Path.String()+" "+string(p.Reason))
	}
	assert.Equal(t, []string{
		"products/bomb.md MALFORMED", "products/deep.md MALFORMED", "products/large.md TOO_LARGE", "products/long.md TOO_LARGE", "products/maps.json MALFORMED",
	}, reasons)
	assert.NotNil(t, s.BySKU("MUG"), "the rest is not served")
}

func TestBOMAndCRLFAreTaken(t *testing.T) {
	s := build(map[string]string{"categories/coffee.md": "\xef\xbb\xbf" + coffee, "products/mug.md": strings.ReplaceAll(mug, "\n", "\r\n")})
	assert.Empty(t, problems(s))
	assert.Equal(t, "A *mug*.\r\n", s.BySKU("MUG").Body)
}

func TestWordsThatYAML11TookForBooleansStayText(t *testing.T) {
	s := build(map[string]string{"categories/coffee.md": coffee, "products/mug.md": strings.Replace(mug, "title: Mug", "title: no", 1)})
	assert.Empty(t, problems(s))
	assert.Equal(t, "no", s.BySKU("MUG").Title)
}

func TestWhatIsNoDocumentIsNoProblem(t *testing.T) {
	s := build(map[string]string{
		"README.md": "# Shop\n", "products/README.md": "# Products\n", "docs/a.md": "---\nbroken: [\n---\n", "ci.yaml": "a: *b\n", "products/photo.jpg": "\xff\xd8",
	})
	assert.Empty(t, problems(s))
	assert.Empty(t, s.Counts())
}

func TestOfDocumentsWithAKeyTheFirstByPathHasIt(t *testing.T) {
	second := strings.NewReplacer("prod-1", "prod-2", "slug: mug", "slug: cup").Replace(mug)
	third := strings.NewReplacer("MUG", "OTHER", "slug: mug", "slug: other").Replace(mug)
	s := build(map[string]string{"categories/coffee.md": coffee, "products/a.md": mug, "products/b.md": second, "products/c.md": third})
	assert.Equal(t, []string{"products/b.md:3:6 sku DUPLICATE_SKU", "products/c.md:2:5 id DUPLICATE_ID"}, problems(s))
	assert.Equal(t, 1, s.Count(catalog.KindProduct))
	assert.Equal(t, "products/a.md", s.BySKU("MUG").Path.String())
	assert.Nil(t, s.Document("prod-2"))
	s = after(s, []catalog.Change{deletion("products/a.md")})
	assert.Empty(t, problems(s))
	assert.Equal(t, 2, s.Count(catalog.KindProduct))
}

func TestCyclesOfCategoriesAreToldAndDoNotLoop(t *testing.T) {
	category := func(id, parent string) string {
		return fmt.Sprintf("---\nid: %s\nslug: %s\ntitle: T\nparent: %s\n---\n", id, id, parent)
	}
	s := build(map[string]string{"categories/a.md": category("a", "b"), "categories/b.md": category("b", "c"), "categories/c.md": category("c", "a"), "categories/d.md": category("d", "a")})
	assert.Equal(t, []string{"categories/a.md:5:9 parent CATEGORY_CYCLE", "categories/b.md:5:9 parent CATEGORY_CYCLE", "categories/c.md:5:9 parent CATEGORY_CYCLE"}, problems(s))
	assert.Equal(t, 4, s.Count(catalog.KindCategory))
	assert.ElementsMatch(t, []string{"b", "c", "d"}, ids(s.Descendants("a")))
	assert.Len(t, s.Ancestors("d"), 3)
	s = after(s, []catalog.Change{change("categories/c.md", strings.Replace(category("c", "a"), "parent: a\n", "", 1))})
	assert.Empty(t, problems(s))
	assert.Equal(t, []string{"c", "b", "a"}, ids(slices.Values(s.Ancestors("d"))))
}

func TestKindsOfOnesOwnHaveASchema(t *testing.T) {
	const schema = `{"type":"object","required":["email"],"properties":{"email":{"type":"string","pattern":"@"},"age":{"type":"integer"}}}`
	person := "---\nkind: Person\nid: p1\nemail: a@example.com\nage: 7\n---\n"
	s := build(map[string]string{"people/a.md": person})
	assert.Empty(t, problems(s), "it may be the file of another tool")
	assert.False(t, s.Knows("Person"))
	s = after(s, []catalog.Change{change("schemas/Person.schema.json", schema)})
	assert.Empty(t, problems(s))
	assert.Equal(t, []string{"p1"}, ids(s.List("Person", "")))
	s = after(s, []catalog.Change{change("people/a.md", strings.Replace(person, "age: 7", "age: old", 1))})
	assert.Equal(t, []string{"people/a.md:5:6 age SCHEMA_VIOLATION"}, problems(s))
	s = after(s, []catalog.Change{change("schemas/Person.schema.json", `{"properties":{"age":{"type":"string"}}}`)})
	assert.Empty(t, problems(s))
	s = after(s, []catalog.Change{deletion("schemas/Person.schema.json")})
	assert.Empty(t, problems(s))
	assert.Zero(t, s.Count("Person"))
}

func TestFilesOfOtherToolsAreNoDocuments(t *testing.T) {
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\n"
	s := build(map[string]string{"deploy/shop.yaml": deployment, "deploy/broken.yaml": "kind: Deployment\n\tx", "pages/a.md": "---\nkind: page\n---\n"})
	assert.Empty(t, problems(s))
	assert.Empty(t, ids(s.List("Deployment", "")))

	s = after(s, []catalog.Change{change("products/shop.yaml", deployment), change("documents/shop.yaml", deployment)})
	assert.Contains(t, problems(s), "documents/shop.yaml:2:7 kind UNKNOWN_KIND")
	assert.Contains(t, problems(s), "products/shop.yaml:2:7 kind UNKNOWN_KIND")

	s = after(s, []catalog.Change{change("schemas/Deployment.schema.json", "{}"), deletion("products/shop.yaml"), deletion("documents/shop.yaml")})
	assert.Contains(t, problems(s), "deploy/broken.yaml:2:1  MALFORMED", "now that the kind is known")
	assert.Contains(t, problems(s), "deploy/shop.yaml:1:1 id MISSING_FIELD")
}

func TestAKindThatHoldsANULIsAProblem(t *testing.T) {
	s := build(map[string]string{"documents/a.md": "---\nkind: \"Product\\0x\"\nid: a\ntitle: A\n---\n", "categories/coffee.md": coffee, "products/mug.md": mug})
	assert.Contains(t, problems(s), "documents/a.md:2:7 kind INVALID_VALUE")
	s = after(s, []catalog.Change{change("schemas/Product.schema.json", `{"required":["supplier"]}`)})
	assert.Contains(t, problems(s), "documents/a.md:2:7 kind INVALID_VALUE")
	assert.Contains(t, problems(s), "products/mug.md:2:1  SCHEMA_VIOLATION")
}

func TestSchemasReachNowhere(t *testing.T) {
	for _, schema := range []string{
		"{", "[]", `{"$ref":"https://example.com/x"}`, `{"$ref":"file:///etc/passwd"}`, `{"pattern":"(?=x)"}`, `{"$schema":"https://example.com/s"}`,
		strings.Repeat(" ", catalog.MaxFrontMatter+1),
	} {
		got := problems(build(map[string]string{"schemas/Person.schema.json": schema}))
		assert.Len(t, got, 1, "%.60s", schema)
	}
	s := build(map[string]string{"schemas/Product.schema.json": `{"required":["supplier"]}`, "categories/coffee.md": coffee, "products/mug.md": mug})
	assert.Equal(t, []string{"products/mug.md:2:1  SCHEMA_VIOLATION"}, problems(s))
}

// answers are all that a snapshot says.
func answers(s *catalog.Snapshot) map[string]any {
	all := map[string]any{"problems": problems(s), "counts": s.Counts()}
	for _, kind := range []catalog.Kind{catalog.KindProduct, catalog.KindCategory, catalog.KindCollection, "Person"} {
		for d := range s.List(kind, "") {
			all[string(kind)+" "+d.ID] = d.Path.String() + " " + d.Blob.String()
			if d.Slug != "" && s.BySlug(kind, d.Slug) != d || s.DocumentAt(d.Path) != d || s.Document(d.ID) != d {
				all["lost "+d.ID] = true
			}
			switch kind {
			case catalog.KindCategory:
				all["below "+d.ID] = [][]string{ids(s.Descendants(d.ID)), ids(s.InCategory(d.ID)), ids(slices.Values(s.Ancestors(d.ID)))}
			case catalog.KindCollection:
				all["in "+d.ID] = ids(s.InCollection(d))
			}
		}
	}
	for _, id := range []string{"i1", "i2", "i3"} {
		if w := s.Withheld(id); w != nil {
			all["withheld "+id] = fmt.Sprintf("%s %s %s", w.Kind, w.Path, w.Blob)
			if s.Document(id) != nil || len(s.ProblemsAt(w.Path)) == 0 {
				all["served and withheld "+id] = true
			}
		}
	}
	return all
}

// drawDocument draws a document with few keys, so that they meet often.
func drawDocument(t *rapid.T) (path, content string) {
	n := func(label string) string { return rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, label) }
	kind := rapid.SampledFrom([]string{"products", "categories", "collections", "people", "documents", "schemas"}).Draw(t, "kind")
	path = kind + "/" + rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "name") + ".md"
	switch kind {
	case "products":
		content = fmt.Sprintf("---\nid: i%s\nsku: s%s\nslug: g%s\ntitle: T\ncategory: i%s\nprice: \"%s\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n---\n",
			n("id"), n("sku"), n("slug"), n("category"), n("price"))
	case "categories":
		content = fmt.Sprintf("---\nid: i%s\nslug: g%s\ntitle: T\nparent: i%s\nposition: %s\n---\n", n("id"), n("slug"), n("parent"), n("position"))
	case "collections":
		content = fmt.Sprintf("---\nid: i%s\nslug: g%s\ntitle: T\nproducts: [s%s, s%s]\n---\n", n("id"), n("slug"), n("one"), n("two"))
	case "people", "documents":
		content = fmt.Sprintf("---\nkind: Person\nid: i%s\nage: %s\n---\n", n("id"), n("age"))
	case "schemas":
		path = "schemas/Person.schema.json"
		content = fmt.Sprintf(`{"properties":{"age":{"maximum":%s}}}`, n("maximum"))
	}
	if rapid.IntRange(0, 2).Draw(t, "faulty") == 0 {
		fault := rapid.SampledFrom([][2]string{{"title: T", "title: ''"}, {"status: active", "status: new"}, {"slug: g", "slug: G"}, {"[s", "[7, s"}, {"parent: i", "parent: [i], x: "}, {"id: i", "id: ..i"}, {"age: 3", "age: x"}}).Draw(t, "fault")
		content = strings.Replace(content, fault[0], fault[1], 1)
	}
	if rapid.IntRange(0, 9).Draw(t, "broken") == 0 {
		content = rapid.SampledFrom([]string{"---\n", "---\nid: i1\n---\n", "---\nid: i2\nslug: [\n---\n", "---\nkind: Person\nid: i3\nage: [\n---\n"}).Draw(t, "wrong")
	}
	return path, content
}

func TestACatalogOfChangesIsThatOfTheFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := map[string]string{}
		var s *catalog.Snapshot
		for range rapid.IntRange(1, 12).Draw(t, "commits") {
			var changes []catalog.Change
			before := s
			var told map[string]any
			if before != nil {
				told = answers(before)
			}
			for range rapid.IntRange(1, 4).Draw(t, "changes") {
				path, content := drawDocument(t)
				if _, ok := files[path]; ok && rapid.IntRange(0, 2).Draw(t, "delete") == 0 {
					delete(files, path)
					changes = append(changes, deletion(path))
					continue
				}
				files[path] = content
				changes = append(changes, change(path, content))
			}
			s = after(s, changes)
			if diff := cmp.Diff(answers(build(files)), answers(s)); diff != "" {
				t.Fatalf("differs from the catalog of all files (-all +changes):\n%s", diff)
			}
			if before != nil {
				if diff := cmp.Diff(told, answers(before)); diff != "" {
					t.Fatalf("the snapshot before has changed:\n%s", diff)
				}
			}
		}
	})
}

// sound are the files whose documents are right in themselves, and the schema.
func sound(files map[string]string) map[string]string {
	all := map[string]string{}
	for path, content := range files {
		alone := map[string]string{personSchema: files[personSchema], path: content}
		if files[personSchema] == "" {
			delete(alone, personSchema)
		}
		if path == personSchema || build(alone).DocumentAt(change(path, "").Path) != nil {
			all[path] = content
		}
	}
	return all
}

func TestFilesWithFaultsOfTheirOwnTakeNothingFromOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := map[string]string{}
		for range rapid.IntRange(1, 12).Draw(t, "documents") {
			path, content := drawDocument(t)
			files[path] = content
		}
		sound, s := sound(files), build(files)
		without := build(sound)
		for _, kind := range []catalog.Kind{catalog.KindProduct, catalog.KindCategory, catalog.KindCollection, "Person"} {
			if diff := cmp.Diff(ids(without.List(kind, "")), ids(s.List(kind, ""))); diff != "" {
				t.Fatalf("what is served (-without +with them):\n%s", diff)
			}
		}
		ofSound := slices.DeleteFunc(problems(s), func(p string) bool {
			path, _, _ := strings.Cut(p, ":")
			return sound[path] == ""
		})
		if diff := cmp.Diff(problems(without), ofSound, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the problems of the others (-without +with them):\n%s", diff)
		}
	})
}

func TestAFaultOfItsOwnHidesNoneWithOthers(t *testing.T) {
	good := map[string]string{"categories/coffee.md": coffee, "products/mug.md": mug, "categories/top.md": "---\nid: top\nslug: top\ntitle: T\nparent: low\n---\n"}
	for name, test := range map[string]struct {
		path, content string
		want          []string
	}{
		"keys and references of a product": {
			"products/a.md", strings.NewReplacer("prod-1", "prod-2", "title: Mug", "title: ''", "cat-coffee", "nope", "9.80", "x").Replace(mug),
			[]string{
				"products/a.md:3:6 sku DUPLICATE_SKU", "products/a.md:4:7 slug DUPLICATE_SLUG", "products/a.md:5:8 title MISSING_FIELD",
				"products/a.md:6:11 category BROKEN_REFERENCE", "products/a.md:7:8 price INVALID_PRICE",
			},
		},
		"an id":                {"products/a.md", strings.NewReplacer("MUG", "M2", "slug: mug", "slug: M").Replace(mug), []string{"products/a.md:2:5 id DUPLICATE_ID", "products/a.md:4:7 slug INVALID_VALUE"}},
		"an id without a kind": {"documents/a.md", "---\nid: prod-1\n---\n", []string{"documents/a.md:2:1 kind MISSING_FIELD", "documents/a.md:2:5 id DUPLICATE_ID"}},
		"what is missing": {
			"products/a.md", strings.NewReplacer("prod-1", "prod-2", "MUG", "''", "slug: mug\n", "", "category: cat-coffee\n", "").Replace(mug),
			[]string{"products/a.md:2:1 category MISSING_FIELD", "products/a.md:2:1 slug MISSING_FIELD", "products/a.md:3:6 sku MISSING_FIELD"},
		},
		"items behind one that cannot be read": {
			"collections/a.md", "---\nid: c\nslug: c\ntitle: C\nproducts: [MUG, 7, GONE]\n---\n",
			[]string{"collections/a.md:5:17 products[1] WRONG_TYPE", "collections/a.md:5:20 products[2] BROKEN_REFERENCE"},
		},
		"a parent":                 {"categories/a.md", "---\nid: c\nslug: coffee\nparent: gone\n---\n", []string{"categories/a.md:2:1 title MISSING_FIELD", "categories/a.md:3:7 slug DUPLICATE_SLUG", "categories/a.md:4:9 parent BROKEN_REFERENCE"}},
		"a parent of its own":      {"categories/a.md", "---\nid: c\nslug: c\nparent: c\n---\n", []string{"categories/a.md:2:1 title MISSING_FIELD", "categories/a.md:4:9 parent CATEGORY_CYCLE"}},
		"a circle":                 {"categories/a.md", "---\nid: low\nslug: c\nparent: top\n---\n", []string{"categories/a.md:2:1 title MISSING_FIELD", "categories/a.md:4:9 parent CATEGORY_CYCLE"}},
		"nothing that can be read": {"products/a.md", "---\nid: prod-1\nslug: [\n---\n", []string{"products/a.md:3:1  MALFORMED"}},
	} {
		base := build(good)
		s := after(base, []catalog.Change{change(test.path, test.content)})
		var got []string
		for _, p := range problems(s) {
			if strings.HasPrefix(p, test.path) {
				got = append(got, p)
			}
		}
		slices.Sort(got)
		assert.Equal(t, test.want, got, name)
		assert.Equal(t, "products/mug.md", s.BySKU("MUG").Path.String(), name)
	}
}

func generated(opts catalogdata.Options) (catalogdata.Catalog, []catalog.Change) {
	data := catalogdata.New(1, opts)
	var changes []catalog.Change
	for path, content := range data.Files() {
		changes = append(changes, change(path, content))
	}
	return data, changes
}

func TestTheGeneratedCatalogHasTheProblemsThatItIsGiven(t *testing.T) {
	_, changes := generated(catalogdata.Options{Products: 400, Categories: 40, Collections: 10, Bad: 40})
	s := after(nil, changes)
	reasons := map[string]string{}
	for p := range s.Problems() {
		reasons[p.Path.String()] = string(p.Reason)
	}
	want := map[string]string{}
	served := 0
	for i := range 40 {
		want[catalogdata.BadPath(i)] = catalogdata.Wrongs[i%len(catalogdata.Wrongs)].Reason
		if want[catalogdata.BadPath(i)] == "BROKEN_REFERENCE" {
			served++
		}
	}
	assert.Equal(t, want, reasons)
	assert.Equal(t, 400+served, s.Count(catalog.KindProduct))
}

func FuzzBuild(f *testing.F) {
	f.Add("products/a.md", mug)
	f.Add("products/a.json", `{"id":"x"}`)
	f.Add("schemas/Person.schema.json", `{"type":"object"}`)
	f.Add("schemas/Product.schema.json", `{"properties":{"tags":{"items":{"pattern":"^[a-z]{2,9}$"}},"links":{"$ref":"#/$defs/l"}},"$defs":{"l":{"items":{"$ref":"#/$defs/l"}}}}`)
	f.Add("schemas/Product.schema.json", bomb(3, "anyOf", "false"))
	for _, w := range catalogdata.Wrongs {
		f.Add("products/w.md", fmt.Sprintf(w.Content, 1))
	}
	f.Fuzz(func(t *testing.T, path, content string) {
		p, err := git.ParseTreePath(path)
		if err != nil {
			return
		}
		c := catalog.Change{Path: p, Size: int64(len(content)), Content: []byte(content)}
		s := after(nil, []catalog.Change{change("products/mug.md", mug), c})
		for p := range s.Problems() {
			if p.Reason == "" || p.Message == "" {
				t.Errorf("a problem without reason or message: %+v", p)
			}
		}
		if d := s.DocumentAt(p); d != nil && !json.Valid(d.Fields()) {
			t.Errorf("the fields are no JSON: %s", d.Fields())
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	data, changes := generated(catalogdata.Options{})
	b.Run("10200 documents", func(b *testing.B) {
		for b.Loop() {
			after(nil, changes)
		}
	})
	base := after(nil, changes)
	b.Run("one change", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			after(base, []catalog.Change{change(data.ProductPath(i%9900), data.Product(i%9900, i))})
		}
	})
	b.Run("by sku", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if base.BySKU(catalogdata.SKU(i%9900)) == nil {
				b.Fatal("lost")
			}
		}
	})
	runtime.KeepAlive(changes)
}

func TestNewProblemsAreThoseThatWereNotThereBefore(t *testing.T) {
	product := func(id, slug string) string {
		return "---\nid: " + id + "\nsku: " + strings.ToUpper(id) + "\nslug: " + slug + "\ntitle: P\ncategory: c\nprice: \"1.00\"\ncurrency: EUR\nstatus: active\ninventory_status: in_stock\n---\n"
	}
	collection := func(skus ...string) string {
		return "---\nid: col\nslug: col\ntitle: C\nproducts: [" + strings.Join(skus, ", ") + "]\n---\n"
	}
	gone := func(n int) (skus []string) {
		for i := range n {
			skus = append(skus, fmt.Sprintf("GONE%02d", i))
		}
		return skus
	}
	const c, col = "categories/c.md", "collections/col.md"
	category := "---\nid: c\nslug: c\ntitle: C\n---\n"
	for what, tt := range map[string]struct {
		before, after map[string]string
		reasons       []catalog.Reason
	}{
		"a reference that is broken moves to the front": {
			map[string]string{c: category, "products/a.md": product("a", "a"), col: collection("GONE1", "A", "GONE2")},
			map[string]string{c: category, "products/a.md": product("a", "a"), col: collection("GONE2", "A")}, nil,
		},
		"one comes before those that are broken": {
			map[string]string{c: category, "products/a.md": product("a", "a"), col: collection("GONE1")},
			map[string]string{c: category, "products/a.md": product("a", "a"), col: collection("A", "GONE1")}, nil,
		},
		"another one breaks": {
			map[string]string{c: category, col: collection("GONE1")},
			map[string]string{c: category, col: collection("GONE2", "GONE1")}, []catalog.Reason{catalog.ReasonBrokenReference},
		},
		"one is broken twice": {
			map[string]string{c: category, col: collection("GONE1")},
			map[string]string{c: category, col: collection("GONE1", "GONE1")}, []catalog.Reason{catalog.ReasonBrokenReference},
		},
		"one of more than are kept is repaired": {
			map[string]string{c: category, "products/a.md": product("a", "a"), col: collection(gone(60)...)},
			map[string]string{c: category, "products/a.md": product("a", "a"), col: collection(append([]string{"A"}, gone(60)[1:]...)...)}, nil,
		},
		"the first of three that have one slug goes": {
			map[string]string{c: category, "products/a.md": product("a", "s"), "products/b.md": product("b", "s"), "products/d.md": product("d", "s")},
			map[string]string{c: category, "products/b.md": product("b", "s"), "products/d.md": product("d", "s")}, nil,
		},
		"a slug becomes another that is taken": {
			map[string]string{c: category, "products/a.md": product("a", "s"), "products/b.md": product("b", "s"), "products/d.md": product("d", "t")},
			map[string]string{c: category, "products/a.md": product("a", "s"), "products/b.md": product("b", "s"), "products/d.md": product("d", "s")},
			[]catalog.Reason{catalog.ReasonDuplicateSlug},
		},
	} {
		var reasons []catalog.Reason
		for p := range catalog.NewProblems(build(tt.before), build(tt.after)) {
			reasons = append(reasons, p.Reason)
		}
		assert.Equal(t, tt.reasons, reasons, what)
	}
	faulty := strings.Replace(product("x", "s"), "title: P", "title: ''", 1)
	base := build(map[string]string{c: category, "products/x.md": faulty})
	next := build(map[string]string{"products/a.md": strings.Replace(product("a", "s"), "category: c", "category: d", 1), "categories/d.md": strings.ReplaceAll(category, "c\n", "d\n"), "products/x.md": faulty})
	assert.Len(t, next.ProblemsAt(change("products/x.md", "").Path), 3, "a title, a slug and a category")
	for p := range catalog.NewProblems(base, next) {
		assert.Fail(t, "a file that has faults of its own holds others up", "%v", p)
	}
	for p := range catalog.NewProblems(nil, build(map[string]string{col: collection("GONE1")})) {
		assert.Equal(t, catalog.ReasonBrokenReference, p.Reason)
	}
}

func BenchmarkNewProblems(b *testing.B) {
	files := map[string]string{}
	for i := range 10_000 {
		files[fmt.Sprintf("products/%05d.md", i)] = strings.NewReplacer("prod-1", fmt.Sprint("p", i), "MUG", fmt.Sprint("S", i), "slug: mug", fmt.Sprint("slug: s", i)).Replace(mug)
	}
	base := build(files) // its products are in a category that is not there
	next := after(base, []catalog.Change{change("products/00000.md", strings.Replace(files["products/00000.md"], "Mug", "Cup", 1))})
	for b.Loop() {
		for p := range catalog.NewProblems(base, next) {
			b.Fatal(p)
		}
	}
}

func TestAFileIsKnownByItsNameInAnyCase(t *testing.T) {
	s := build(map[string]string{"categories/Gr\u00fcn-Tea.md": coffee, "categories/gr\u00fcn-teas.md": coffee, "other/mint.md": coffee})
	for path, want := range map[string]bool{
		"categories/Gr\u00fcn-Tea.md": true, "categories/gr\u00fcn-tea.md": true, "categories/GR\u00fcN-TEAS.MD": true,
		"categories/gr\u00fcn.md": false, "categories/gr\u00fcn-tea.md2": false, "categories/gr\u00fcn-te\x01.md": false,
		"Categories/Gr\u00fcn-Tea.md": false, "gr\u00fcn-tea.md": false, "categories/gr\u00fcn-tea\r.md": false, "categories/mint.md": false,
	} {
		assert.Equal(t, want, s.HasInAnyCase(change(path, "").Path), "%q", path)
	}
}
