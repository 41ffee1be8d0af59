package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// The types of what documents are written with describe the bodies; they are read as they come, so that what is left out
// and what is null are told apart.
type documentInputJSON struct {
	Kind   string     `json:"kind,omitempty" doc:"It has to be that of the path, if it is given."`
	ID     string     `json:"id,omitempty" doc:"Needed where the path has none, else it has to be that of the path."`
	Slug   string     `json:"slug,omitempty" doc:"The name in addresses."`
	Title  string     `json:"title,omitempty" doc:"The title."`
	Path   string     `json:"path,omitempty" doc:"The file of a new document; without it one that follows from slug or id. A document stays in its file."`
	BlobID string     `json:"blob_id,omitempty" doc:"The blob that the file must be, if it is given and not empty."`
	Fields fieldsJSON `json:"fields,omitempty" doc:"The other fields of the front matter."`
	Body   string     `json:"body,omitempty" doc:"The Markdown behind the front matter. Left out, it stays. Line breaks in front of it are not kept."`
}

type productInputJSON struct {
	Kind            string      `json:"kind,omitempty" enum:"Product" doc:"It has to be that of the path, if it is given."`
	ID              string      `json:"id,omitempty" doc:"Needed where the path has none, else it has to be that of the path."`
	Slug            string      `json:"slug,omitempty" doc:"a-z, 0-9 and single - between them. A product needs it."`
	Title           string      `json:"title,omitempty" doc:"A product needs it."`
	SKU             string      `json:"sku,omitempty" doc:"A product needs it."`
	Category        string      `json:"category,omitempty" doc:"The id of the category. A product needs it."`
	Price           string      `json:"price,omitempty" doc:"A decimal number. A product needs it." example:"13.50"`
	Currency        string      `json:"currency,omitempty" doc:"A code of ISO 4217. A product needs it." example:"EUR"`
	Status          string      `json:"status,omitempty" enum:"active,draft,archived" doc:"A product needs it."`
	InventoryStatus string      `json:"inventory_status,omitempty" enum:"in_stock,low_stock,out_of_stock,preorder,made_to_order" doc:"A product needs it."`
	Tags            []string    `json:"tags,omitempty" doc:"Words to find the product by."`
	Images          []imageJSON `json:"images,omitempty" doc:"The images, in their order."`
	Links           []linkJSON  `json:"links,omitempty" doc:"Links to more about the product."`
	Path            string      `json:"path,omitempty" doc:"The file of a new document; without it one that follows from slug or id. A document stays in its file."`
	BlobID          string      `json:"blob_id,omitempty" doc:"The blob that the file must be, if it is given and not empty."`
	Fields          fieldsJSON  `json:"fields,omitempty" doc:"The other fields of the front matter."`
	Body            string      `json:"body,omitempty" doc:"The Markdown behind the front matter. Left out, it stays. Line breaks in front of it are not kept."`
}

type categoryInputJSON struct {
	Kind     string     `json:"kind,omitempty" enum:"Category" doc:"It has to be that of the path, if it is given."`
	ID       string     `json:"id,omitempty" doc:"Needed where the path has none, else it has to be that of the path."`
	Slug     string     `json:"slug,omitempty" doc:"a-z, 0-9 and single - between them. A category needs it."`
	Title    string     `json:"title,omitempty" doc:"A category needs it."`
	Parent   string     `json:"parent,omitempty" doc:"The id of the category above; empty or left out for a root."`
	Position int        `json:"position,omitempty" doc:"Its place among the categories of the same parent."`
	Path     string     `json:"path,omitempty" doc:"The file of a new document; without it one that follows from slug or id. A document stays in its file."`
	BlobID   string     `json:"blob_id,omitempty" doc:"The blob that the file must be, if it is given and not empty."`
	Fields   fieldsJSON `json:"fields,omitempty" doc:"The other fields of the front matter."`
	Body     string     `json:"body,omitempty" doc:"The Markdown behind the front matter. Left out, it stays. Line breaks in front of it are not kept."`
}

