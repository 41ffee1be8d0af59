package httpapi

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/ports"
)

var update = flag.Bool("update", false, "write docs/errors.md anew")

const errorsFile = "../../docs/errors.md"

var grpcCodes = map[errs.Kind]string{
	errs.Internal: "Internal", errs.Invalid: "InvalidArgument", errs.NotFound: "NotFound", errs.Exists: "AlreadyExists",
	errs.Conflict: "Aborted", errs.Precondition: "FailedPrecondition", errs.Denied: "PermissionDenied",
	errs.Unauthenticated: "Unauthenticated", errs.Exhausted: "ResourceExhausted", errs.Unavailable: "Unavailable",
	errs.TooLarge: "OutOfRange", errs.Corrupt: "DataLoss", errs.Canceled: "Canceled", errs.Deadline: "DeadlineExceeded",
}

const errorsIntro = `# Errors

<!-- Made from adapters/httpapi/reasons.go: go test ./adapters/httpapi -run TestErrorsDocument -update -->

Every failure has a **reason**, which programs compare and which never changes its meaning, and a **kind**, which decides the
gRPC code and the HTTP status. Messages are for people and may change.

- In Go it is an ` + "`*errs.Error`" + ` of package ` + "`domain/errs`" + `: compare with ` + "`errs.Is(err, errs.ReasonRefMoved)`" + `.
- Over gRPC it is a status with a ` + "`google.rpc.ErrorInfo`" + ` of domain ` + "`gitstore`" + `, whose reason and metadata are these.
- Over HTTP it is a problem (RFC 9457, ` + "`application/problem+json`" + `): ` + "`type`, `title`, `status`, `detail`, `instance`" + ` (the request
  id, under which the logs of both services have it), ` + "`reason`, `field`" + ` (the member, parameter or header at fault) and
  ` + "`metadata`" + `, such as ` + "`expected`, `actual`, `path`, `ref`, `repository`, `incident`" + `. Which reasons an operation can answer with is said of each at ` + "`/docs`" + `, and by its
  ` + "`x-reasons`" + ` in ` + "`/openapi.json`" + `; over GraphQL see [there](graphql.md#errors).

The HTTP status follows from the reason, with these exceptions, where the request decides: a condition of ` + "`If-Match` or `If-None-Match`" + `
that does not hold is 412; an unsatisfiable ` + "`Range`" + ` is 416; a path that does not serve the method is 405; a body with a
` + "`Content-Encoding`" + `, or of a type that is not taken, is 415; a body that stalls is 408, of which git is told in its own protocol with a 200, and one that ends too early 400; too many streams of events are 503. 429 and 503 carry ` + "`Retry-After`" + `.

What net/http refuses before GitStore sees it (a malformed request line or header, headers above 16 KiB) is answered by it, as plain text.

| Reason | Kind | gRPC | HTTP | What it means | What to do |
|---|---|---|---|---|---|
`

func errorsDocument() string {
	var b strings.Builder
	b.WriteString(errorsIntro)
	for _, d := range reasonDocs() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %d | %s | %s |\n", d.Reason, d.Reason.Kind(), grpcCodes[d.Reason.Kind()], d.Status, d.Meaning, d.Remedy)
	}
	return b.String()
}

