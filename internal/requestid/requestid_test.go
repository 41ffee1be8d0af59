package requestid_test

import (
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/internal/requestid"
)

func TestAContextCarriesTheID(t *testing.T) {
	if got := requestid.From(t.Context()); got != "" {
		t.Errorf("a context without an id carries %q", got)
	}
	id := requestid.New()
	if got := requestid.From(requestid.With(t.Context(), id)); got != id {
		t.Errorf("From = %q, want %q", got, id)
	}
}

func TestNewIDsDifferAndAreValid(t *testing.T) {
	a, b := requestid.New(), requestid.New()
	if a == b || !requestid.Valid(a) || len(a) != 32 {
		t.Errorf("New gave %q and %q", a, b)
	}
}

func TestOnlyPrintableIDsAreTakenFromOutside(t *testing.T) {
	for id, want := range map[string]bool{
		"": false, "a": true, "0f-8:e/~!": true, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false,
		"a b": false, "a\nb": false, "a\x00": false, "é": false, "\x7f": false,
	} {
		if got := requestid.Valid(id); got != want {
			t.Errorf("Valid(%q) = %t, want %t", id, got, want)
		}
	}
}
