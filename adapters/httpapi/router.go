package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// route is one operation: what it matches, how it is described, and what serves it.
type route struct {
	method string
	// pattern is the path, in which "{name}" stands for one segment and "{name...}", at the end, for all that follow.
	pattern string
	spec    spec
	serve   func(*call) error
	// segments is the pattern divided at its slashes.
	segments []string
}

func newRoute(method, pattern string, spec spec, serve func(*call) error) *route {
	return &route{method, pattern, spec, serve, strings.Split(pattern, "/")}
}

// template is the pattern as OpenAPI writes it.
func (rt *route) template() string {
	if rt.spec.template != "" {
		return rt.spec.template
	}
	return strings.ReplaceAll(rt.pattern, "...}", "}")
}

// match reports whether the segments of an escaped path fit the pattern, and how many of them did by name.
func (rt *route) match(path []string) (literal int, ok bool) {
	for i, s := range rt.segments {
		switch {
		case i >= len(path):
			return 0, false
		case strings.HasSuffix(s, "...}"):
			return literal, true
		case strings.HasPrefix(s, "{"):
		case s != path[i]:
			return 0, false
		default:
			literal++
		}
	}
	return literal, len(path) == len(rt.segments)
}

// params returns the decoded parameters of a path that matches.
func (rt *route) params(path []string) map[string]string {
	params := map[string]string{}
	for i, s := range rt.segments {
		name, isParam := strings.CutPrefix(s, "{")
		if rest, all := strings.CutSuffix(name, "...}"); isParam && all {
			params[rest] = unescape(strings.Join(path[i:], "/"))
		} else if isParam {
			params[strings.TrimSuffix(name, "}")] = unescape(path[i])
		}
	}
	return params
}

// unescape decodes once. The escapes were checked when the URL was parsed, so it cannot fail.
func unescape(segment string) string {
	s, err := url.PathUnescape(segment)
	if err != nil {
		return segment
	}
	return s
}

// find returns the route that serves the request: of those that match path and method the one with the most literal
// segments. HEAD is served by GET where it has no route of its own.
func (a *api) find(r *http.Request) (*route, map[string]string, error) {
	path := strings.Split(r.URL.EscapedPath(), "/")
	var (
		best    *route
		most    = -1
		allowed []string
	)
	for _, rt := range a.routes {
		literal, ok := rt.match(path)
		if !ok {
			continue
		}
		allowed = append(allowed, rt.method)
		if rt.serves(r.Method) && literal > most {
			best, most = rt, literal
		}
	}
	if best == nil {
		return nil, nil, noRoute(r.Method, allowed)
	}
	return best, best.params(path), nil
}

// serves puts a route for HEAD before the one for GET, as it is listed first.
func (rt *route) serves(method string) bool {
	return rt.method == method || method == http.MethodHead && rt.method == http.MethodGet
}

func noRoute(method string, allowed []string) error {
	if len(allowed) == 0 {
		return errs.New(errs.ReasonMethodNotFound, "there is nothing at this path: see /docs for what there is")
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	allow := strings.Join(slices.Compact(allowed), ", ")
	err := errs.New(errs.ReasonMethodNotFound, "this path does not serve "+clip(method, 32)+": use one of "+allow)
	return &statusError{status: http.StatusMethodNotAllowed, err: err, header: http.Header{"Allow": {allow}}}
}

// clip shortens what a client sent to what fits a message or a log line.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
