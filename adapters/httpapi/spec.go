package httpapi

import (
	"cmp"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// param describes a parameter of a route.
type param = huma.Param

// spec describes a route.
type spec struct {
	// id is the operation id of OpenAPI.
	id string
	// group is the heading under which the documentation lists the operation.
	group       string
	summary     string
	description string
	// template is the path as OpenAPI writes it, if it does not follow from the pattern.
	template string
	// query are the only query parameters that are accepted.
	query []*param
	// headers are the request headers with a meaning for this operation.
	headers []*param
	// instead says what an operation that makes a change takes instead of the conditional headers that it does not have.
	instead string
	// body is nil if there is none.
	body *content
	// answers are the answers that are not problems, by status.
	answers map[int]content
	// fails are the reasons of problems besides those that follow from the route, with their usual status.
	fails []errs.Reason
	// failsAs are reasons that another status than the usual one tells.
	failsAs map[int][]errs.Reason
	// routine marks what probes and scrapers ask for all the time: it is logged if it fails.
	routine bool
	// text marks what is asked by programs that show people plain text: problems are that.
	text bool
	// graphql marks what is asked by GraphQL: problems are errors of that.
	graphql bool
	// refused marks what is there to be refused: no repository is asked.
	refused bool
	// lasting marks an answer that goes on until the client leaves: its duration is not one of work.
	lasting bool
}

// content describes a body.
type content struct {
	description string
	// mediaType is "application/json" if a value is given and this is not.
	mediaType string
	// value has the type of the JSON; nil is no body, or bytes if a media type is given.
	value   any
	headers []string
	// also are other media types of the same answer, in which it is text.
	also []string
}

const (
	formatTime = "date-time"
	// formatBytes marks parameters that name things of Git, which need not be UTF-8.
	formatBytes = "git-name"
)

func queryParam(name, kind, description string) *param {
	return &param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: kind}}
}

func textParam(name, description string) *param {
	return queryParam(name, huma.TypeString, description)
}

func boolParam(name, description string) *param {
	return queryParam(name, huma.TypeBoolean, description)
}

// nameParam is a parameter that names something of Git.
func nameParam(name, description string) *param {
	p := textParam(name, description)
	p.Schema.Format = formatBytes
	return p
}

func timeParam(name, description string) *param {
	p := textParam(name, description)
	p.Schema.Format = formatTime
	return p
}

func enumParam(name, description string, values ...any) *param {
	p := textParam(name, description)
	p.Schema.Enum = values
	return p
}

// repeatedParam may be given several times.
func repeatedParam(p *param) *param {
	p.Schema = &huma.Schema{Type: huma.TypeArray, Items: p.Schema}
	return p
}