type collectionInputJSON struct {
	Kind     string     `json:"kind,omitempty" enum:"Collection" doc:"It has to be that of the path, if it is given."`
	ID       string     `json:"id,omitempty" doc:"Needed where the path has none, else it has to be that of the path."`
	Slug     string     `json:"slug,omitempty" doc:"a-z, 0-9 and single - between them. A collection needs it."`
	Title    string     `json:"title,omitempty" doc:"A collection needs it."`
	Products []string   `json:"products,omitempty" doc:"The skus of the products in their order."`
	Path     string     `json:"path,omitempty" doc:"The file of a new document; without it one that follows from slug or id. A document stays in its file."`
	BlobID   string     `json:"blob_id,omitempty" doc:"The blob that the file must be, if it is given and not empty."`
	Fields   fieldsJSON `json:"fields,omitempty" doc:"The other fields of the front matter."`
	Body     string     `json:"body,omitempty" doc:"The Markdown behind the front matter. Left out, it stays. Line breaks in front of it are not kept."`
}

// toldMembers are those of documents that say where they are or what follows from the rest: they are taken and do nothing.
var toldMembers = []string{"path_base64", "body_html", "ancestors", "children"}

// changesJSON is the body of a commit of documents.
type changesJSON struct {
	Branch       string               `json:"branch,omitempty" doc:"The branch to commit to, by its short name; without it the one that the catalog follows, else the default branch."`
	Message      string               `json:"message,omitempty" doc:"The commit message; without it one that says what was done."`
	Author       *newSignatureJSON    `json:"author,omitempty" doc:"Who made the change; the service itself if it is not given."`
	Committer    *newSignatureJSON    `json:"committer,omitempty" doc:"Who made the commit; the author if it is not given."`
	ExpectedHead expectedIDJSON       `json:"expected_head,omitempty" doc:"The commit that the branch must be at; empty if it must not exist."`
	RequestID    string               `json:"request_id,omitempty" format:"uuid" doc:"Makes a retry return the first request's commit."`
	DryRun       bool                 `json:"dry_run,omitempty" doc:"Checks everything and makes nothing."`
	Changes      []documentChangeJSON `json:"changes" nullable:"false" doc:"At most 1000, each of another document, but that one may be deleted and another created with its id. They are judged by what comes of all of them; their order does not matter."`
}

type documentChangeJSON struct {
	Action         string         `json:"action" enum:"create,replace,put,patch,delete" doc:"put creates the document or replaces it; patch merges (RFC 7396)."`
	Kind           string         `json:"kind" doc:"The document's kind." example:"Product"`
	ID             string         `json:"id" doc:"The document's id." example:"prod-2105"`
	Document       rawJSON        `json:"document,omitempty" doc:"The document, or of a patch what changes of it, with the members that writing one of its kind takes. Not for delete."`
	ExpectedBlobID expectedIDJSON `json:"expected_blob_id,omitempty" doc:"The blob that the document's file must be; empty if there must be no such document."`
}

// rawJSON is an object that is read later.
type rawJSON jsontext.Value

// UnmarshalJSON keeps the bytes.
func (r *rawJSON) UnmarshalJSON(b []byte) error {
	if b[0] != '{' {
		return &json.SemanticError{}
	}
	*r = slices.Clone(b)
	return nil
}

// Schema says how it is described.
func (rawJSON) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

type changesResultJSON struct {
	CommitID  string                `json:"commit_id" doc:"The commit; of a dry run, the one that would be made; if nothing changes, the head."`
	Replayed  bool                  `json:"replayed" doc:"Whether the request_id was known, and the commit made before."`
	NoOp      bool                  `json:"no_op" doc:"Whether nothing changed, and so no commit was made."`
	Documents []writtenDocumentJSON `json:"documents" nullable:"false" doc:"The documents in the order of the changes."`
}

type writtenDocumentJSON struct {
	Action string `json:"action" enum:"create,replace,patch,delete" doc:"What was done to it."`
	Kind   string `json:"kind" doc:"The document's kind." example:"Product"`
	ID     string `json:"id" doc:"The document's id."`
	Path   string `json:"path" doc:"The document's file."`
	BlobID string `json:"blob_id" doc:"The blob of the file; empty if it was deleted."`
}

