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
}

// template is the pattern as OpenAPI writes it.
func (rt *route) template() string {
	if rt.spec.template != "" {
		return rt.spec.template
	}
	return strings.ReplaceAll(rt.pattern, "...}", "}")
}

// match compares the segments of an escaped path with the pattern. It returns the decoded parameters and whether every
// segment fits; literal is the number of segments that were matched by name.
func (rt *route) match(segments []string) (params map[string]string, literal int, ok bool) {
	params = map[string]string{}
	pattern := strings.Split(rt.pattern, "/")
	for i, p := range pattern {
		if i >= len(segments) {
			return nil, 0, false
		}
		name, isParam := strings.CutPrefix(p, "{")
		switch {
		case !isParam && p != segments[i]:
			return nil, 0, false
		case !isParam:
			literal++
		case strings.HasSuffix(name, "...}"):
			params[strings.TrimSuffix(name, "...}")] = unescape(strings.Join(segments[i:], "/"))
			return params, literal, true
		default:
			params[strings.TrimSuffix(name, "}")] = unescape(segments[i])
		}
	}
	return params, literal, len(segments) == len(pattern)
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
	segments := strings.Split(r.URL.EscapedPath(), "/")
	var (
		best    *route
		params  map[string]string
		most    = -1
		allowed []string
	)
	for _, rt := range a.routes {
		p, literal, ok := rt.match(segments)
		if !ok {
			continue
		}
		allowed = append(allowed, rt.method)
		if rt.serves(r.Method) && literal > most {
			best, params, most = rt, p, literal
		}
	}
	if best != nil {
		return best, params, nil
	}
	return nil, nil, noRoute(r.Method, allowed)
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
