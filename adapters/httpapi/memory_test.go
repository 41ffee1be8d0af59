package httpapi_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
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
