package requestid_test

import (
	"context"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/internal/requestid"
)

func TestAContextCarriesItsID(t *testing.T) {
	ctx := context.Background()
	if got := requestid.From(ctx); got != "" {
		t.Errorf("a context without an id has %q", got)
	}
	if got := requestid.From(requestid.With(ctx, "abc")); got != "abc" {
		t.Errorf("got %q", got)
	}
}

func TestNewIDsAreValidAndDiffer(t *testing.T) {
	a, b := requestid.New(), requestid.New()
	if a == b || !requestid.Valid(a) || !requestid.Valid(b) {
		t.Errorf("got %q and %q", a, b)
	}
}

func TestValid(t *testing.T) {
	for id, want := range map[string]bool{
		"a": true, "0f8f-1/~!": true, strings.Repeat("x", 128): true,
		"": false, "a b": false, "a\nb": false, "\x7f": false, "é": false, strings.Repeat("x", 129): false,
	} {
		if got := requestid.Valid(id); got != want {
			t.Errorf("Valid(%q) is %t", id, got)
		}
	}
}
