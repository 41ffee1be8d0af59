package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

// querySizes are the numbers of products of the catalogs that are asked; 300 other documents come to each.
var querySizes = []int{9_900, 99_700}

// kindOfQuery is a question about a catalog: a path below it, or GraphQL.
type kindOfQuery struct {
	name  string
	path  func(i int) string
	query func(i int) string
}

const twentyOf = "page_size=20&body=none&"

var kindsOfQueries = []kindOfQuery{
	{"one product by its id", func(i int) string { return "products/" + catalogdata.ProductID(i) }, nil},
	{"the same, GraphQL", nil, func(i int) string {
		return fmt.Sprintf(`{ catalog(repository: "followed") { product(documentId: %q) { documentId slug title path blobId sku price currency status inventoryStatus tags fields body } } }`,
			catalogdata.ProductID(i))
	}},
	{"one product by its slug", func(i int) string { return "products?slug=" + catalogdata.Slug(i) }, nil},
	{"20 products of a category and all below it", func(i int) string {
		return "products?" + twentyOf + "category_tree=" + catalogdata.CategoryID(i%30)
	}, nil},
	{"the same, GraphQL", nil, func(i int) string {
		return fmt.Sprintf(`{ catalog(repository: "followed") { products(first: 20, filter: {categoryTree: %q}) { nodes { documentId slug title path blobId sku price currency status inventoryStatus tags fields } pageInfo { endCursor } } } }`,
			catalogdata.CategoryID(i%30))
	}},
	{"the 20 cheapest in a range of prices", func(i int) string {
		return fmt.Sprintf("products?%sprice_min=%d&price_max=%d&currency=EUR&sort=price", twentyOf, i%100, i%100+50)
	}, nil},
	{"20 products with a field", func(i int) string {
		return "products?" + twentyOf + "filter=attributes.material%3D" + []string{"oak", "brass", "glass"}[i%3]
	}, nil},
	{"20 products with two words", func(i int) string {
		return "products?" + twentyOf + "q=" + []string{"copper", "walnut", "linen"}[i%3] + "+kettle"
	}, nil},
	{"20 products that hold a word that none has", func(int) string { return "products?" + twentyOf + "q=nowhere" }, nil},
}

// silent is a source of events of which none comes.
type silent struct{}

func (silent) Subscribe(ctx context.Context, _ ports.Subscription) iter.Seq2[event.Notice, error] {
	return func(func(event.Notice, error) bool) { <-ctx.Done() }
}

// queryKinds measures what each kind of query takes in the handler of an API, by the size of the catalog.
func (r *report) queryKinds(ctx context.Context) error {
	r.kinds = make([][]string, len(kindsOfQueries))
	for _, size := range querySizes {
		if err := r.queriesOf(ctx, size); err != nil {
			return fmt.Errorf("%d products: %w", size, err)
		}
	}
	return nil
}

func (r *report) queriesOf(ctx context.Context, size int) (err error) {
	store := memrepo.New()
	id := repositoryID(followed)
	if _, err := store.CreateRepository(ctx, ports.CreateRepository{ID: id}); err != nil {
		return err
	}
	var files []file
	for path, content := range catalogdata.New(1, catalogdata.Options{Products: size}).Files() {
		files = append(files, file{treePath(path), []byte(content)})
	}
	documents := len(files)
	for part := range slicesOf(files, 10_000) {
		if err := commit(ctx, store.Repository(id), part...); err != nil {
			return err
		}
	}
	before := heap()
	follower := catalogs.New(store, []catalogs.Target{{Repository: id}}, catalogs.Options{})
	running, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() { follower.Run(running, silent{}) })
	defer func() {
		stop()
		following.Wait()
	}()
	for follower.Ready() != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	status, err := follower.Status(id)
	if err != nil {
		return err
	}
	r.kindHeads = append(r.kindHeads, fmt.Sprintf("%d documents, the first", documents), "then", fmt.Sprintf("of %d callers", queryCallers), "p50, p99")
	r.kindNotes = append(r.kindNotes, fmt.Sprintf("%d documents take %.1f KiB of heap each, and were loaded in %s", documents,
		float64(heap()-before)/1024/float64(documents), duration(status.Work.Last.Duration)))
	handler := httpapi.New(store, httpapi.Options{Catalogs: follower})
	for k, kind := range kindsOfQueries {
		first, then, err := kind.measure(ctx, handler, size)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		perSecond, samples, err := kind.together(ctx, handler, size)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		r.kinds[k] = append(r.kinds[k], duration(first), duration(then), number(perSecond)+"/s",
			duration(percentile(samples, 50))+", "+duration(percentile(samples, 99)))
	}
	runtime.KeepAlive(store)
	return nil
}

func slicesOf[T any](all []T, n int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for len(all) > 0 {
			part := all[:min(n, len(all))]
			if all = all[len(part):]; !yield(part) {
				return
			}
		}
	}
}

// measure returns what the first query takes, and the median of a second of others, which are 5 at least.
func (k kindOfQuery) measure(ctx context.Context, handler http.Handler, size int) (first, then time.Duration, err error) {
	var samples []time.Duration
	for i, begin := 0, time.Now(); i < 6 || time.Since(begin) < time.Second; i++ {
		took, err := k.ask(ctx, handler, i*7%size)
		if err != nil {
			return 0, 0, err
		}
		samples = append(samples, took)
	}
	return samples[0], percentile(samples[1:], 50), nil
}

// together returns how many queries are answered in a second to [queryCallers], of which each asks again at once, and what
// each query took.
func (k kindOfQuery) together(ctx context.Context, handler http.Handler, size int) (perSecond float64, samples []time.Duration, err error) {
	var mu sync.Mutex
	took, n, err := concurrent("", queryCallers, func(ctx context.Context, _ int) error {
		one, err := k.ask(ctx, handler, rand.IntN(size))
		mu.Lock()
		defer mu.Unlock()
		samples = append(samples, one)
		return err
	}).turn(ctx, time.Second)
	return float64(n) / took.Seconds(), samples, err
}

// ask returns what a query takes.
func (k kindOfQuery) ask(ctx context.Context, handler http.Handler, i int) (time.Duration, error) {
	req, err := k.request(ctx, i)
	if err != nil {
		return 0, err
	}
	w := httptest.NewRecorder()
	asked := time.Now()
	handler.ServeHTTP(w, req)
	took := time.Since(asked)
	if body := w.Body.String(); w.Code != http.StatusOK || strings.HasPrefix(body, `{"errors"`) {
		return 0, errors.New(body)
	}
	return took, nil
}

func (k kindOfQuery) request(ctx context.Context, i int) (*http.Request, error) {
	if k.path != nil {
		return http.NewRequestWithContext(ctx, http.MethodGet, "/v1/repositories/"+followed+"/catalog/"+k.path(i), nil)
	}
	body, err := json.Marshal(map[string]string{"query": k.query(i)})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/graphql", bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// printKinds prints what each kind of query takes.
func (r *report) printKinds() {
	if len(r.kinds) == 0 {
		return
	}
	fmt.Printf("\n| query, in the handler, one at a time and together | %s |\n|---|%s\n", strings.Join(r.kindHeads, " | "), strings.Repeat("--:|", len(r.kindHeads)))
	for k, kind := range kindsOfQueries {
		fmt.Printf("| %s |", kind.name)
		for _, figure := range r.kinds[k] {
			fmt.Printf(" %s |", figure)
		}
		fmt.Println()
	}
	fmt.Printf("\n%s.\n", strings.Join(r.kindNotes, "; "))
}
