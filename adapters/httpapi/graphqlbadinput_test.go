package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// introspection is what tools ask for to know a schema (graphql-js, getIntrospectionQuery).
const introspection = `query IntrospectionQuery { __schema { description queryType { name } mutationType { name } subscriptionType { name }
	types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
	fragment FullType on __Type { kind name description specifiedByURL isOneOf
		fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
		inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
		enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
	fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
	fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
		ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`

func TestToolsLearnTheSchema(t *testing.T) {
	w := openShop(t, smallShop())
	all := w.gql(introspection, nil).data()
	if n := len(member(all, "__schema")["types"].([]any)); n < 40 {
		t.Errorf("there are %d types", n)
	}
}

func TestQueriesThatAskForTooMuchAreRefused(t *testing.T) {
	w := openShop(t, smallShop())
	shop := func(fields string) string { return `{catalog(repository:"shop"){` + fields + `}}` }
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, strings.ReplaceAll(format, "#", "%[1]d")+" ", i)
		}
		return b.String()
	}
	nested := func(n int, begin, end string) string {
		return strings.Repeat(begin, n) + "title" + strings.Repeat(end, n)
	}
	doubling := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "fragment f%d on Category{...f%d ...f%d} ", i, i+1, i+1)
		}
		return shop(`category(slug:"root"){...f0}`) + b.String() + fmt.Sprintf("fragment f%d on Category{title}", n)
	}
	wide := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "fragment w%d on Category{children(first:1){nodes{...w%d}} parent{...w%d}} ", i, i+1, i+1)
		}
		return shop(`category(slug:"root"){...w0}`) + b.String() + fmt.Sprintf("fragment w%d on Category{title}", n)
	}
	types := `__schema{types{fields{type{fields{type{fields{type{name}}}}}}}}`
	for what, tt := range map[string]struct{ query, code string }{
		"depth of 100":                        {shop(`category(slug:"root"){` + nested(100, "parent{", "}") + `}`), "QUERY_TOO_COMPLEX"},
		"depth by fragments":                  {wide(20), "QUERY_TOO_COMPLEX"},
		"10,000 aliases":                      {"{" + many(10_000, `a#:__typename`) + "}", "QUERY_TOO_COMPLEX"},
		"101 aliases":                         {"{" + many(101, `a#:__typename`) + "}", "QUERY_TOO_COMPLEX"},
		"aliases of catalogs":                 {"{" + many(100, `a#:catalog(repository:"shop",at:"main"){commitId}`) + "}", "QUERY_TOO_COMPLEX"},
		"501 fields":                          {"{" + strings.Repeat("__typename ", 501) + "}", "QUERY_TOO_COMPLEX"},
		"501 fields in a fragment":            {"{__typename} fragment f on Query{" + strings.Repeat("__typename ", 500) + "}", "QUERY_TOO_COMPLEX"},
		"5,001 tokens":                        {"{" + strings.Repeat("a ", 5000) + "}", "QUERY_TOO_COMPLEX"},
		"a query of 1 MiB":                    {"{" + strings.Repeat(" ", 1<<20) + "__typename}", "QUERY_TOO_COMPLEX"},
		"a text of 1 MiB":                     {shop(`product(slug:"` + strings.Repeat("x", 1<<20) + `"){id}`), "QUERY_TOO_COMPLEX"},
		"pages of pages":                      {shop(`categories(first:1000){nodes{products(first:1000){nodes{sku}}}}`), "QUERY_TOO_COMPLEX"},
		"pages of pages by default":           {shop(`categories{nodes{products{nodes{sku}}}}`), "QUERY_TOO_COMPLEX"},
		"edges and nodes":                     {shop(`products(first:900){nodes{sku} edges{node{sku}}}`), "QUERY_TOO_COMPLEX"},
		"a page by a fragment":                {shop(`products(first:900){...p}`) + `fragment p on ProductConnection{nodes{category{title}}}`, "QUERY_TOO_COMPLEX"},
		"searches":                            {shop(many(15, `a#:products(first:1,filter:{text:"x"}){commitId}`)), "QUERY_TOO_COMPLEX"},
		"searches by a variable":              {`query($f:ProductFilter={tags:["x"]}){catalog(repository:"shop"){` + many(15, `a#:products(first:1,filter:$f){commitId}`) + `}}`, "QUERY_TOO_COMPLEX"},
		"orders":                              {shop(many(15, `a#:products(first:1,orderBy:{field:"title"}){commitId}`)), "QUERY_TOO_COMPLEX"},
		"trees":                               {shop(`categories(first:14){nodes{products(first:1,tree:true){commitId}}}`), "QUERY_TOO_COMPLEX"},
		"orders of categories":                {shop(`categories(first:33){nodes{products(first:1,orderBy:{field:"title"}){commitId}}}`), "QUERY_TOO_COMPLEX"},
		"searches in a category":              {shop(many(33, `a#:products(first:1,filter:{category:"root",text:"x"}){commitId}`)), "QUERY_TOO_COMPLEX"},
		"problems again and again":            {shop(many(15, `a#:problems(first:1){commitId}`)), "QUERY_TOO_COMPLEX"},
		"comparisons":                         {"{" + many(12, `a#:diff(repository:"shop",from:"main",first:1){toCommitId}`) + "}", "QUERY_TOO_COMPLEX"},
		"rendering again and again":           {shop(`products(first:900){nodes{` + many(50, "b#:bodyHtml") + `}}`), "QUERY_TOO_COMPLEX"},
		"introspection in a circle":           {"{" + types + "}", "INVALID_ARGUMENT"},
		"introspection again and again":       {"{" + many(20, `a#:__schema{types{fields{args{name type{name}}type{name}}}}`) + "}", "QUERY_TOO_COMPLEX"},
		"introspection of types and types":    {`{__schema{types{` + many(50, `a#:fields{args{type{name}}}`) + `}}}`, "QUERY_TOO_COMPLEX"},
		"a fragment in a circle":              {shop("...f") + "fragment f on Catalog{commitId ...f}", "INVALID_ARGUMENT"},
		"two fragments in a circle":           {shop("...f") + "fragment f on Catalog{...g} fragment g on Catalog{...f}", "INVALID_ARGUMENT"},
		"a circle through a field":            {shop(`category(slug:"root"){...f}`) + "fragment f on Category{parent{...f}}", "INVALID_ARGUMENT"},
		"an answer in parts":                  {shop(`... @defer{commitId}`), "INVALID_ARGUMENT"},
		"lists in lists":                      {shop(`products(filter:{tags:` + strings.Repeat("[", 900) + strings.Repeat("]", 900) + `}){nodes{sku}}`), "INVALID_ARGUMENT"},
		"brackets without end":                {strings.Repeat("{a", 2000), "INVALID_ARGUMENT"},
		"a subscription":                      {"subscription{a}", "INVALID_ARGUMENT"},
		"no query":                            {"fragment f on Catalog{commitId}", "INVALID_ARGUMENT"},
		"a schema":                            {"type A{a:Int}", "INVALID_ARGUMENT"},
		"two operations without a name":       {"query a{__typename} query b{__typename}", "INVALID_ARGUMENT"},
		"unknown fields":                      {shop("price"), "INVALID_ARGUMENT"},
		"unknown arguments":                   {shop("products(last:1){nodes{sku}}"), "INVALID_ARGUMENT"},
		"unknown directives":                  {shop("commitId @now"), "INVALID_ARGUMENT"},
		"unknown values":                      {shop("products(filter:{status:SOLD}){nodes{sku}}"), "INVALID_ARGUMENT"},
		"unknown conditions":                  {shop("products(filter:{color:1}){nodes{sku}}"), "INVALID_ARGUMENT"},
		"a number for a text":                 {"{catalog(repository:1){commitId}}", "INVALID_ARGUMENT"},
		"a number of 33 bits":                 {shop("products(first:4294967296){nodes{sku}}"), "QUERY_TOO_COMPLEX"},
		"a number of 100 digits":              {shop("products(first:" + strings.Repeat("9", 100) + "){nodes{sku}}"), "INVALID_ARGUMENT"},
		"a fraction for a number":             {shop("products(first:1.5){nodes{sku}}"), "INVALID_ARGUMENT"},
		"a negative number":                   {shop("products(first:-1){nodes{sku}}"), "INVALID_PAGE_SIZE"},
		"a negative number of 33 bits":        {shop("products(first:-4294967297){nodes{sku}}"), "INVALID_ARGUMENT"},
		"an object without its fields":        {`{catalog(repository:"shop")}`, "INVALID_ARGUMENT"},
		"an undeclared variable":              {`{catalog(repository:$r){commitId}}`, "INVALID_ARGUMENT"},
		"an unused variable":                  {`query($r:String){__typename}`, "INVALID_ARGUMENT"},
		"a variable of an unknown type":       {`query($r:Text){catalog(repository:$r){commitId}}`, "INVALID_ARGUMENT"},
		"a missing variable":                  {`query($r:String!){catalog(repository:$r){commitId}}`, "INVALID_ARGUMENT"},
		"null where something has to be":      {`{catalog(repository:null){commitId}}`, "INVALID_ARGUMENT"},
		"a byte that is none":                 {"{\x00}", "INVALID_ARGUMENT"},
		"an empty query":                      {"  ", "INVALID_ARGUMENT"},
		"a repository that is none":           {`{catalog(repository:"../etc"){commitId}}`, "INVALID_REPOSITORY_ID"},
		"a revision that is none":             {`{catalog(repository:"shop",at:"main~1"){commitId}}`, "INVALID_REVISION"},
		"a revision that is not there":        {`{catalog(repository:"shop",at:"gone"){commitId}}`, "REF_NOT_FOUND"},
		"a condition that came out empty":     {shop(`products(filter:{currency:""}){nodes{sku}}`), "INVALID_ARGUMENT"},
		"a condition on a price that is none": {shop(`products(filter:{where:[{field:"price",operator:LESS,value:"abc"}]}){nodes{sku}}`), "INVALID_ARGUMENT"},
		"a price that is none":                {shop(`products(filter:{priceMin:"much"}){nodes{sku}}`), "INVALID_ARGUMENT"},
		"an order by nothing that is there":   {shop(`products(orderBy:{field:"color"}){nodes{sku}}`), "INVALID_ARGUMENT"},
	} {
		t.Run(what, func(t *testing.T) {
			c := *w.client
			c.t = t
			c.gql(tt.query, nil).code(tt.code)
		})
	}
	// What is not refused is done in no time.
	w.gql(doubling(160), nil).data()
	w.gql("{"+strings.Repeat("__typename ", 500)+"}", nil).data()
	w.gql(shop(strings.Repeat(`products(first:1){nodes{sku}} `, 50)), nil).data()
	w.gql(shop(many(14, `a#:products(first:1,filter:{text:"x"}){commitId}`)), nil).data()
	w.gql(shop(many(29, `a#:products(first:1,filter:{category:"root",text:"x",tags:[]}){commitId}`)), nil).data()
	for _, listing := range []string{
		`products(first:1)`, `products(first:1,orderBy:[],filter:{text:null,where:[],status:[]})`, `products(first:1,filter:{category:"root"})`, `products(first:1,filter:{collection:"c1"})`,
		`products(first:1,filter:{sku:"S1",text:"x"})`, `categories(first:1,filter:{parent:""})`, `documents(kind:"Note",first:1,filter:{slug:"n"})`,
	} {
		w.gql(shop(many(80, `a#:`+listing+`{commitId}`)), nil).data()
	}
}

