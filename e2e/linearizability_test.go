package e2e

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/env"
)

// place is what a conditional write compares and sets: the head of a branch, or the blob of a file.
type place struct{ branch, path string }

// attempt is one read or conditional write of a place.
type attempt struct {
	place place
	// expected is what a write wants the place to hold; "" is a read.
	expected string
}

// found is how an attempt ended.
type found struct {
	// written reports that a write found what it expected.
	written bool
	// at is what the place holds: that of a write, or what a read or a refused write found.
	at string
}

// conditionalWrites is what clients may see of places: each behaves as a register with compare-and-swap.
func conditionalWrites(begin map[place]string) porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
			byPlace := map[place][]porcupine.Operation{}
			for _, op := range history {
				at := op.Input.(attempt).place
				byPlace[at] = append(byPlace[at], op)
			}
			for _, part := range byPlace {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			in, out := input.(attempt), output.(found)
			holds := state.(string)
			if holds == "" {
				holds = begin[in.place]
			}
			if out.written {
				return holds == in.expected, out.at
			}
			return holds == out.at && holds != in.expected, holds
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
	}
}

// racer reads and writes places on conditions that others make untrue.
type racer struct {
	writer
	id     int
	places []place
	begin  time.Time
	// holds is what the racer last saw of each place.
	holds map[place]string
	// written are what it was told it wrote.
	written []commit
	history []porcupine.Operation
}

func (r *racer) run(ctx context.Context, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		in := attempt{place: r.places[r.random.IntN(len(r.places))]}
		if r.random.IntN(4) > 0 {
			in.expected = r.holds[in.place]
		}
		call := time.Since(r.begin)
		out, done, err := r.attempt(ctx, in)
		if err != nil {
			return err
		}
		if !done {
			continue // a read that was not answered
		}
		r.holds[in.place] = out.at
		r.history = append(r.history, porcupine.Operation{
			ClientId: r.id, Input: in, Call: call.Nanoseconds(), Output: out, Return: time.Since(r.begin).Nanoseconds(),
		})
	}
}

func (r *racer) attempt(ctx context.Context, in attempt) (out found, done bool, err error) {
	switch {
	case in.expected != "":
		out, err = r.write(ctx, in)
		return out, true, err
	case in.place.path != "":
		a, err := r.system.try(ctx, "GET", fileTarget(r.repository, in.place.path)+"?ref="+in.place.branch, nil)
		return found{at: blobID(a.body)}, err == nil && a.status == http.StatusOK, unlessAway(a, err)
	}
	a, err := r.system.try(ctx, "GET", inRepository(r.repository, "/commits?page_size=1&ref="+in.place.branch), nil)
	if err != nil || a.status != http.StatusOK {
		return out, false, unlessAway(a, err)
	}
	var page struct{ Items []historyEntry }
	if err := json.Unmarshal(a.body, &page); err != nil {
		return out, false, err
	}
	return found{at: page.Items[0].CommitID}, true, nil
}

// unlessAway returns an error for an answer that no read gets, whether or not there is a git-service.
func unlessAway(a answer, err error) error {
	if err == nil && a.status != http.StatusOK && a.status != http.StatusServiceUnavailable && a.status != http.StatusGatewayTimeout {
		err = fmt.Errorf("%s was answered %d: %s", a.what, a.status, a.body)
	}
	return err
}

func blobID(content []byte) string {
	return fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(content)), content...)))
}

// write makes a conditional write, and repeats it with its request id until it is known what became of it.
func (r *racer) write(ctx context.Context, in attempt) (found, error) {
	body := commit{Branch: in.place.branch, RequestID: newUUID(r.random)}
	body.Message = body.RequestID
	if in.place.path == "" {
		body.ExpectedHead = &in.expected
		body.Actions = []action{upsert("head.txt", body.RequestID)}
	} else {
		file := upsert(in.place.path, body.RequestID)
		file.ExpectedBlobID = &in.expected
		body.Actions = []action{file}
	}
	result, err := r.insist(ctx, body)
	if refused, ok := errors.AsType[*refusal](err); ok {
		return found{at: refused.problem.Metadata["actual"]}, nil
	}
	if err != nil {
		return found{}, err
	}
	r.written = append(r.written, body)
	if in.place.path == "" {
		return found{true, result.CommitID}, nil
	}
	return found{true, blobID([]byte(body.RequestID))}, nil
}