const (
	maxDocumentJSON = 4 << 20
	maxChangesJSON  = 32 << 20
	mergePatchType  = "application/merge-patch+json"
)

// documentWriteParams are the query of a change of one document.
func documentWriteParams() []*param {
	return []*param{
		nameParam("branch", "The branch to commit to, by its short name. Without it the one that the catalog follows, else the default branch."),
		textParam("message", "The commit message. Without it one that says what was done."),
		textParam("author_name", "Who made the change; the service itself if neither name nor email is given."),
		textParam("author_email", "The author's email."),
		textParam("request_id", "A UUID that makes a retry return the first request's commit."),
		textParam("expected_head", "The commit that the branch must be at; empty if it must not exist."),
		boolParam("dry_run", "Checks everything, answers as if it were done, and makes nothing."),
	}
}

const (
	writeRules = "One commit on the head of the branch, made anew if the branch moves meanwhile; a release is not touched. " +
		"It is refused with 422 and all problems if something would be wrong with the catalog that is not now, also with other documents. "
	keepRules    = "What does not change of the file stays byte for byte, comments and order included. "
	matchHeader  = "The ETag that the document must have, in a listing or on its own, or its blob id in quotes, or *; else 412, which has the document as it is."
	writeInstead = "use If-Match with the ETag of the document, or the query parameter expected_head"
)

func (a *api) documentWriteRoutes(group string) []*route {
	routes := []*route{newRoute(http.MethodPost, catalogPattern+"/changes", spec{
		id: "changeDocuments", group: group, summary: "Change several documents in one commit",
		description: "All changes become one commit, or nothing happens. " + writeRules + keepRules,
		instead:     "use the member expected_head for the branch, and expected_blob_id of a change for its document",
		body:        &content{value: changesJSON{}},
		answers: map[int]content{
			http.StatusCreated: {description: "The commit was made, now or before for the same request_id.", value: changesResultJSON{}, headers: []string{"GitStore-Commit", "Location"}},
			http.StatusOK:      {description: "No commit was made: a dry run, or nothing to change.", value: changesResultJSON{}, headers: []string{"GitStore-Commit"}},
		},
		fails: slices.Concat(ofDocuments, []errs.Reason{errs.ReasonNoActions}),
	}, a.changeDocuments)}
	for _, l := range append(slices.Clone(documentLists), anyDocuments) {
		routes = append(routes, a.documentWriteRoutesOf(group, l)...)
	}
	return routes
}

