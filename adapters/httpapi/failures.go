package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// failures are the reasons that an operation can fail with, by the status that tells each.
type failures map[int][]errs.Reason

// as adds reasons that are told by a status.
func (f failures) as(status int, reasons ...errs.Reason) {
	all := slices.Concat(f[status], reasons)
	slices.Sort(all)
	f[status] = slices.Compact(all)
}

// add adds reasons that are told by their usual status.
func (f failures) add(reasons ...errs.Reason) {
	for _, r := range reasons {
		f.as(reasonHTTPStatus(r), r)
	}
}

// The reasons of what operations have in common; what the parameters, the body and the place of one bring with them is added by
// [route.failures].
var (
	// ofStore are of every call of the store.
	ofStore = []errs.Reason{
		errs.ReasonRepositoryCorrupt, errs.ReasonUnsafeRepository, errs.ReasonQueueFull, errs.ReasonResourceExhausted, errs.ReasonUnavailable,
		errs.ReasonDraining, errs.ReasonCanceled, errs.ReasonDeadlineExceeded, errs.ReasonMessageTooLarge,
	}
	ofMinCursor = []errs.Reason{errs.ReasonInvalidCursor, errs.ReasonCursorExpired, errs.ReasonCursorNotReached}
	ofRevision  = []errs.Reason{errs.ReasonInvalidRevision, errs.ReasonRefNotFound, errs.ReasonObjectNotFound, errs.ReasonNotACommit}
	ofPath      = []errs.Reason{errs.ReasonInvalidPath, errs.ReasonPathNotFound, errs.ReasonNotAFile}
	ofNewRef    = []errs.Reason{errs.ReasonInvalidRefName, errs.ReasonRefExists, errs.ReasonRefConflict}
	ofOldRef    = []errs.Reason{errs.ReasonInvalidRefName, errs.ReasonInvalidObjectID, errs.ReasonRefNotFound, errs.ReasonRefMoved, errs.ReasonRefProtected}
	ofNewTag    = slices.Concat(ofNewRef, []errs.Reason{errs.ReasonInvalidMessage, errs.ReasonInvalidSignature})
	// ofCommit are of every commit, ofContent of those that write files.
	ofCommit = slices.Concat(ofNewTag, []errs.Reason{
		errs.ReasonInvalidPath, errs.ReasonInvalidObjectID, errs.ReasonInvalidRequestID, errs.ReasonRequestIDReused, errs.ReasonRefNotFound, errs.ReasonRefMoved,
	})
	ofContent = []errs.Reason{
		errs.ReasonDotGitComponent, errs.ReasonReservedPath, errs.ReasonPathConflict, errs.ReasonNotAFile, errs.ReasonFileTooLarge, errs.ReasonSHA1Collision,
	}
	ofCatalog = []errs.Reason{errs.ReasonCatalogNotFound, errs.ReasonCatalogNotLoaded, errs.ReasonRefNotFound}
	// ofChange are of every change of documents, ofNewDocument of those that may bring one.
	ofChange      = slices.Concat(ofCatalog, ofCommit, []errs.Reason{errs.ReasonInvalidDocument})
	ofNewDocument = slices.Concat(ofChange, ofContent, []errs.Reason{errs.ReasonDocumentExists, errs.ReasonPathExists, errs.ReasonBlobMoved})
	ofOldDocument = slices.Concat(ofChange, []errs.Reason{errs.ReasonDocumentNotFound})
	ofDocuments   = slices.Concat(ofNewDocument, ofOldDocument, []errs.Reason{errs.ReasonTooManyActions, errs.ReasonDuplicatePath})
)