// TestConditionalWritesAreLinearizable kills the git-service ROUNDS times while clients race for the heads of branches and
// the contents of files. What they see must be what they would see if one call was made after the other.
func TestConditionalWritesAreLinearizable(t *testing.T) {
	rounds := int(env.Number(t, "ROUNDS", 5))
	seed := env.Number(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d ROUNDS=%d", seed, rounds)
	s := startSystem(t)
	s.createRepository(t, "shop")
	begin := map[place]string{}
	files := commit{Branch: "main", Message: "Begin"}
	for _, path := range []string{"a.txt", "b.txt"} {
		files.Actions = append(files.Actions, upsert(path, path))
		begin[place{"main", path}] = blobID([]byte(path))
	}
	root := s.commit(t, "shop", files).CommitID
	for _, branch := range []string{"one", "two"} {
		s.post(t, inRepository("shop", "/branches"), map[string]string{"name": branch, "target": root}).wants(t, http.StatusCreated)
		begin[place{branch, ""}] = root
	}
	racers := race(t, s, seed, begin, rounds)

	var history []porcupine.Operation
	written, lost := map[string]int{}, 0
	for _, r := range racers {
		history = append(history, r.history...)
		for _, op := range r.history {
			if op.Input.(attempt).expected != "" && !op.Output.(found).written {
				lost++
			}
		}
		for _, body := range r.written {
			written[body.Message] = 0
		}
	}
	verdict, info := porcupine.CheckOperationsVerbose(conditionalWrites(begin), history, patience)
	if verdict != porcupine.Ok {
		picture := filepath.Join(os.TempDir(), fmt.Sprintf("gitstore-history-%d.html", seed))
		require.NoError(t, porcupine.VisualizePath(conditionalWrites(begin), info, picture))
		t.Fatalf("the history is %s: see %s", verdict, picture)
	}
	for _, branch := range []string{"main", "one", "two"} {
		commits := list[historyEntry](t, s.client, inRepository("shop", "/commits?ref="+branch), 200)
		requireLinear(t, commits)
		for _, c := range commits[:len(commits)-1] {
			message := c.Message[:36]
			n, known := written[message]
			require.True(t, known && n == 0, "commits of the request %s: %d, answered that it was made: %t", message, n+1, known)
			written[message]++
		}
	}
	for message, n := range written {
		require.Equal(t, 1, n, "commits of the request %s", message)
	}
	require.NotEmpty(t, written)
	require.NotZero(t, lost, "nobody lost a race")
	t.Logf("%d attempts, of which %d wrote and %d lost a race", len(history), len(written), lost)
	s.stop(t)
}

// race lets clients race for places while the git-service is killed now and then.
func race(t *testing.T, s *system, seed uint64, begin map[place]string, rounds int) []*racer {
	t.Helper()
	var (
		racers  []*racer
		places  = slices.SortedFunc(maps.Keys(begin), func(a, b place) int { return strings.Compare(a.branch+a.path, b.branch+b.path) })
		running sync.WaitGroup
		stop    = make(chan struct{})
		failed  = make(chan error, 8)
		started = time.Now()
		random  = rand.New(rand.NewPCG(seed, seed))
	)
	for i := range 8 {
		r := &racer{
			writer: writer{system: s, repository: "shop", random: rand.New(rand.NewPCG(seed, uint64(i)))},
			id:     i, places: places, begin: started, holds: map[place]string{},
		}
		maps.Copy(r.holds, begin)
		racers = append(racers, r)
		running.Go(func() {
			if err := r.run(t.Context(), stop); err != nil {
				failed <- err
			}
		})
	}
	for range rounds {
		pause(t.Context(), time.Duration(200+random.IntN(400))*time.Millisecond)
		s.git.kill()
		s.startGit(t)
		s.waitReady(t)
	}
	pause(t.Context(), 200*time.Millisecond)
	close(stop)
	running.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	return racers
}

func TestTheModelOfConditionalWritesFindsALostUpdate(t *testing.T) {
	at := place{"main", ""}
	model := conditionalWrites(map[place]string{at: "a"})
	write := func(call int64, expected string, out found) porcupine.Operation {
		return porcupine.Operation{Input: attempt{at, expected}, Call: call, Output: out, Return: call + 5}
	}
	both := []porcupine.Operation{write(0, "a", found{true, "b"}), write(3, "a", found{true, "c"})}
	require.False(t, porcupine.CheckOperations(model, both), "two writes that found the same")
	one := []porcupine.Operation{write(0, "a", found{true, "b"}), write(3, "a", found{false, "b"})}
	require.True(t, porcupine.CheckOperations(model, one))
	old := append(one, write(10, "", found{false, "a"}))
	require.False(t, porcupine.CheckOperations(model, old), "a read of what was overwritten")
}
