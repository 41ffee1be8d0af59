package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/page"
)

// CheckDocumented returns an error if the document does not have the reason among those of the status for the operation that serves a
// request. An answer without a reason needs its status there.
func CheckDocumented(handler http.Handler, r *http.Request, status int, reason string) error {
	a, ok := handler.(*api)
	if !ok {
		return nil
	}
	rt, _, err := a.find(r)
	if err != nil {
		return nil //nolint:nilerr // there is no operation
	}
	documented := a.document.operation(rt)
	key := fmt.Sprint(status)
	if documented.Responses[key] == nil {
		return fmt.Errorf("%s is not documented to answer %d", rt.spec.id, status)
	}
	all := documented.Extensions["x-reasons"].(failures)
	if reason != "" && !slices.Contains(all[status], errs.Reason(reason)) {
		return fmt.Errorf("%s is not documented to answer %d with %s, but %s", rt.spec.id, status, reason, all[status])
	}
	return nil
}

// ForgedToken is a page token of a request that says what the caller wants; the checksum is that of the listing.
func ForgedToken(handler http.Handler, r *http.Request, t page.Token) string {
	a := handler.(*api)
	rt, params, err := a.find(r)
	if err != nil {
		panic(err)
	}
	return page.Encode((&call{route: rt, path: params, query: r.URL.Query()}).scope(), t)
}

// Drains is how many bodies are read although their answers have gone.
func Drains(handler http.Handler) int64 { return handler.(*api).drains.Load() }

// JSONMemory is how many bytes of JSON bodies are counted.
func JSONMemory(handler http.Handler) int64 { return handler.(*api).json.Used() }

// MaxDrains and MaxDrained are the bounds of that.
const (
	MaxDrains  = maxDrains
	MaxDrained = maxDrained
)

// GraphQLCodes returns the codes that docs/graphql.md lists.
var GraphQLCodes = sync.OnceValue(func() (codes []string) {
	for _, row := range graphqlFailures() {
		for _, r := range row.reasons {
			codes = append(codes, string(r))
		}
	}
	return codes
})
