package httpapi

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
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
  ` + "`metadata`" + `, such as ` + "`expected`, `actual`, `path`, `ref`, `repository`, `incident`" + `.

The HTTP status follows from the reason, with these exceptions, where the request decides: a condition of ` + "`If-Match` or `If-None-Match`" + `
that does not hold is 412; an unsatisfiable ` + "`Range`" + ` is 416; a path that does not serve the method is 405; a body with a
` + "`Content-Encoding`" + ` is 415; a body that stalls is 408, and one that ends too early 400; too many streams of events are 503. 429 and 503 carry ` + "`Retry-After`" + `.

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