func TestVariablesThatDoNotFitAreRefused(t *testing.T) {
	w := openShop(t, smallShop())
	const query = `query($f: ProductFilter, $o: [FieldOrder!], $n: Int, $a: String) { catalog(repository: "shop") { products(filter: $f, orderBy: $o, first: $n, after: $a) { nodes { sku } } } }`
	for _, variables := range []string{
		`{"n":"many"}`, `{"n":1.5}`, `{"n":1e400}`, `{"n":99999999999999999999}`, `{"n":4294967296}`, `{"n":[1]}`, `{"n":{}}`, `{"n":true}`, `{"a":1}`, `{"a":["x"]}`,
		`{"f":1}`, `{"f":"sku"}`, `{"f":[]}`, `{"f":{"sku":1}}`, `{"f":{"sku":{}}}`, `{"f":{"color":"red"}}`, `{"f":{"tags":[null]}}`, `{"f":{"tags":[[["x"]]]}}`, `{"f":{"status":["SOLD"]}}`, `{"f":{"status":[1]}}`,
		`{"f":{"where":[{"field":"sku"}]}}`, `{"f":{"where":[{"field":"sku","value":1}]}}`, `{"f":{"where":[{"field":"sku","value":"x","operator":"LIKE"}]}}`, `{"f":{"where":[{"field":"sku","value":"x","operator":null}]}}`,
		`{"o":[{"field":"sku","direction":"UP"}]}`, `{"o":[{"direction":"ASC"}]}`, `{"o":"sku"}`, `{"o":[null]}`, `{"o":[{"field":null}]}`,
	} {
		a := w.post("/graphql", `{"query":`+strings.TrimSpace(mustJSON(t, query))+`,"variables":`+variables+`}`, header("Content-Type", "application/json")).wants(http.StatusOK)
		extensions := member(a.json()["errors"].([]any)[0].(map[string]any), "extensions")
		if code := extensions["code"]; code != "INVALID_ARGUMENT" && code != "QUERY_TOO_COMPLEX" {
			t.Errorf("%s: %s", variables, a.body)
		}
	}
	w.gql(query, map[string]any{"f": map[string]any{"status": "ACTIVE", "tags": nil}, "o": map[string]any{"field": "price"}, "n": nil, "a": nil, "more": 1}).data()
}

