// Command openapi writes the OpenAPI document of an API that serves everything to its standard output, without one that runs.
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/ports"
)

func main() {
	handler := httpapi.New(nil, httpapi.Options{
		Metrics:  http.NotFoundHandler(),
		Events:   struct{ ports.EventSource }{},
		Packs:    struct{ ports.PackTransport }{},
		Catalogs: catalogs.New(nil, nil, catalogs.Options{}),
	})
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if _, err := answer.Body.WriteTo(os.Stdout); err != nil || answer.Code != http.StatusOK {
		_, _ = fmt.Fprintln(os.Stderr, "there is no document:", answer.Code, err)
		os.Exit(1)
	}
}