func (a *api) documentWriteRoutesOf(group string, l documentList) []*route {
	pattern := catalogPattern + "/" + l.name
	single := strings.ToUpper(l.noun[:1]) + l.noun[1:]
	one, kind := pattern+"/{document}", func(*call) documentList { return l }
	if l.kind == "" {
		pattern += "/{kind}"
		one, kind = pattern+"/{document}", func(c *call) documentList { return listOf(catalog.Kind(c.path["kind"])) }
	}
	headers := []string{"ETag", "GitStore-Commit"}
	written := content{description: "The " + l.noun + " as it is now; of a dry run, as it would be.", value: l.whole, headers: headers}
	created := written
	created.headers = append([]string{"Location"}, headers...)
	match := headerParam("If-Match", matchHeader)
	unmatched := map[int][]errs.Reason{http.StatusPreconditionFailed: {errs.ReasonBlobMoved, errs.ReasonDocumentNotFound}}
	return []*route{
		newRoute(http.MethodPost, pattern, spec{
			id: "create" + single, group: group, summary: "Create a " + l.noun, description: writeRules,
			query: documentWriteParams(), instead: neverReplaces, body: &content{value: l.input},
			answers: map[int]content{http.StatusCreated: created, http.StatusOK: written}, fails: ofNewDocument,
		}, func(c *call) error { return a.writeDocument(c, kind(c), catalogs.CreateDocument) }),
		newRoute(http.MethodPut, one, spec{
			id: "put" + single, group: group, summary: "Write a " + l.noun, query: documentWriteParams(),
			description: "Creates it, or gives it other fields: what is left out goes, but the body. One that is not served for what is wrong with its file is mended there. " + writeRules + keepRules,
			instead:     writeInstead,
			headers:     []*param{match, headerParam("If-None-Match", "*: the document must not exist.")}, body: &content{value: l.input},
			answers: map[int]content{http.StatusCreated: created, http.StatusOK: written}, fails: ofNewDocument,
			failsAs: map[int][]errs.Reason{http.StatusPreconditionFailed: {errs.ReasonBlobMoved, errs.ReasonDocumentNotFound, errs.ReasonDocumentExists}},
		}, func(c *call) error { return a.writeDocument(c, kind(c), catalogs.PutDocument) }),
		newRoute(http.MethodPatch, one, spec{
			id: "patch" + single, group: group, summary: "Change some of a " + l.noun, query: documentWriteParams(),
			description: "Merges the body into the document (RFC 7396): a member that is null goes, lists are replaced. " + writeRules + keepRules,
			instead:     writeInstead, headers: []*param{match}, body: &content{value: l.input, mediaType: mergePatchType},
			answers: map[int]content{http.StatusOK: written}, failsAs: unmatched,
			fails: slices.Concat(ofOldDocument, ofContent, []errs.Reason{errs.ReasonBlobMoved}),
		}, func(c *call) error { return a.writeDocument(c, kind(c), catalogs.PatchDocument) }),
		newRoute(http.MethodDelete, one, spec{
			id: "delete" + single, group: group, summary: "Delete a " + l.noun, query: documentWriteParams(),
			description: "Deletes its file. " + writeRules + "That others refer to it is such a problem: change them in the same commit.",
			instead:     writeInstead, headers: []*param{match},
			answers: map[int]content{http.StatusOK: {description: "What was done.", value: changesResultJSON{}, headers: []string{"GitStore-Commit"}}},
			fails:   ofOldDocument, failsAs: unmatched,
		}, func(c *call) error { return a.writeDocument(c, kind(c), catalogs.DeleteDocument) }),
	}
}

// writeDocument makes a commit of one document.
func (a *api) writeDocument(c *call, l documentList, action catalogs.Action) error {
	id, err := c.repositoryID()
	if err != nil {
		return err
	}
	change := catalogs.DocumentChange{Action: action, Kind: l.kind, ID: c.path["document"]}
	if action != catalogs.DeleteDocument {
		if err := c.readDocument(&change, l); err != nil {
			return err
		}
	}
	if change.Check, err = a.documentCondition(c, l); err != nil {
		return err
	}
	write := catalogs.Write{Changes: []catalogs.DocumentChange{change}}
	if write.Commit, err = c.documentCommit(); err != nil {
		return err
	}
	result, err := a.opts.Catalogs.Write(c.ctx(), id, write)
	if err != nil {
		return err
	}
	if action == catalogs.DeleteDocument {
		return c.answerChanges(http.StatusOK, result, write)
	}
	return a.answerWritten(c, l, result, write.Commit.DryRun)
}

// documentCommit reads what the query says of the commit.
func (c *call) documentCommit() (req ports.CommitFiles, err error) {
	if c.query.Has("branch") {
		if req.Branch, err = newBranch("branch", c.query.Get("branch")); err != nil {
			return req, err
		}
	}
	if req.ExpectedHead, err = c.expectation("expected_head"); err != nil {
		return req, err
	}
	req.RequestID, req.Message, req.DryRun = c.query.Get("request_id"), c.query.Get("message"), c.flag("dry_run")
	req.Author = git.Signature{Name: c.query.Get("author_name"), Email: c.query.Get("author_email")}
	if req.Author.IsZero() && (c.query.Has("author_name") || c.query.Has("author_email")) {
		return req, req.Author.Validate("author_name")
	}
	return req, nil
}