func TestRequestsThatAreNoneAreRefused(t *testing.T) {
	w := openShop(t, smallShop())
	const query = `{"query":"{__typename}"}`
	jsonType := header("Content-Type", "application/json; charset=utf-8")
	w.post("/graphql", query, jsonType).wants(http.StatusOK).data()
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql", "application/json, text/plain", "nonsense; ;"} {
		w.post("/graphql", query, header("Content-Type", contentType)).wants(http.StatusUnsupportedMediaType).code("INVALID_ARGUMENT")
	}
	w.post("/graphql", query, jsonType, header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://example.com")).wants(http.StatusForbidden).code("PERMISSION_DENIED")
	w.post("/graphql", query, jsonType, header("Content-Encoding", "gzip")).wants(http.StatusUnsupportedMediaType).code("INVALID_ARGUMENT")
	w.post("/graphql", query, jsonType, header("If-Match", `"x"`)).wants(http.StatusBadRequest).code("INVALID_ARGUMENT")
	w.post("/graphql?query=x", query, jsonType).wants(http.StatusBadRequest).code("INVALID_ARGUMENT")
	for _, body := range []string{
		"", "{", "null", "1", `"{__typename}"`, "[" + query + "]", "[" + query + "," + query + "]", `{}`, `{"query":null}`, `{"query":1}`, `{"query":""}`, `{"query":"{__typename}","id":1}`,
		`{"query":"{__typename}","query":"{__typename}"}`, `{"query":"{__typename}","variables":[]}`, `{"query":"{__typename}","variables":"{}"}`, `{"query":"{__typename}","variables":1}`,
		`{"query":"{__typename}","operationName":1}`, `{"query":"{__typename}"} {}`, `{"query":"{__typename}","variables":{"a":1,"a":2}}`, "{\"query\":\"\xff\"}",
		`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}`,
	} {
		w.post("/graphql", body, jsonType).wants(http.StatusBadRequest).code("INVALID_ARGUMENT")
	}
	w.post("/graphql", `{"query":"{__typename}","variables":{"x":"`+strings.Repeat("x", 4<<20)+`"}}`, jsonType).wants(http.StatusRequestEntityTooLarge).code("BODY_TOO_LARGE")
	w.post("/graphql", `{"query":"query a{a:__typename} query b{b:__typename}","operationName":"b","variables":null,"extensions":{}}`, jsonType).wants(http.StatusOK).data()
	w.post("/graphql", `{"query":"query a{a:__typename}","operationName":"b"}`, jsonType).wants(http.StatusOK).code("INVALID_ARGUMENT")
	w.do(http.MethodPut, "/graphql", strings.NewReader(query), jsonType).problem(http.StatusMethodNotAllowed, "METHOD_NOT_FOUND")
	for _, question := range []string{"", "?query=", "?query=%7B", "?query=%7Ba%7D&variables=1", "?query=%7B__typename%7D&variables=nonsense", "?query=%7B__typename%7D&id=1", "?query=%7B__typename%7D&query=%7B__typename%7D"} {
		w.get("/graphql"+question, header("Accept", "application/graphql-response+json")).wants(http.StatusBadRequest).code("INVALID_ARGUMENT")
	}
	get := w.get("/graphql?query=" + url.QueryEscape(`query($s:String){catalog(repository:"shop"){product(slug:$s){sku}}}`) + "&variables=" + url.QueryEscape(`{"s":"slug-a"}`)).wants(http.StatusOK)
	if member(get.data(), "catalog", "product")["sku"] != "SKU-a" {
		t.Errorf("by GET there is %s", get.body)
	}
}