// failures are all with which the operation can be answered. What has no operation, such as a method that a path does not serve, is
// not among them.
func (rt *route) failures() failures {
	f := failures{}
	f.add(errs.ReasonInvalidArgument, errs.ReasonInternal)
	f.add(rt.spec.fails...)
	for status, reasons := range rt.spec.failsAs {
		f.as(status, reasons...)
	}
	if !rt.isRead() {
		f.add(errs.ReasonPermissionDenied)
	}
	inRepository := !rt.spec.refused && (strings.Contains(rt.pattern, "{id}") || strings.Contains(rt.pattern, "{repository}"))
	if inRepository {
		f.add(errs.ReasonInvalidRepositoryID, errs.ReasonRepositoryNotFound)
	}
	executed := rt.spec.graphql // what the store fails with is then told in an answer of 200
	if (rt.hasCursor() || inRepository) && !executed {
		f.add(ofStore...)
		if !rt.isRead() {
			f.add(errs.ReasonStorageFull)
		}
	}
	if rt.takesMinCursor() && !executed {
		f.add(ofMinCursor...)
	}
	if slices.ContainsFunc(rt.spec.query, func(p *param) bool { return p.Name == "page_token" }) {
		f.add(errs.ReasonInvalidPageSize, errs.ReasonInvalidPageToken)
	}
	if rt.spec.body != nil {
		f.add(errs.ReasonBodyTooLarge, errs.ReasonQueueFull)
		f.as(http.StatusUnsupportedMediaType, errs.ReasonInvalidArgument)
		f.as(http.StatusRequestTimeout, errs.ReasonDeadlineExceeded)
		f.as(http.StatusBadRequest, errs.ReasonCanceled)
	}
	return f
}

// failureDescriptions say what a status of a failure means here.
var failureDescriptions = map[int]string{
	http.StatusBadRequest:                   "The request is malformed, or is none that the operation takes.",
	http.StatusForbidden:                    "The caller may not do this.",
	http.StatusNotFound:                     "There is nothing of this name.",
	http.StatusMethodNotAllowed:             "This is not asked by this method.",
	http.StatusRequestTimeout:               "The body came too slowly.",
	http.StatusConflict:                     "What is there is not what the request expects, or does not go with it.",
	http.StatusPreconditionFailed:           "If-Match or If-None-Match does not hold.",
	http.StatusRequestEntityTooLarge:        "The request, or what it asks for, is larger than is taken.",
	http.StatusUnsupportedMediaType:         "The body is of a type, or encoded in a way, that is not taken.",
	http.StatusRequestedRangeNotSatisfiable: "The range begins beyond the end.",
	http.StatusUnprocessableEntity:          "Something would be wrong with the catalog; nothing was changed.",
	http.StatusTooManyRequests:              "The caller is at a limit: repeat it after Retry-After.",
	http.StatusInternalServerError:          "Something is wrong with the service or the repository: tell the operator.",
	http.StatusServiceUnavailable:           "The service cannot do this at the moment: repeat it after Retry-After.",
	http.StatusGatewayTimeout:               "The time ran out.",
}

// failureHeaders are the headers that a status of a failure comes with.
var failureHeaders = map[int][]string{
	http.StatusMethodNotAllowed: {"Allow"}, http.StatusPreconditionFailed: {"ETag"}, http.StatusConflict: {"ETag"}, http.StatusRequestedRangeNotSatisfiable: {"Content-Range"},
	http.StatusTooManyRequests: {"Retry-After"}, http.StatusServiceUnavailable: {"Retry-After"},
}

// nameFailures says of an operation how it can fail: each status refers to an answer that the document has once, and the extension
// x-reasons has the reasons by status.
func (d *document) nameFailures(rt *route, op *huma.Operation) {
	all := rt.failures()
	op.Extensions = map[string]any{"x-reasons": all}
	for _, status := range slices.Sorted(maps.Keys(all)) {
		key := strconv.Itoa(status)
		if op.Responses[key] != nil { // an answer of another form
			continue
		}
		failed, form := rt.failed()
		name := strings.ReplaceAll(http.StatusText(status), " ", "") + form
		if responses := d.openapi.Components.Responses; responses[name] == nil {
			failed.description, failed.headers = failureDescriptions[status], failureHeaders[status]
			responses[name] = failed.response(d.openapi.Components.Schemas)
			if !rt.spec.text {
				nameCursor(responses[name])
			}
		}
		op.Responses[key] = &huma.Response{Ref: "#/components/responses/" + name}
	}
}

// failed is how the route tells of failures, with the name of the form that is not a problem's.
func (rt *route) failed() (failed content, form string) {
	switch {
	case rt.spec.text:
		return content{description: "What is wrong, and what to do about it.", also: []string{"text/plain"}}, "Text"
	case rt.spec.graphql:
		return content{description: "The errors, in the form of GraphQL.", value: graphqlAnswerJSON{}}, "GraphQL"
	}
	return content{description: "A problem: see /docs/errors.", mediaType: problemType, value: problem{}}, ""
}