func headerParam(name, description string) *param {
	return &param{Name: name, In: "header", Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
}

func refParam() *param {
	return nameParam("ref", "A branch, a tag, a ref that begins with refs/, or a full commit id. A branch wins over a tag of the same name. "+
		"Without it, the default branch.")
}

func pageParams() []*param {
	size := queryParam("page_size", huma.TypeInteger, "The most items to return: 100 if it is not given or 0, at most 1,000.")
	return []*param{size, textParam("page_token", "The next_page_token of the page before. It belongs to the same question.")}
}

func (s *spec) queryNames() string {
	if len(s.query) == 0 {
		return "none"
	}
	names := make([]string, len(s.query))
	for i, p := range s.query {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

var pathParams = map[string]string{
	"id":         "The repository's id.",
	"path":       "The file's path. Its slashes may stand as they are or be encoded; every other byte may be percent-encoded.",
	"revision":   "A branch, a tag, a ref that begins with refs/, or a full commit id. It may hold slashes.",
	"name":       "The short name. It may hold slashes.",
	"base":       "The old side: a branch, a tag, a ref that begins with refs/, or a full commit id.",
	"head":       "The new side, likewise.",
	"document":   "The document's id.",
	"repository": "The repository's id.",
	"kind":       "The document's kind.",
	"version":    "The release's version, with or without a leading v.",
}

// responseHeaders are the headers that answers may name.
var responseHeaders = map[string]string{
	"ETag":            "A validator of the answer; of a file its blob id, quoted.",
	"GitStore-Commit": "The commit that the whole answer is of.",
	"Age":             "How many seconds ago the catalog was last known to be that of its repository (RFC 9111, section 5.1).",
	"Location":        "Where the new resource is.",
	"Content-Range":   "The bytes that are returned, and of how many.",
	"Accept-Ranges":   "bytes",
	"Cache-Control":   "Immutable if ref was a full commit id, else no-cache: to be revalidated.",
	"Allow":           "The methods that are served.",
	"Retry-After":     "How many seconds to wait at least before the request is worth repeating.",
}

// document is what the API says about itself.
type document struct {
	openapi *huma.OpenAPI
	// json is openapi as it is served.
	json []byte
}

func newDocument(routes []*route, version string) *document {
	schemas := huma.NewMapRegistry("#/components/schemas/", schemaName)
	d := &document{openapi: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "GitStore", Version: version,
			Description: "Files in Git over HTTP: repositories, files, commits of many files, history, branches, tags, and the events of changes.\n\n" +
				"Errors are problem details (RFC 9457). The reasons of an operation's are in its x-reasons, by status; /docs/errors explains them. Times are RFC 3339. Unknown " +
				"members and parameters are refused. Names and paths that are not UTF-8 are shown with U+FFFD for what is not, " +
				"and a second time, whole, in the member that ends in _base64.",
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Components: &huma.Components{Schemas: schemas, Parameters: minCursorParams, Headers: cursorHeaders, Responses: map[string]*huma.Response{}},
	}}
	for _, rt := range routes {
		op := rt.operation(schemas)
		d.nameFailures(rt, op)
		d.openapi.AddOperation(op)
	}
	d.openapi.Tags = groups(routes)
	describeSchemas(schemas.Map())
	b, err := json.Marshal(d.openapi, jsontext.WithIndent("  "))
	if err != nil {
		panic(err) // every value in it is made here
	}
	d.json = append(b, '\n')
	return d
}

// schemaName names a type without the suffix that tells it from the domain's.
func schemaName(t reflect.Type, hint string) string {
	return strings.ReplaceAll(huma.DefaultSchemaNamer(t, hint), "JSON", "")
}

func groups(routes []*route) []*huma.Tag {
	var tags []*huma.Tag
	for _, rt := range routes {
		if !slices.ContainsFunc(tags, func(t *huma.Tag) bool { return t.Name == rt.spec.group }) {
			tags = append(tags, &huma.Tag{Name: rt.spec.group, Description: groupDescriptions[rt.spec.group]})
		}
	}
	return tags
}

func (rt *route) operation(schemas huma.Registry) *huma.Operation {
	failed, _ := rt.failed()
	op := &huma.Operation{
		Method: rt.method, Path: rt.template(), OperationID: rt.spec.id, Tags: []string{rt.spec.group},
		Summary: rt.spec.summary, Description: rt.spec.description,
		Parameters: refer(slices.Concat(rt.pathParameters(), rt.spec.query, rt.spec.headers)),
		Responses:  map[string]*huma.Response{"default": failed.response(schemas)},
	}
	if b := rt.spec.body; b != nil {
		op.RequestBody = &huma.RequestBody{Description: b.description, Required: true, Content: b.media(schemas)}
	}
	for status, answer := range rt.spec.answers {
		op.Responses[strconv.Itoa(status)] = answer.response(schemas)
	}
	if rt.hasCursor() {
		nameCursors(op)
	}
	return op
}

func (rt *route) pathParameters() []*param {
	var params []*param
	for part := range strings.SplitSeq(rt.template(), "{") {
		name, _, found := strings.Cut(part, "}")
		if found {
			params = append(params, &param{Name: name, In: "path", Required: true, Description: pathParams[name],
				Schema: &huma.Schema{Type: huma.TypeString}})
		}
	}
	return params
}

func (c content) response(schemas huma.Registry) *huma.Response {
	r := &huma.Response{Description: cmp.Or(c.description, "Done."), Content: c.media(schemas)}
	for _, name := range c.headers {
		if r.Headers == nil {
			r.Headers = map[string]*param{}
		}
		r.Headers[name] = &huma.Header{Description: responseHeaders[name], Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return r
}

func (c content) media(schemas huma.Registry) map[string]*huma.MediaType {
	media := map[string]*huma.MediaType{}
	switch {
	case c.value != nil:
		schema := schemas.Schema(reflect.TypeOf(c.value), true, "")
		media[cmp.Or(c.mediaType, "application/json")] = &huma.MediaType{Schema: schema}
	case c.mediaType != "":
		media[c.mediaType] = &huma.MediaType{}
	}
	for _, m := range c.also {
		media[m] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	if len(media) == 0 {
		return nil
	}
	return media
}

// ok describes the one answer of a read.
func ok(description string, value any, headers ...string) map[int]content {
	return map[int]content{http.StatusOK: {description: description, value: value, headers: headers}}
}