func TestAClientOfGraphQLOverHTTPIsToldByTheStatus(t *testing.T) {
	w := openShop(t, smallShop())
	accept := header("Accept", "application/graphql-response+json, application/json;q=0.9")
	for query, status := range map[string]int{`{__typename}`: http.StatusOK, `{`: http.StatusBadRequest, `{nothing}`: http.StatusBadRequest, `{catalog(repository:"gone"){commitId}}`: http.StatusOK} {
		a := w.post("/graphql", mustJSON(t, map[string]any{"query": query}), header("Content-Type", "application/json"), accept).wants(status)
		if a.header.Get("Content-Type") != "application/graphql-response+json" || a.header.Get("X-Request-Id") == "" || a.header.Get("Vary") != "Accept" {
			t.Errorf("%s: %v", query, a.header)
		}
		if _, hasData := a.json()["data"]; hasData != (status == http.StatusOK) {
			t.Errorf("%s: %s", query, a.body)
		}
	}
}

func TestAnAnswerDoesNotOutgrowItsLimit(t *testing.T) {
	files := map[string]string{}
	for i := range 12 {
		tags := "tags: [" + strings.Repeat("x, ", 8000) + "x]\n"
		files[fmt.Sprintf("products/%d.md", i)] = productFile(fmt.Sprintf("p%d", i), "none", tags) + strings.Repeat("word\n", 200_000)
	}
	w := openShop(t, files)
	for _, fields := range []string{"body", "a:body b:body c:body", "bodyHtml", strings.Join(strings.Split("abcdefghijklmnopqrstuvw", ""), ":tags ") + ":tags"} {
		w.gql(`{catalog(repository:"shop"){products{nodes{`+fields+`}}}}`, nil).code("QUERY_TOO_COMPLEX")
	}
	a := w.gql(`{catalog(repository:"shop"){products(first:5){nodes{body}}}}`, nil)
	if a.data(); len(a.body) < 4<<20 {
		t.Errorf("the answer has %d bytes", len(a.body))
	}
}

