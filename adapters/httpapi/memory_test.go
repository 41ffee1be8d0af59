package httpapi_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

const large = 64 << 20

// zeros is content that takes no memory.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// heap watches how large the heap gets above where it began.
type heap struct{ base, peak uint64 }

func newHeap() *heap {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return &heap{base: m.HeapAlloc}
}

func (h *heap) sample() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.peak = max(h.peak, m.HeapAlloc)
}

func (h *heap) staysBelow(t *testing.T, limit uint64) {
	t.Helper()
	h.sample()
	if grown := h.peak - min(h.base, h.peak); grown > limit {
		t.Errorf("the heap grew by %d MiB, want at most %d", grown>>20, limit>>20)
	}
}

// drain reads to the end and samples the heap now and then.
func (h *heap) drain(r io.Reader) (n int64, err error) {
	for {
		k, err := io.CopyN(io.Discard, r, 1<<20)
		n += k
		h.sample()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func TestALargeFileIsStreamedBothWaysInLittleMemory(t *testing.T) {
	h := newHeap()
	var received int64
	id := git.SHA1.HashObject(git.BlobObject, nil)
	c := serve(t, stub{
		read: func(ports.ReadFile) (ports.File, io.ReadCloser, error) {
			return ports.File{Size: large, Blob: id, Commit: id}, io.NopCloser(io.LimitReader(zeros{}, large)), nil
		},
		commit: func(changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
			for change, err := range changes {
				if err != nil {
					return ports.CommitResult{}, err
				}
				if change.Size != large {
					return ports.CommitResult{}, fmt.Errorf("size %d", change.Size)
				}
				if received, err = h.drain(change.Content); err != nil {
					return ports.CommitResult{}, err
				}
			}
			return ports.CommitResult{Commit: id, Tree: id}, nil
		},
	}, httpapi.Options{})
	sized := func(r *http.Request) { r.ContentLength = large }
	c.do(http.MethodPut, shop+"/files/large", io.LimitReader(zeros{}, large), sized).wants(http.StatusCreated)
	if received != large {
		t.Errorf("the store received %d bytes", received)
	}
	resp, err := c.http.Get(c.server.URL + shop + "/files/large")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := h.drain(resp.Body); n != large || err != nil {
		t.Errorf("the client received %d bytes: %v", n, err)
	}
	h.staysBelow(t, 32<<20)
}

func TestACommitOfManyActionsHoldsOneAtATime(t *testing.T) {
	h := newHeap()
	id := git.SHA1.HashObject(git.BlobObject, nil)
	count := 0
	c := serve(t, stub{commit: func(changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
		for change, err := range changes {
			if err != nil {
				return ports.CommitResult{}, err
			}
			count++
			if _, err := h.drain(change.Content); err != nil {
				return ports.CommitResult{}, err
			}
		}
		return ports.CommitResult{Commit: id, Tree: id}, nil
	}}, httpapi.Options{})
	const actions = 128
	content := strings.Repeat("x", 1<<20)
	body := []io.Reader{strings.NewReader(`{"branch":"main","message":"m","actions":[`)}
	for i := range actions {
		comma := ","
		if i == 0 {
			comma = ""
		}
		body = append(body, strings.NewReader(fmt.Sprintf(`%s{"action":"create","path":"f%d","content":"`, comma, i)),
			strings.NewReader(content), strings.NewReader(`"}`))
	}
	body = append(body, strings.NewReader(`]}`))
	c.do(http.MethodPost, shop+"/commits", io.MultiReader(body...)).wants(http.StatusCreated)
	if count != actions {
		t.Errorf("the store received %d actions", count)
	}
	h.staysBelow(t, 64<<20)
}

// largeAction is a commit of one file of size bytes, whose text is made while it is sent.
func largeAction(size int64, member string) io.Reader {
	body := strings.NewReader(`{"branch":"main","message":"m","actions":[{"action":"create","` + member + `":"`)
	return io.MultiReader(body, io.LimitReader(letters{}, size), strings.NewReader(`","path":"f"}]}`))
}

// letters are text, and base64 of as many bytes as three quarters of it have.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

func TestALargeActionIsHeldOnce(t *testing.T) {
	for member, text := range map[string]int64{"content": large, "content_base64": large / 3 * 4} {
		t.Run(member, func(t *testing.T) {
			h := newHeap()
			defer debug.SetGCPercent(debug.SetGCPercent(10))
			c := serve(t, stub{commit: func(changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
				for change, err := range changes {
					if err != nil {
						return ports.CommitResult{}, err
					}
					if n, err := h.drain(change.Content); err != nil || n != change.Size {
						return ports.CommitResult{}, fmt.Errorf("%d bytes of %d: %w", n, change.Size, err)
					}
				}
				return ports.CommitResult{Commit: git.SHA1.HashObject(git.BlobObject, nil)}, nil
			}}, httpapi.Options{})
			c.do(http.MethodPost, shop+"/commits", largeAction(text, member)).wants(http.StatusCreated)
			h.staysBelow(t, large+large/4)
		})
	}
}

// Each commit holds its action until it is let go on, so that all would be in memory at once.
func TestWhatJSONHoldsInMemoryIsBounded(t *testing.T) {
	const size, limit = 16 << 20, 40 << 20
	h := newHeap()
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	held, proceed := make(chan struct{}), make(chan struct{})
	c := serve(t, stub{commit: func(changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
		for change, err := range changes {
			if err != nil {
				return ports.CommitResult{}, err
			}
			if change.Size == size {
				held <- struct{}{}
				<-proceed
			}
			h.sample()
		}
		return ports.CommitResult{Commit: git.SHA1.HashObject(git.BlobObject, nil)}, nil
	}}, httpapi.Options{MaxJSONMemory: limit})
	commit := func() answer { return c.do(http.MethodPost, shop+"/commits", largeAction(size, "content")) }
	done := make(chan answer)
	for range limit / size {
		go func() { done <- commit() }()
		<-held
	}
	for range 8 {
		refused := commit().problem(http.StatusServiceUnavailable, "QUEUE_FULL")
		if refused.header.Get("Retry-After") == "" {
			t.Error("a refused commit is not told when to come back")
		}
	}
	c.do(http.MethodPost, shop+"/commits", largeAction(1<<20, "content")).wants(http.StatusCreated)
	h.staysBelow(t, limit+limit/2)

	proceed <- struct{}{}
	(<-done).wants(http.StatusCreated)
	go func() { done <- commit() }()
	<-held
	for range limit / size {
		proceed <- struct{}{}
		(<-done).wants(http.StatusCreated)
	}
	if n := httpapi.JSONMemory(c.server.Config.Handler); n != 0 {
		t.Errorf("%d bytes are counted when nothing is held", n)
	}
}

func TestSmallJSONIsBoundedAsWell(t *testing.T) {
	c := serve(t, newStore(t), httpapi.Options{MaxJSONMemory: 64 << 10})
	body := `{"id":"shop","default_branch":"` + strings.Repeat("x", 512<<10) + `"}`
	c.post("/v1/repositories", body).problem(http.StatusServiceUnavailable, "QUEUE_FULL")
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	c.post(shop+"/commits", `{"branch":"main","message":"m","actions":[{"action":"create","path":"f","content":"x"}]}`).wants(http.StatusCreated)
	for _, broken := range []string{`{"branch":"main"`, `{"branch":"main","message":"m","actions":[{"action":"create","path":"f","content":"x`, `[]`} {
		c.post(shop+"/commits", broken).problem(http.StatusBadRequest, "INVALID_ARGUMENT")
	}
	if n := httpapi.JSONMemory(c.server.Config.Handler); n != 0 {
		t.Errorf("%d bytes are counted when nothing is held", n)
	}
}

// Many a client stops sending when it is refused, and reads the answer to its end.
func TestWhoWaitsForTheAnswerInTheMidstOfABodySeesItsEnd(t *testing.T) {
	for _, target := range []string{"/graphql", "/v1/repositories", "/git/shop.git/git-upload-pack"} {
		t.Run(target, func(t *testing.T) {
			c := serve(t, newStore(t), httpapi.Options{Catalogs: catalogs.New(nil, nil, catalogs.Options{}), Packs: &packs{}})
			conn, err := net.Dial("tcp", c.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n", target); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if told, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusUnsupportedMediaType || len(told) == 0 {
				t.Errorf("%s: %q, %v", resp.Status, told, err)
			}
		})
	}
}

// Many a client reads no answer before it has sent all it has to.
func TestWhoIsRefusedInTheMidstOfABodySeesWhy(t *testing.T) {
	for what, options := range map[string]httpapi.Options{
		"503 Service Unavailable":      {MaxJSONMemory: 64 << 10},
		"413 Request Entity Too Large": {MaxBody: 1 << 20},
	} {
		t.Run(what, func(t *testing.T) {
			c := serve(t, newStore(t), options)
			c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
			conn, err := net.Dial("tcp", c.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			answers := bufio.NewReader(conn)
			body, err := io.ReadAll(largeAction(32<<20, "content"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fprintf(conn, "POST %s/commits HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", shop, len(body), body); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.Status != what {
				t.Errorf("the answer is %s", resp.Status)
			}
		})
	}
}
