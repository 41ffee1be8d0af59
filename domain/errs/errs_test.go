package errs_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// declaredReasons reads the constants from the source, so that none can be left out of the table.
func declaredReasons(t *testing.T) []errs.Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []errs.Reason
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		s, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, errs.Reason(s))
		return false
	})
	return reasons
}

func TestEveryReasonHasAKind(t *testing.T) {
	declared := declaredReasons(t)
	slices.Sort(declared)
	if got := errs.Reasons(); !slices.Equal(got, declared) {
		t.Errorf("Reasons = %q, want what is declared, %q", got, declared)
	}
	if len(slices.Compact(slices.Clone(declared))) != len(declared) {
		t.Error("a reason is declared twice")
	}
	kinds := map[errs.Kind]bool{}
	for _, r := range declared {
		kinds[r.Kind()] = true
		if r.Kind() == errs.Internal && r != errs.ReasonInternal {
			t.Errorf("%s has no kind", r)
		}
		if strings.Trim(string(r), "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
			t.Errorf("reason %q is not in capitals", r)
		}
	}
	for _, k := range errs.Kinds() {
		if !kinds[k] {
			t.Errorf("no reason is %s", k)
		}
	}
	if errs.Reason("NEW").Kind() != errs.Internal {
		t.Error("an unknown reason is not internal")
	}
}

func TestEveryKindHasAName(t *testing.T) {
	names := map[string]bool{}
	for _, k := range errs.Kinds() {
		if names[k.String()] || k.String() == "" {
			t.Errorf("kind %d is called %q", k, k)
		}
		names[k.String()] = true
	}
	if got := errs.Kind(200).String(); got != "kind(200)" {
		t.Errorf("an unknown kind is called %q", got)
	}
}

func TestErrorShowsNoCause(t *testing.T) {
	err := errs.Wrap(io.ErrUnexpectedEOF, errs.ReasonInternal, "reading failed")
	if err.Error() != "reading failed" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the error is %q and wraps %v", err, errors.Unwrap(err))
	}
	err.Op = "GetFile"
	if err.Error() != "GetFile: reading failed" {
		t.Errorf("the error is %q", err)
	}
	if got := (&errs.Error{Kind: errs.NotFound}).Error(); got != "not found" {
		t.Errorf("an error without a message is %q", got)
	}
}

func TestErrorsAreToldApartByReasonAndKind(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", errs.New(errs.ReasonPathNotFound, "m", errs.MetaPath, "a", "odd"))
	for name, ok := range map[string]bool{
		"by reason":        errors.Is(err, errs.New(errs.ReasonPathNotFound, "")),
		"by kind":          errors.Is(err, &errs.Error{Kind: errs.NotFound}),
		"not another one":  !errors.Is(err, errs.New(errs.ReasonRefNotFound, "")),
		"not another kind": !errors.Is(err, &errs.Error{Kind: errs.Exists}),
		"Is":               errs.Is(err, errs.ReasonRefNotFound, errs.ReasonPathNotFound),
		"Is of none":       !errs.Is(err),
		"Is of others":     !errs.Is(err, errs.ReasonRefNotFound),
		"KindOf":           errs.KindOf(err) == errs.NotFound,
		"ReasonOf":         errs.ReasonOf(err) == errs.ReasonPathNotFound,
		"meta":             maps.Equal(errs.From(err).Meta, map[string]string{errs.MetaPath: "a"}),
		"nil":              !errs.Is(nil, errs.ReasonInternal) && errs.ReasonOf(nil) == "" && errs.From(nil) == nil,
	} {
		if !ok {
			t.Errorf("%s does not hold", name)
		}
	}
}

func TestContextErrorsAreRecognised(t *testing.T) {
	tests := []struct {
		err    error
		reason errs.Reason
	}{
		{context.Canceled, errs.ReasonCanceled},
		{context.DeadlineExceeded, errs.ReasonDeadlineExceeded},
		{errors.New("anything"), errs.ReasonInternal},
	}
	for _, tt := range tests {
		err := errs.From(fmt.Errorf("wrapped: %w", tt.err))
		if err.Reason != tt.reason || err.Kind != tt.reason.Kind() || !errors.Is(err, tt.err) {
			t.Errorf("From(%v) = %v of reason %s", tt.err, err, err.Reason)
		}
	}
	// As they are once they have crossed the wire, without their cause:
	if !errors.Is(errs.New(errs.ReasonCanceled, "m"), context.Canceled) || !errors.Is(errs.New(errs.ReasonDeadlineExceeded, "m"), context.DeadlineExceeded) {
		t.Error("a context's error is not recognised without its cause")
	}
	if errors.Is(errs.New(errs.ReasonInternal, "m"), context.Canceled) {
		t.Error("an internal error is taken for a cancellation")
	}
}

func TestWithMetaLeavesTheOriginalAlone(t *testing.T) {
	bare := errs.New(errs.ReasonRefMoved, "m")
	one := bare.WithMeta(errs.MetaExpected, "a")
	two := one.WithMeta(errs.MetaActual, "b")
	if bare.Meta != nil || len(one.Meta) != 1 || len(two.Meta) != 2 || two.Reason != errs.ReasonRefMoved {
		t.Errorf("Meta is %v, then %v, then %v", bare.Meta, one.Meta, two.Meta)
	}
	field := errs.InvalidField(errs.ReasonInvalidMode, "mode", "mode %q", "x")
	if field.Msg != `mode "x"` || field.Meta[errs.MetaField] != "mode" || field.Kind != errs.Invalid {
		t.Errorf("InvalidField = %+v", field)
	}
}
