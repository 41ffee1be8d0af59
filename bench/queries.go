package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
)

// queries measures queries for one product: in the handler alone, over HTTP, and over HTTP from a handler that answers as
// many bytes and does nothing else.
func (r *report) queries(ctx context.Context, s *system) error {
	handler := httpapi.New(s.replicas[0].client, httpapi.Options{Catalogs: s.replicas[0].catalogs})
	path := func(i int) string {
		return "/v1/repositories/" + followed + "/catalog/products/" + catalogdata.ProductID(i%products)
	}
	sample := httptest.NewRecorder()
	handler.ServeHTTP(sample, httptest.NewRequestWithContext(ctx, http.MethodGet, path(1), nil))
	if sample.Code != http.StatusOK {
		return fmt.Errorf("%s: %d", path(1), sample.Code)
	}
	echo := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), sample.Header())
		_, _ = w.Write(sample.Body.Bytes())
	})
	ask := func(caller int) error {
		for i := range queriesEach {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, path(caller*queriesEach+i), nil)
			if err != nil {
				return err
			}
			w := &discarding{header: http.Header{}}
			if handler.ServeHTTP(w, req); w.status != http.StatusOK {
				return fmt.Errorf("status %d", w.status)
			}
		}
		return nil
	}
	first, err := rate(products/queriesEach, ask)
	if err != nil {
		return err
	}
	alone, err := rate(queryCallers, ask)
	if err != nil {
		return err
	}
	least, err := overHTTP(ctx, echo, path)
	if err != nil {
		return err
	}
	ours, err := overHTTP(ctx, handler, path)
	if err != nil {
		return err
	}
	r.fact("", "the first query of each product since it changed, which is encoded for it, the handler alone", "%s/s", number(first))
	r.fact("", "queries of one product, the handler alone", "%s/s", number(alone))
	r.fact("", "the same answer over HTTP from a handler that does nothing, 16 callers in the same process", "%s/s", number(least))
	r.fact("≥ 20,000/s"+verdict(ours >= 20_000), "queries of one product over HTTP, 16 callers in the same process", "%s/s, %.2f of that", number(ours), ours/least)
	return nil
}

// discarding is an [http.ResponseWriter] for nobody.
type discarding struct {
	header http.Header
	status int
}

func (d *discarding) Header() http.Header { return d.header }

func (d *discarding) WriteHeader(status int) { d.status = status }

func (d *discarding) Write(b []byte) (int, error) {
	d.status = cmp.Or(d.status, http.StatusOK)
	return len(b), nil
}

const (
	queryCallers = 16
	// products are asked for once by the first callers, queriesEach by each.
	products, queriesEach = 9900, 1980
)

// rate returns how many of the callers' queries are done in a second.
func rate(callers int, work func(caller int) error) (float64, error) {
	errs := make([]error, callers)
	var asking sync.WaitGroup
	begin := time.Now()
	for caller := range callers {
		asking.Go(func() { errs[caller] = work(caller) })
	}
	asking.Wait()
	return float64(callers*queriesEach) / time.Since(begin).Seconds(), errors.Join(errs...)
}

// overHTTP has the handler served, and asks it over connections that are kept.
func overHTTP(ctx context.Context, handler http.Handler, path func(int) string) (perSecond float64, err error) {
	address, closeServer, err := serveHTTP(handler)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closeServer()) }()
	return rate(queryCallers, func(caller int) (err error) {
		c := &httpClient{address: address}
		defer func() { err = errors.Join(err, c.close()) }()
		for i := range queriesEach {
			if err := c.get(ctx, path(caller*queriesEach+i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// serveHTTP serves the handler until it is closed.
func serveHTTP(handler http.Handler) (address string, closeServer func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := httpapi.NewServer(handler, l.Addr().String(), httpapi.Options{})
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	return l.Addr().String(), func() error {
		err := server.Close()
		serving.Wait()
		return err
	}, nil
}

// httpClient is a client of one connection, which it makes anew if the server has closed it meanwhile. It shares the cores with the server, so it does no more than HTTP/1.1 needs: net/http's
// takes as much of them as the server.
type httpClient struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
	request []byte
}

func (c *httpClient) get(ctx context.Context, path string) error {
	if c.conn != nil && c.ask(path) == nil {
		return nil
	}
	_ = c.close()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	c.conn, c.in = conn, bufio.NewReader(conn)
	return c.ask(path)
}

func (c *httpClient) ask(path string) error {
	c.request = fmt.Appendf(c.request[:0], "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, c.address)
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	return answered(c.in)
}

func (c *httpClient) close() error {
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

// answered reads an answer that tells its length.
func answered(in *bufio.Reader) error {
	status, length := "", -1
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if status == "" {
			status = string(bytes.TrimSpace(line))
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	if status != "HTTP/1.1 200 OK" || length < 0 {
		return fmt.Errorf("%s, with %d bytes", status, length)
	}
	_, err := in.Discard(length)
	return err
}