// readDocument reads the body into a change.
func (c *call) readDocument(change *catalogs.DocumentChange, l documentList) error {
	if err := c.openWhole(maxDocumentJSON, "a document has 1 MiB at most"); err != nil {
		return err
	}
	raw, err := io.ReadAll(c.body)
	if err != nil {
		return c.body.blame(errs.From(err))
	}
	value := jsontext.Value(raw)
	if !value.IsValid() {
		return jsonError("", json.Unmarshal(raw, new(map[string]any)))
	}
	return takeDocument(change, value, l)
}

// takeDocument reads a document's JSON into a change of it.
func takeDocument(change *catalogs.DocumentChange, object jsontext.Value, l documentList) error {
	if object.Kind() != '{' {
		return errs.New(errs.ReasonInvalidArgument, "the document has to be an object")
	}
	known := membersOf(l.input)
	fields := []byte{'{'}
	var others jsontext.Value
	for name, value := range members(object) {
		value := jsontext.Value(slices.Clone(value))
		var err error
		switch {
		case slices.Contains(toldMembers, name):
		case !slices.Contains(known, name):
			return errs.InvalidField(errs.ReasonInvalidArgument, clip(name, 64), "a %s has no member %q: there are %s; other fields of the front matter go into fields", l.noun, clip(name, 64), strings.Join(known, ", "))
		case name == "fields":
			others = value
		case name == "body":
			err = takeBody(change, value)
		case name == "path", name == "blob_id", name == "id", name == "kind":
			err = takeText(change, name, value)
		default:
			fields = appendMember(fields, name, value)
		}
		if err != nil {
			return err
		}
	}
	if others != nil && others.Kind() != '{' {
		return errs.InvalidField(errs.ReasonInvalidArgument, "fields", `"fields" has to be an object; a field is taken out by null in its place`)
	}
	for name, value := range members(others) {
		if slices.Contains(known, name) && !slices.Contains([]string{"path", "blob_id", "fields", "body"}, name) {
			return errs.InvalidField(errs.ReasonInvalidArgument, "fields."+name, "%q is a member of its own: put it beside fields", name)
		}
		fields = appendMember(fields, name, value)
	}
	change.Fields = append(fields, '}')
	return nil
}

func text(field string, value jsontext.Value) (string, error) {
	var s string
	if value.Kind() != '"' || json.Unmarshal(value, &s) != nil {
		return "", errs.InvalidField(errs.ReasonInvalidArgument, field, "%q has to be a string", field)
	}
	return s, nil
}

// takeBody takes null for no body.
func takeBody(change *catalogs.DocumentChange, value jsontext.Value) error {
	body := ""
	if value.Kind() != 'n' {
		var err error
		if body, err = text("body", value); err != nil {
			return err
		}
	}
	change.Body = &body
	return nil
}

// takeText takes a member that says which document it is.
func takeText(change *catalogs.DocumentChange, name string, value jsontext.Value) error {
	s, err := text(name, value)
	switch {
	case err != nil:
		return err
	case name == "path" && s != "":
		change.Path, err = git.ParseTreePath(s)
		return errs.InField(err, "path")
	case name == "blob_id" && s != "":
		change.Expected, err = parseExpectation("blob_id", s)
		return err
	case name == "id" && change.ID == "":
		change.ID = s
	case name == "id" && s != change.ID, name == "kind" && catalog.Kind(s) != change.Kind:
		return errs.InvalidField(errs.ReasonInvalidArgument, name, "the %s is not that of the path: a document keeps it", name)
	}
	return nil
}