func TestAMutationThatWasDoneIsNotAnsweredAsRefused(t *testing.T) {
	files := map[string]string{}
	var changes []any
	for i := range 10 {
		id := fmt.Sprintf("p%d", i)
		files["products/"+id+".md"] = productFile(id, "none", "") + strings.Repeat("word\n", 200_000)
		changes = append(changes, map[string]any{"action": "PATCH", "document": map[string]any{"product": map[string]any{"documentId": id, "title": "New"}}})
	}
	w := openShop(t, files)
	a := w.gql(`mutation($c:[DocumentChangeInput!]!){changeDocuments(repository:"shop",changes:$c){documents{document{body}}commitId}}`, map[string]any{"c": changes})
	told := a.code("QUERY_TOO_COMPLEX")
	if data, has := a.json()["data"]; !has || data != nil {
		t.Errorf("data is %v, %t: %.200s", data, has, a.body)
	}
	head := w.gql(`{catalog(repository:"shop",at:"main"){commitId}}`, nil).data()
	if made := member(told, "extensions", "metadata")["commit_ids"]; made != member(head, "catalog")["commitId"] {
		t.Errorf("told of %v, the head is %v", made, head)
	}
	if title := member(w.gql(`{catalog(repository:"shop",at:"main"){product(documentId:"p3"){title}}}`, nil).data(), "catalog", "product")["title"]; title != "New" {
		t.Errorf("the title is %v", title)
	}
}

// faulty are catalogs that fail so.
type faulty struct {
	httpapi.Catalogs
	fail func() error
}

func (f faulty) Catalog(context.Context, git.RepositoryID) (*catalogs.Catalog, error) {
	return nil, f.fail()
}

