package httpapi

import (
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

type healthJSON struct {
	Status string `json:"status" doc:"ok." enum:"ok"`
}

func (a *api) serviceRoutes() []*route {
	const group = "Service"
	page := map[int]content{http.StatusOK: {description: "A page.", mediaType: "text/html"}}
	routes := []*route{
		newRoute(http.MethodGet, "/healthz", spec{
			id: "getHealth", group: group, summary: "Is the process alive", routine: true, answers: ok("It is.", healthJSON{}),
		}, func(c *call) error { return c.answer(http.StatusOK, healthJSON{"ok"}) }),
		newRoute(http.MethodGet, "/readyz", spec{
			id: "getReadiness", group: group, summary: "Can requests be served", routine: true, answers: ok("They can.", healthJSON{}),
			failsAs: map[int][]errs.Reason{http.StatusServiceUnavailable: {errs.ReasonUnavailable, errs.ReasonDraining, errs.ReasonCatalogNotLoaded, errs.ReasonCanceled, errs.ReasonDeadlineExceeded}},
		}, a.getReadiness),
		newRoute(http.MethodGet, "/openapi.json", spec{
			id: "getOpenAPI", group: group, summary: "This description, in OpenAPI 3.1",
			answers: map[int]content{http.StatusOK: {description: "The document.", mediaType: "application/json"}},
		}, a.getOpenAPI),
		newRoute(http.MethodGet, "/docs", spec{id: "getDocs", group: group, summary: "This description, as a page", answers: page}, a.getDocs),
		newRoute(http.MethodGet, "/docs/errors", spec{
			id: "getErrorDocs", group: group, summary: "Every reason of a problem, as a page", answers: page,
		}, a.getErrorDocs),
	}
	if a.opts.Metrics != nil {
		routes = append(routes, newRoute(http.MethodGet, "/metrics", spec{
			id: "getMetrics", group: group, summary: "Metrics for Prometheus", routine: true,
			answers: map[int]content{http.StatusOK: {description: "The metrics.", mediaType: "text/plain"}},
		}, a.getMetrics))
	}
	return routes
}

func (a *api) getReadiness(c *call) error {
	err := a.opts.Ready(c.r.Context())
	if err == nil {
		return c.answer(http.StatusOK, healthJSON{"ok"})
	}
	if _, ours := errors.AsType[*errs.Error](err); !ours {
		err = errs.Wrap(err, errs.ReasonUnavailable, "the service is not ready: try again later")
	}
	return withStatus(http.StatusServiceUnavailable, err)
}

func (a *api) getMetrics(c *call) error {
	a.opts.Metrics.ServeHTTP(c.w, c.r)
	return nil
}

func (a *api) getOpenAPI(c *call) error {
	c.w.Header().Set("Content-Type", "application/json")
	_, err := c.w.Write(a.document.json)
	return err
}

var (
	//go:embed docs.html
	docsHTML string
	//go:embed errors.html
	errorsHTML string

	docsPage   = template.Must(template.New("docs").Funcs(template.FuncMap{"anchor": schemaAnchor, "kind": schemaKind, "deref": deref}).Parse(docsHTML))
	errorsPage = template.Must(template.New("errors").Parse(errorsHTML))
)

// pagePolicy lets a page of ours use the style it holds, and nothing from anywhere.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (c *call) sendPage(page *template.Template, data any) error {
	h := c.w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	return page.Execute(c.w, data)
}

// docsGroup is a heading of the documentation with its operations.
type docsGroup struct {
	Name       string
	Operations []*huma.Operation
}

func (a *api) getDocs(c *call) error {
	var byGroup []docsGroup
	for _, tag := range a.document.openapi.Tags {
		byGroup = append(byGroup, docsGroup{Name: tag.Name})
	}
	for _, rt := range a.routes {
		i := slices.IndexFunc(byGroup, func(g docsGroup) bool { return g.Name == rt.spec.group })
		byGroup[i].Operations = append(byGroup[i].Operations, a.document.operation(rt))
	}
	return c.sendPage(docsPage, map[string]any{
		"Info": a.document.openapi.Info, "Groups": byGroup, "Schemas": a.document.openapi.Components.Schemas.Map(),
	})
}

// operation returns what the document says of a route.
func (d *document) operation(rt *route) *huma.Operation {
	item := d.openapi.Paths[rt.template()]
	return map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodHead: item.Head, http.MethodPost: item.Post,
		http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}[rt.method]
}

// schemaAnchor returns the name of the schema that s refers to, itself or by its items; "" if it refers to none.
func schemaAnchor(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	if s.Items != nil {
		s = s.Items
	}
	return strings.TrimPrefix(s.Ref, "#/components/schemas/")
}

// schemaKind says in a few words what values a schema has.
func schemaKind(s *huma.Schema) string {
	switch {
	case s == nil:
		return "bytes"
	case s.Ref != "":
		return schemaAnchor(s)
	case s.Type == huma.TypeArray:
		return "array of " + schemaKind(s.Items)
	case len(s.Enum) > 0:
		words := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			words[i], _ = v.(string)
		}
		return strings.Join(words, " | ")
	case s.ContentEncoding != "":
		return s.ContentEncoding
	case s.Format == formatTime:
		return "time"
	}
	return s.Type
}

func (a *api) getErrorDocs(c *call) error { return c.sendPage(errorsPage, reasonDocs()) }