// documentCondition turns the conditions of the request into one of the write, nil if there are none.
func (a *api) documentCondition(c *call, l documentList) (func(*catalog.Snapshot, *catalog.Document) error, error) {
	h := c.r.Header
	match, noneMatch := given(h, "If-Match"), given(h, "If-None-Match")
	switch {
	case match && noneMatch:
		return nil, errs.InvalidField(errs.ReasonInvalidArgument, "If-None-Match", "If-Match and If-None-Match exclude each other: send one")
	case noneMatch && h.Get("If-None-Match") != "*":
		return nil, errs.InvalidField(errs.ReasonInvalidArgument, "If-None-Match", "a write takes If-None-Match only as *, to create a document")
	case noneMatch:
		return func(s *catalog.Snapshot, d *catalog.Document) error {
			if d == nil {
				if w := withheld(s, c, l); w != nil {
					return withStatus(http.StatusPreconditionFailed, errs.New(errs.ReasonDocumentExists, "the document exists in a file with something wrong, and If-None-Match: * wants that it does not",
						errs.MetaField, "If-None-Match", errs.MetaPath, w.Path.String()))
				}
				return nil
			}
			return a.conditionFailed(s, d, l, errs.New(errs.ReasonDocumentExists, "the document exists, and If-None-Match: * wants that it does not", errs.MetaField, "If-None-Match"))
		}, nil
	case !match:
		return nil, nil //nolint:nilnil // there is no condition
	}
	tags, err := parseEntityTags(h, "If-Match")
	if err != nil {
		return nil, err
	}
	written := func(over git.ObjectID) bool {
		return tags.any || slices.ContainsFunc(tags.strong, func(tag string) bool { return readAs(tag, over) })
	}
	return func(s *catalog.Snapshot, d *catalog.Document) error {
		if w := withheld(s, c, l); d == nil && w != nil {
			if written(w.Blob) {
				return nil
			}
			return withStatus(http.StatusPreconditionFailed, blobMoved(h.Get("If-Match"), w.Blob))
		}
		if d == nil {
			return withStatus(http.StatusPreconditionFailed, errs.New(errs.ReasonDocumentNotFound, "there is no such document, and If-Match wants one", errs.MetaField, "If-Match"))
		}
		if written(d.Blob) {
			return nil
		}
		return a.conditionFailed(s, d, l, blobMoved(h.Get("If-Match"), d.Blob))
	}, nil
}

// withheld is the file of the document of the request that is not served, nil if there is none.
func withheld(s *catalog.Snapshot, c *call, l documentList) *catalog.Withheld {
	if w := s.Withheld(c.path["document"]); w != nil && w.MayBe(l.kind) {
		return w
	}
	return nil
}

// wholeTag is the ETag of a document on its own.
func (a *api) wholeTag(s *catalog.Snapshot, d *catalog.Document, l documentList) string {
	return documentTag(d, append(a.wholeObject(s, d, l), '\n'))
}

// conditionFailed is a 412 with the document as it is.
func (a *api) conditionFailed(s *catalog.Snapshot, d *catalog.Document, l documentList, err error) error {
	return a.refused(http.StatusPreconditionFailed, s, d, l, err)
}

// refused is an error with the document as it is.
func (a *api) refused(status int, s *catalog.Snapshot, d *catalog.Document, l documentList, err error) error {
	return &statusError{status: status, err: err, header: http.Header{"Etag": {a.wholeTag(s, d, l)}}, current: a.wholeObject(s, d, l)}
}

// withCurrent adds to an error about a document that is not as a member of the body expects it the document as it is.
func (a *api) withCurrent(err error) error {
	moved, ok := errors.AsType[*catalogs.MovedDocumentError](err)
	if !ok {
		return err
	}
	return a.refused(statusOf(err), moved.Snapshot, moved.Document, listOf(moved.Document.Kind), err)
}

// answerWritten sends the one document of a write as it is now.
func (a *api) answerWritten(c *call, l documentList, result *catalogs.WriteResult, dryRun bool) error {
	written := result.Documents[0]
	object := append(a.wholeObject(result.Snapshot, written.Document, l), '\n')
	h := c.w.Header()
	h.Set("ETag", documentTag(written.Document, object))
	h.Set("Content-Type", "application/json")
	status := http.StatusOK
	if written.Action == catalogs.CreateDocument && !dryRun {
		status = http.StatusCreated
		h.Set("Location", c.documentLocation(l, written.Document.ID))
	}
	c.setCommit(result.Commit.Commit)
	c.w.WriteHeader(status)
	_, err := c.w.Write(object)
	return err
}

func (c *call) documentLocation(l documentList, id string) string {
	name := l.name
	if name == anyDocuments.name {
		name += "/" + url.PathEscape(string(l.kind))
	}
	return "/v1/repositories/" + c.path["id"] + "/catalog/" + name + "/" + url.PathEscape(id)
}