func TestErrorsDocumentListsEveryReason(t *testing.T) {
	want := errorsDocument()
	if *update {
		if err := os.WriteFile(errorsFile, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(errorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what reasons.go says: run this test with -update", errorsFile)
	}
	for _, r := range errs.Reasons() {
		if !strings.Contains(string(got), "| `"+string(r)+"` |") {
			t.Errorf("%s does not list %s", errorsFile, r)
		}
	}
}

const (
	graphqlFile = "../../docs/graphql.md"
	codesBegin  = "<!-- Made from what the operations of REST fail with: go test ./adapters/httpapi -run TestGraphQLDocument -update -->\n\n"
	codesEnd    = "\n<!-- The end of the codes. -->"
)

// graphqlRow are the reasons with which some fields fail.
type graphqlRow struct {
	fields  string
	reasons []errs.Reason
}

// graphqlFailures are the reasons of the operations of REST that do the same: the first row has those that any request can have, before
// it is executed or while it is, and which the others leave out.
func graphqlFailures() (rows []graphqlRow) {
	byID := map[string]*route{}
	for _, rt := range describedAPI().routes {
		byID[rt.spec.id] = rt
	}
	var common []errs.Reason
	for _, row := range [][]string{
		{"anything", "queryGraphQL", "executeGraphQL"},
		{"`catalog`, `node`", "getCatalog", "listProducts", "listCatalogProblems"},
		{"`releases`, `release`, `latestRelease`", "listReleases", "getRelease", "getLatestRelease"},
		{"`diff`", "diffCatalogs"},
		{"`createDocument`, `replaceDocument`, `putDocument`, `patchDocument`, `deleteDocument`, `changeDocuments`", "changeDocuments"},
		{"`publishRelease`", "createRelease"},
		{"`rollBack`", "rollBack"},
	} {
		all := failures{}
		for _, id := range row[1:] {
			for _, reasons := range byID[id].failures() {
				all.as(0, reasons...)
			}
		}
		all[0] = slices.DeleteFunc(all[0], func(r errs.Reason) bool { return slices.Contains(common, r) })
		if common == nil {
			all.as(0, slices.Concat(ofStore, ofMinCursor, []errs.Reason{errs.ReasonStorageFull})...)
			common = all[0]
		}
		rows = append(rows, graphqlRow{row[0], all[0]})
	}
	return rows
}

// describedAPI is an API that has every operation, to read and not to use.
func describedAPI() *api {
	return New(nil, Options{
		Metrics: http.NotFoundHandler(), Events: struct{ ports.EventSource }{}, Packs: struct{ ports.PackTransport }{},
		Catalogs: catalogs.New(nil, nil, catalogs.Options{}),
	}).(*api)
}

func TestGraphQLDocumentListsEveryCode(t *testing.T) {
	var table strings.Builder
	table.WriteString("| field | codes, besides those of anything |\n|---|---|\n")
	for _, row := range graphqlFailures() {
		names := make([]string, len(row.reasons))
		for i, r := range row.reasons {
			names[i] = "`" + string(r) + "`"
		}
		fmt.Fprintf(&table, "| %s | %s |\n", row.fields, strings.Join(names, ", "))
	}
	got, err := os.ReadFile(graphqlFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(got), codesBegin)
	_, after, ended := strings.Cut(rest, codesEnd)
	if !found || !ended {
		t.Fatalf("%s has no place for the codes", graphqlFile)
	}
	want := before + codesBegin + table.String() + codesEnd + after
	if *update {
		if err := os.WriteFile(graphqlFile, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if string(got) != want {
		t.Errorf("%s does not list the codes as they are: run this test with -update", graphqlFile)
	}
}

// TestEveryReasonIsOfAnOperation fails for a reason that no operation lists, but for those that HTTP does not tell of one.
func TestEveryReasonIsOfAnOperation(t *testing.T) {
	listed := map[errs.Reason]bool{
		// A push tells these in its report.
		errs.ReasonInvalidMode: true, errs.ReasonInvalidPack: true, errs.ReasonPackTooLarge: true,
		// RPCs of gRPC alone do: over HTTP branches and tags have short names, and move by commits.
		errs.ReasonNotFastForward: true, errs.ReasonRefNotWritable: true,
		// Whoever stands in front of the API does.
		errs.ReasonUnauthenticated: true,
	}
	for _, rt := range describedAPI().routes {
		for status, reasons := range rt.failures() {
			if failureDescriptions[status] == "" {
				t.Errorf("%s can answer %d, which is not described", rt.spec.id, status)
			}
			for _, r := range reasons {
				listed[r] = true
			}
		}
	}
	for _, r := range errs.Reasons() {
		if !listed[r] {
			t.Errorf("no operation is said to answer with %s", r)
		}
	}
}

func TestEveryReasonIsExplained(t *testing.T) {
	for _, r := range errs.Reasons() {
		e := explanations[r]
		if !strings.HasSuffix(e.meaning, ".") || !strings.HasSuffix(e.remedy, ".") && !strings.HasSuffix(e.remedy, ".x\".") {
			t.Errorf("%s: %q %q", r, e.meaning, e.remedy)
		}
		if status := reasonHTTPStatus(r); status < 400 || status > 599 {
			t.Errorf("%s has status %d", r, status)
		}
	}
	if len(explanations) != len(errs.Reasons()) {
		t.Errorf("%d explanations for %d reasons", len(explanations), len(errs.Reasons()))
	}
}

func TestEveryKindHasAStatus(t *testing.T) {
	for _, k := range errs.Kinds() {
		if kindStatus[k] == 0 || grpcCodes[k] == "" {
			t.Errorf("%s has no status", k)
		}
	}
}