func TestWhatIsWrongWithTheServiceIsLoggedAndNotTold(t *testing.T) {
	w := openShop(t, smallShop())
	for what, tt := range map[string]struct {
		fail func() error
		code string
	}{
		"a defect":  {func() error { panic("the secret of line 7") }, "INTERNAL"},
		"no reason": {func() error { return fmt.Errorf("the secret of line 7") }, "INTERNAL"},
		"an outage": {func() error { return errs.New(errs.ReasonUnavailable, "the git-service cannot be reached") }, "UNAVAILABLE"},
		"no time":   {func() error { return context.DeadlineExceeded }, "DEADLINE_EXCEEDED"},
	} {
		t.Run(what, func(t *testing.T) {
			var lines bytes.Buffer
			c := serve(t, newStore(t), httpapi.Options{Catalogs: faulty{w.follower, tt.fail}, Logger: slog.New(slog.NewTextHandler(&lines, nil))})
			a := c.gql(`{catalog(repository:"shop"){commitId}}`, nil)
			e := a.code(tt.code)
			c.server.Close()
			incident, _ := member(e, "extensions", "metadata")["incident"].(string)
			if strings.Contains(string(a.body), "secret") || (tt.code == "INTERNAL") != (incident != "") || !strings.Contains(lines.String(), incident) || (incident != "") != strings.Contains(lines.String(), "secret of line 7") {
				t.Errorf("the error is %s, the log\n%s", a.body, lines.String())
			}
		})
	}
}

// FuzzGraphQL sends any query with any variables: what comes of it is never a defect.
func FuzzGraphQL(f *testing.F) {
	for query, variables := range map[string]string{
		`{catalog(repository:"shop"){products(first:2,filter:{text:"a",status:[ACTIVE]}){nodes{sku ...on Node{id}} edges{cursor} pageInfo{endCursor}}}}`:                                                                                 `{}`,
		`query($f:ProductFilter,$o:[FieldOrder!],$n:Int=3,$a:String){catalog(repository:"shop"){products(filter:$f,orderBy:$o,first:$n,after:$a){nodes{...p}}}} fragment p on Product{title @skip(if:false) category{ancestors{title}}}`: `{"f":{"where":[{"field":"price","operator":"LESS","value":"2"}]},"o":[{"field":"title","direction":"DESC"}],"n":1,"a":null}`,
		`mutation($d:DocumentInput!,$c:CommitInput){putDocument(repository:"shop",document:$d,commit:$c){noOp document{blobId}}}`:                                                                                                        `{"d":{"product":{"documentId":"a","price":null,"fields":{"x":[1.5,{"y":"z"}]}}},"c":{"dryRun":true,"author":{"name":"a","email":"b","time":"2026-01-31T09:00:00Z"}}}`,
		`mutation{changeDocuments(repository:"shop",changes:[{action:DELETE,kind:"Note",documentId:"n1"}],commit:{dryRun:true}){documents{path}}}`:                                                                                       `null`,
		`mutation($r:ReleaseInput!){publishRelease(repository:"shop",release:$r){release{version}}}`:                                                                                                                                     `{"r":{"version":"1.0.0","dryRun":true,"changes":[]}}`,
		`query a{node(id:"x"){id}} query b{diff(repository:"shop",from:"main"){nodes{fields{old}}}}`:                                                                                                                                     `{"x":1e999}`,
		`{__schema{types{name fields{type{ofType{name}}}}}}`:                                                                                                                                                                             ``,
		`subscription{a}`: `[]`,
		"{\xff}":          `{"a":"\ud800"}`,
	} {
		f.Add(query, variables)
	}
	w := openShop(f, smallShop())
	f.Fuzz(func(t *testing.T, query, variables string) {
		body := `{"query":` + strings.TrimSpace(mustJSON(t, query))
		if variables != "" {
			body += `,"variables":` + variables
		}
		c := *w.client
		c.t = t
		a := c.post("/graphql", body+"}", header("Content-Type", "application/json"))
		if a.status >= http.StatusInternalServerError || strings.Contains(string(a.body), `"INTERNAL"`) || strings.Contains(string(a.body), "incident") || !json.Valid(a.body) {
			t.Fatalf("%d: %s", a.status, a.body)
		}
	})
}