func (a *api) changeDocuments(c *call) error {
	id, err := c.repositoryID()
	if err != nil {
		return err
	}
	if err := c.openWhole(maxChangesJSON, "make several commits"); err != nil {
		return err
	}
	var in changesJSON
	if err := c.body.blame(jsonError("", json.UnmarshalRead(c.body, &in, withoutNull))); err != nil {
		return err
	}
	write, err := in.write()
	if err != nil {
		return err
	}
	result, err := a.opts.Catalogs.Write(c.ctx(), id, write)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if write.Commit.DryRun || result.Commit.NoOp {
		status = http.StatusOK
	}
	return c.answerChanges(status, result, write)
}

func (c *call) answerChanges(status int, result *catalogs.WriteResult, write catalogs.Write) error {
	out := changesResultJSON{CommitID: result.Commit.Commit.String(), Replayed: result.Commit.Replayed, NoOp: result.Commit.NoOp, Documents: []writtenDocumentJSON{}}
	for i, d := range result.Documents {
		written := writtenDocumentJSON{Action: string(d.Action), Kind: string(write.Changes[i].Kind), ID: write.Changes[i].ID, Path: d.Path.String()}
		if d.Document != nil {
			written.BlobID = d.Document.Blob.String()
		}
		out.Documents = append(out.Documents, written)
	}
	if status == http.StatusCreated {
		c.w.Header().Set("Location", "/v1/repositories/"+c.path["id"]+"/commits/"+out.CommitID)
	}
	c.setCommit(result.Commit.Commit)
	return c.answer(status, out)
}

func (in *changesJSON) write() (w catalogs.Write, err error) {
	if in.Branch != "" {
		if w.Commit.Branch, err = newBranch("branch", in.Branch); err != nil {
			return w, err
		}
	}
	if w.Commit.ExpectedHead, err = in.ExpectedHead.expectation("expected_head"); err != nil {
		return w, err
	}
	if w.Commit.Author, err = in.Author.signature("author"); err != nil {
		return w, err
	}
	if w.Commit.Committer, err = in.Committer.signature("committer"); err != nil {
		return w, err
	}
	w.Commit.RequestID, w.Commit.Message, w.Commit.DryRun = in.RequestID, in.Message, in.DryRun
	for i := range in.Changes {
		field := fmt.Sprintf("changes[%d]", i)
		change, err := in.Changes[i].change(field)
		if err != nil {
			e := errs.From(err)
			if own := e.Meta[errs.MetaField]; !strings.HasPrefix(own, field) {
				err = e.WithMeta(errs.MetaField, strings.TrimSuffix(field+".document."+own, "."))
			}
			return w, err
		}
		w.Changes = append(w.Changes, change)
	}
	return w, nil
}

func (in *documentChangeJSON) change(field string) (change catalogs.DocumentChange, err error) {
	change = catalogs.DocumentChange{Action: catalogs.Action(in.Action), Kind: catalog.Kind(in.Kind), ID: in.ID}
	switch change.Action {
	case catalogs.CreateDocument, catalogs.ReplaceDocument, catalogs.PutDocument, catalogs.PatchDocument:
		if in.Document == nil {
			return change, errs.InvalidField(errs.ReasonInvalidArgument, field+".document", "the document is missing")
		}
		if err := takeDocument(&change, jsontext.Value(in.Document), listOf(change.Kind)); err != nil {
			return change, err
		}
	case catalogs.DeleteDocument:
		if in.Document != nil {
			return change, errs.InvalidField(errs.ReasonInvalidArgument, field+".document", "a deletion has no document")
		}
	default:
		return change, errs.InvalidField(errs.ReasonInvalidArgument, field+".action", "action %q is unknown: use create, replace, put, patch or delete", clip(in.Action, 64))
	}
	if in.ExpectedBlobID.given {
		change.Expected, err = in.ExpectedBlobID.expectation(field + ".expected_blob_id")
	}
	return change, err
}
