package gitserver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	optionsv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/options/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

func TestARefusalNamesTheCallsInWordsOfWhoMakesThem(t *testing.T) {
	said := map[string]bool{}
	for _, l := range newLimiters(Limits{}, prometheus.NewRegistry()) {
		message := l.refuse("too many %s: try again").Error()
		assert.NotContains(t, message, "many :", l.class)
		assert.NotContains(t, message, "calls")
		said[message] = true
	}
	assert.Len(t, said, 5)
	assert.Contains(t, said, "too many clones, fetches and pushes: try again")
}

func TestAFullClassLeavesStreamsOfAConnectionForRefusals(t *testing.T) {
	for cost, l := range newLimiters(Limits{}, prometheus.NewRegistry()) {
		assert.Less(t, l.open+l.queue, maxConcurrentStreams, cost.String())
	}
}

// queued begins a call that has to wait, and returns where it says how that ended. It belongs into a bubble of synctest.
func queued(ctx context.Context, l *limiter, repository string) <-chan result {
	done := make(chan result, 1)
	go func() {
		ln, err := l.enter(ctx, repository)
		done <- result{ln, err}
	}()
	synctest.Wait()
	return done
}

type result struct {
	*lane
	err error
}

// fill enters n calls that find room.
func fill(t *testing.T, l *limiter, repository string, n int) (lanes []*lane) {
	t.Helper()
	for range n {
		ln, err := l.enter(t.Context(), repository)
		require.NoError(t, err)
		lanes = append(lanes, ln)
	}
	return lanes
}

// stillQueued returns the calls that wait, and checks that the others gave way.
func stillQueued(t *testing.T, all []<-chan result) (left []<-chan result) {
	t.Helper()
	for _, w := range all {
		if len(w) == 0 {
			left = append(left, w)
			continue
		}
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf((<-w).err))
	}
	return left
}

// finish ends calls as soon as it is their turn, and checks that nothing is left of any.
func finish(t *testing.T, l *limiter, at []*lane, waiting ...<-chan result) {
	t.Helper()
	var calls sync.WaitGroup
	for _, w := range waiting {
		calls.Go(func() {
			r := <-w
			assert.NoError(t, r.err)
			l.leave(r.lane)
		})
	}
	for _, ln := range at {
		l.leave(ln)
	}
	calls.Wait()
	assert.Empty(t, l.lanes)
	assert.Empty(t, l.turns)
	assert.Empty(t, l.callers)
}

func pending(t *testing.T, calls ...<-chan result) {
	t.Helper()
	for i, c := range calls {
		select {
		case r := <-c:
			t.Errorf("call %d does not wait: %v", i, r.err)
		default:
		}
	}
}

func TestCallsWaitForTheirTurnInTheOrderTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("read", 1, 1, 2, 100, time.Second)
		at := fill(t, l, "a", 1)[0]
		first, second := queued(t.Context(), l, "a"), queued(t.Context(), l, "a")
		pending(t, first, second)
		l.leave(at)
		at = (<-first).lane
		synctest.Wait()
		pending(t, second)
		finish(t, l, []*lane{at}, second)
	})
}

func TestACallIsRefusedAtOnceIfTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("read", 1, 1, 2, 100, time.Second)
		at := fill(t, l, "a", 1)
		waiting := []<-chan result{queued(t.Context(), l, "a"), queued(t.Context(), l, "b")}
		begin := time.Now()
		for _, repository := range []string{"a", "b", "c"} {
			_, err := l.enter(t.Context(), repository)
			assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(err))
			assert.Equal(t, "read", errs.From(err).Meta["class"])
		}
		assert.Zero(t, time.Since(begin))
		assert.EqualValues(t, 3, l.rejected.Load())
		finish(t, l, at, waiting...)
	})
}

func TestACallThatWaitedForTooLongIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("read", 1, 1, 2, 100, time.Second)
		at := fill(t, l, "a", 1)[0]
		begin := time.Now()
		_, err := l.enter(t.Context(), "a")
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(err))
		assert.Equal(t, time.Second, time.Since(begin))
		l.leave(at)
		l.leave(fill(t, l, "a", 1)[0])
	})
}

func TestACallThatIsGivenUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("read", 1, 1, 2, 100, time.Hour)
		at := fill(t, l, "a", 1)[0]
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		gone, other := queued(ctx, l, "b"), queued(t.Context(), l, "c")
		assert.Equal(t, errs.ReasonDeadlineExceeded, errs.ReasonOf((<-gone).err))
		assert.Zero(t, l.rejected.Load(), "the service refused nothing")
		_, waiting := l.load()
		assert.Equal(t, 1, waiting)
		finish(t, l, []*lane{at}, other)
	})
}

func TestARepositoryGetsNoMoreThanItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("read", 4, 4, 8, 50, time.Hour)
		busy := fill(t, l, "busy", 2)
		waiting := queued(t.Context(), l, "busy")
		pending(t, waiting)
		others := fill(t, l, "other", 2)
		l.leave(others[0])
		synctest.Wait()
		pending(t, waiting)
		finish(t, l, []*lane{busy[0], busy[1], others[1]}, waiting)
	})
}

func TestTheQueueOfARepositoryIsItsShareOfTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("read", 4, 4, 8, 50, time.Hour)
		at := append(fill(t, l, "busy", 2), fill(t, l, "other", 2)...)
		var waiting []<-chan result
		for range 4 {
			waiting = append(waiting, queued(t.Context(), l, "busy"))
		}
		_, err := l.enter(t.Context(), "busy")
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(err))
		waiting = append(waiting, queued(t.Context(), l, "third"))
		pending(t, waiting...)
		finish(t, l, at, waiting...)
	})
}

func TestRepositoriesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("read", 4, 4, 8, 100, time.Hour)
		at := fill(t, l, "busy", 4)
		busy := []<-chan result{queued(t.Context(), l, "busy"), queued(t.Context(), l, "busy"), queued(t.Context(), l, "busy")}
		late := []<-chan result{queued(t.Context(), l, "late"), queued(t.Context(), l, "late")}
		l.leave(at[0])
		next := (<-late[0]).lane
		synctest.Wait()
		pending(t, append(busy, late[1])...)
		l.leave(next)
		next = (<-busy[0]).lane
		synctest.Wait()
		pending(t, busy[1], busy[2], late[1])
		l.leave(next)
		l.leave((<-late[1]).lane)
		finish(t, l, at[1:], busy[1], busy[2])
	})
}

func TestTheLimitsHoldWhateverHappens(t *testing.T) {
	const most, share = 8, 50
	l := newLimiter("read", most, most, 2*most, share, 5*time.Millisecond)
	var atWork atomic.Int64
	var ofRepository [4]atomic.Int64
	var callers sync.WaitGroup
	for range 80 {
		callers.Go(func() {
			for range 50 {
				repository := rand.N(len(ofRepository))
				ctx, cancel := context.WithTimeout(madeFor(t.Context(), fmt.Sprint(rand.N(3))), rand.N(10*time.Millisecond))
				if ln, err := l.enter(ctx, fmt.Sprint(repository)); err == nil {
					assert.LessOrEqual(t, atWork.Add(1), int64(most))
					assert.LessOrEqual(t, ofRepository[repository].Add(1), int64(most*share/100))
					<-time.After(rand.N(time.Millisecond))
					ofRepository[repository].Add(-1)
					atWork.Add(-1)
					l.leave(ln)
				}
				cancel()
			}
		})
	}
	callers.Wait()
	running, waiting := l.load()
	assert.Zero(t, running)
	assert.Zero(t, waiting)
	assert.Empty(t, l.lanes)
	assert.Empty(t, l.turns)
	assert.Empty(t, l.callers)
	assert.LessOrEqual(t, len(l.spare), maxSpareLanes)
}

// goodput is how many calls a second succeed with so many callers, each call of which takes 10 ms and comes back 100 ms
// after it was refused.
func goodput(ctx context.Context, l *limiter, callers int) float64 {
	var done atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for range callers {
		all.Go(func() {
			for time.Since(begin) < time.Minute {
				ln, err := l.enter(ctx, "shop")
				if err != nil {
					<-time.After(100 * time.Millisecond)
					continue
				}
				<-time.After(10 * time.Millisecond)
				l.leave(ln)
				done.Add(1)
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(begin).Seconds()
}

// Time is that of the bubble, so that nothing but the limiter decides.
func TestTenTimesTheLoadLeavesTheGoodput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("read", 4, 4, 8, 100, time.Second)
		peak := goodput(t.Context(), l, 4)
		assert.InDelta(t, 400, peak, 5)
		assert.Greater(t, goodput(t.Context(), l, 40), 0.95*peak)
		assert.NotZero(t, l.rejected.Load(), "there was no overload")
		begin := time.Now()
		finish(t, l, fill(t, l, "shop", 1))
		assert.Zero(t, time.Since(begin), "it has not recovered")
	})
}

// Calls come at ten times the rate that is served, whatever becomes of those before: more wait than can be served in time.
func TestWhoWouldWaitInVainIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("read", 4, 4, 1000, 100, time.Second)
		var calls sync.WaitGroup
		var served, refused, late atomic.Int64
		const lasts = 20 * time.Second
		for begin := time.Now(); time.Since(begin) < lasts; <-time.After(time.Millisecond) {
			for range 4 {
				calls.Go(func() {
					asked := time.Now()
					ln, err := l.enter(t.Context(), "shop")
					switch {
					case err == nil:
						<-time.After(10 * time.Millisecond)
						l.leave(ln)
						served.Add(1)
					case time.Since(asked) > 0:
						late.Add(1)
					default:
						refused.Add(1)
					}
				})
			}
		}
		calls.Wait()
		assert.InDelta(t, 400*lasts.Seconds(), served.Load(), 500)
		assert.Less(t, late.Load(), refused.Load()/20)
		assert.Empty(t, l.lanes)
	})
}

// One that waits for longer than others, as clones do, is not refused because they would be, nor are they on its account.
func TestWhoWaitsForLongerIsNotRefusedWithTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("heavy", 1, 1, 10, 100, time.Second)
		at := fill(t, l, "shop", 1)
		patient := []chan result{make(chan result, 1), make(chan result, 1)}
		wait := func(i int) {
			go func() {
				ln, err := l.enterWithin(t.Context(), "shop", time.Minute)
				patient[i] <- result{ln, err}
			}()
			synctest.Wait()
		}
		wait(0)
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf((<-queued(t.Context(), l, "shop")).err))
		begin := time.Now()
		_, err := l.enter(t.Context(), "shop")
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(err))
		assert.Zero(t, time.Since(begin))
		assert.True(t, l.full(t.Context(), metadata.Pairs(wire.RepositoryMetadata, "shop"), time.Second))
		assert.False(t, l.full(t.Context(), metadata.Pairs(wire.RepositoryMetadata, "shop"), time.Minute))
		assert.False(t, l.full(t.Context(), metadata.Pairs(wire.RepositoryMetadata, "other"), time.Second))
		assert.False(t, l.full(t.Context(), nil, time.Second))
		wait(1)
		pending(t, patient[0], patient[1])
		l.leave(at[0])
		next := (<-patient[0]).lane // the other one came just now
		again := queued(t.Context(), l, "shop")
		pending(t, again, patient[1])
		finish(t, l, []*lane{next}, patient[1], again)
	})
}

// Clones wait for long and keep the queue from being empty; what was slow once is soon forgotten.
// Git clients wait for minutes, and what they wait for moves: that says nothing of how long the next one of another caller would.
func TestNobodyIsRefusedForThePatienceOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("heavy", 1, 1, 100, 100, time.Second)
		at := fill(t, l, "shop", 1)
		var calls sync.WaitGroup
		for range 40 {
			calls.Go(func() {
				ln, err := l.enterWithin(madeFor(t.Context(), "ci"), "shop", packWait)
				if assert.NoError(t, err) {
					<-time.After(50 * time.Millisecond)
					l.leave(ln)
				}
			})
		}
		synctest.Wait()
		l.leave(at[0])
		<-time.After(time.Second)
		begin := time.Now()
		ln, err := l.enter(madeFor(t.Context(), "editor"), "shop")
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Since(begin), 100*time.Millisecond)
		l.leave(ln)
		calls.Wait()
	})
}

func TestNobodyIsRefusedForWhatWasSlowBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("heavy", 4, 4, 100, 100, time.Second)
		at := fill(t, l, "shop", 4)
		var fetchers sync.WaitGroup
		stop := make(chan struct{})
		for range 8 {
			fetchers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					ln, err := l.enterWithin(t.Context(), "shop", time.Minute)
					if !assert.NoError(t, err) {
						return
					}
					<-time.After(10 * time.Millisecond)
					l.leave(ln)
				}
			})
		}
		<-time.After(40 * time.Second)
		for _, ln := range at {
			l.leave(ln)
		}
		<-time.After(500 * time.Millisecond)
		for range 100 {
			ln, err := l.enter(t.Context(), "shop")
			require.NoError(t, err)
			l.leave(ln)
		}
		close(stop)
		fetchers.Wait()
	})
}

func TestARepositoryIsNotRefusedWhileThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("pack", 3, 3, 2, 50, time.Hour)
		at := append(fill(t, l, "a", 1), fill(t, l, "b", 1)...)
		waiting := []<-chan result{queued(t.Context(), l, "a"), queued(t.Context(), l, "b")}
		assert.True(t, l.full(t.Context(), metadata.Pairs(wire.RepositoryMetadata, "a"), time.Hour))
		assert.False(t, l.full(t.Context(), metadata.Pairs(wire.RepositoryMetadata, "c"), time.Hour))
		assert.False(t, l.full(t.Context(), nil, time.Hour))
		at = append(at, fill(t, l, "c", 1)...)
		assert.True(t, l.full(t.Context(), metadata.Pairs(wire.RepositoryMetadata, "d"), time.Hour))
		finish(t, l, at, waiting...)
	})
}

// madeFor is a context of a call that is made for somebody.
func madeFor(ctx context.Context, who string) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.Pairs(wire.CallerMetadata, who))
}

func TestTheCallersOfARepositoryTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("write", 1, 1, 100, 100, time.Hour)
		at := fill(t, l, "shop", 1)
		var order []string
		var calls sync.WaitGroup
		begin := func(who string) {
			calls.Go(func() {
				ln, err := l.enter(madeFor(t.Context(), who[:1]), "shop")
				if assert.NoError(t, err) {
					order = append(order, who)
					l.leave(ln)
				}
			})
			synctest.Wait()
		}
		for _, who := range []string{"a1", "a2", "a3", "a4", "b1", "c1", "b2"} {
			begin(who)
		}
		gone, cancel := context.WithCancel(madeFor(t.Context(), "a"))
		given := queued(gone, l, "shop")
		cancel()
		require.Error(t, (<-given).err)
		begin("a5")
		l.leave(at[0])
		calls.Wait()
		assert.Equal(t, []string{"a1", "b1", "c1", "a2", "b2", "a3", "a4", "a5"}, order)
		assert.Empty(t, l.lanes)
	})
}

// Whoever asks for much, of however many repositories, has one turn for each of whoever asks for little.
func TestCallersTakeTurnsOverAllRepositories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("write", 1, 1, 100, 100, time.Hour)
		at := fill(t, l, "shop", 1)
		var order []string
		var calls sync.WaitGroup
		begin := func(who, repository string) {
			calls.Go(func() {
				ln, err := l.enter(madeFor(t.Context(), who), repository)
				if assert.NoError(t, err) {
					order = append(order, who+" "+repository)
					l.leave(ln)
				}
			})
			synctest.Wait()
		}
		for _, repository := range []string{"1", "2", "3", "1", "2", "3"} {
			begin("a", repository)
		}
		begin("b", "4")
		begin("b", "4")
		begin("c", "3")
		l.leave(at[0])
		calls.Wait()
		assert.Equal(t, []string{"a 1", "c 3", "b 4", "a 2", "b 4", "a 1", "a 3", "a 2", "a 3"}, order)
		assert.Empty(t, l.callers)
	})
}

// What is scarce is not the calls but the repositories that are written to: each needs a process, and syncs of its own.
func TestCallersTakeTurnsForTheRepositoriesThatAreAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("write", 100, 100, 200, 100, time.Hour)
		l.maxLanes = 2
		var mu sync.Mutex
		var order []string
		var calls sync.WaitGroup
		begin := func(who, repository string) {
			calls.Go(func() {
				ln, err := l.enter(madeFor(t.Context(), who), repository)
				if assert.NoError(t, err) {
					mu.Lock()
					order = append(order, who+" "+repository)
					mu.Unlock()
					<-time.After(time.Second)
					l.leave(ln)
				}
			})
			synctest.Wait()
		}
		for _, repository := range []string{"1", "2", "1", "3", "4", "5", "1"} {
			begin("a", repository)
		}
		begin("b", "6")
		begin("b", "6")
		begin("b", "6")
		mu.Lock()
		assert.Equal(t, []string{"a 1", "a 2", "a 1"}, order, "those of one share its place, until others wait for one")
		mu.Unlock()
		calls.Wait()
		assert.ElementsMatch(t, []string{"a 3", "b 6", "b 6", "b 6"}, order[3:7], "each caller has its turn, for all that wait in the repository")
		assert.Len(t, order, 10)
		assert.Empty(t, l.lanes)
		assert.Zero(t, l.busyLanes)
	})
}

// Git may hang in it, or the disk.
func TestAWriteThatHangsKeepsNoOtherRepositoryWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("write", 4, 4, 8, 100, 10*time.Second)
		l.maxLanes = 1
		hangs := newPlace(l, fill(t, l, "shop", 1)[0], longWrite)
		begin := time.Now()
		ln, err := l.enter(t.Context(), "other")
		require.NoError(t, err)
		assert.Equal(t, longWrite, time.Since(begin))
		hangs.leave()
		l.leave(ln)
		assert.Empty(t, l.lanes)
		assert.Zero(t, l.busyLanes)
	})
}

// One who comes back as soon as its call was served has every other turn, and does not keep those who wait from theirs.
func TestWhoAlwaysComesBackLeavesTheOthersTheirTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("write", 1, 1, 100, 100, time.Hour)
		at := fill(t, l, "shop", 1)
		var order string
		var calls sync.WaitGroup
		for i := range 3 {
			calls.Go(func() {
				ln, err := l.enter(madeFor(t.Context(), "a"), fmt.Sprint(i))
				if assert.NoError(t, err) {
					order += "a"
					<-time.After(time.Second)
					l.leave(ln)
				}
			})
			synctest.Wait()
		}
		calls.Go(func() {
			for range 4 {
				ln, err := l.enter(madeFor(t.Context(), "b"), "shop")
				if assert.NoError(t, err) {
					order += "b"
					calls.Go(func() {
						<-time.After(time.Second)
						l.leave(ln)
					})
				}
			}
		})
		synctest.Wait()
		l.leave(at[0])
		calls.Wait()
		assert.Equal(t, "abababb", order)
	})
}

func TestACallerWhoAsksForManyRepositoriesFillsTheQueueForItselfAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("write", 1, 1, 4, 50, time.Hour)
		at := fill(t, l, "shop", 1)
		var many []<-chan result
		for i := range 4 {
			many = append(many, queued(madeFor(t.Context(), "a"), l, fmt.Sprint(i)))
		}
		_, err := l.enter(madeFor(t.Context(), "a"), "another")
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(err))
		left := []<-chan result{queued(madeFor(t.Context(), "b"), l, "another"), queued(madeFor(t.Context(), "b"), l, "another")}
		left = append(left, stillQueued(t, many)...)
		assert.Len(t, left, 4, "two of who has most gave way")
		_, err = l.enter(madeFor(t.Context(), "b"), "another")
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(err), "each has two")
		finish(t, l, at, left...)
		assert.Empty(t, l.callers)
	})
}

func TestACallerWhoAsksForMuchFillsTheQueueForItselfAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("write", 1, 1, 4, 100, time.Hour)
		at := fill(t, l, "shop", 1)
		header := func(who string) metadata.MD {
			return metadata.Pairs(wire.RepositoryMetadata, "shop", wire.CallerMetadata, who)
		}
		var many []<-chan result
		for range 4 {
			many = append(many, queued(madeFor(t.Context(), "a"), l, "shop"))
		}
		assert.True(t, l.full(t.Context(), header("a"), time.Hour))
		assert.False(t, l.full(t.Context(), header("b"), time.Hour))
		_, err := l.enter(madeFor(t.Context(), "a"), "shop")
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(err))

		first, second := queued(madeFor(t.Context(), "b"), l, "shop"), queued(madeFor(t.Context(), "b"), l, "shop")
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf((<-many[3]).err), "the last one of who has most gives way")
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf((<-many[2]).err))
		assert.True(t, l.full(t.Context(), header("b"), time.Hour), "each has two")
		assert.EqualValues(t, 3, l.rejected.Load())
		finish(t, l, at, many[0], first, many[1], second)
	})
}

func TestARepositoryThatIsAskedForMuchFillsTheQueueForItselfAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("read", 1, 1, 6, 50, time.Hour)
		at := fill(t, l, "a", 1)
		var waiting []<-chan result
		for range 3 {
			waiting = append(waiting, queued(t.Context(), l, "a"), queued(t.Context(), l, "b"))
		}
		of := func(repository string) metadata.MD { return metadata.Pairs(wire.RepositoryMetadata, repository) }
		assert.True(t, l.full(t.Context(), of("a"), time.Hour))
		assert.True(t, l.full(t.Context(), of("b"), time.Hour))
		assert.False(t, l.full(t.Context(), of("c"), time.Hour))
		third := queued(t.Context(), l, "c")
		left := append(stillQueued(t, waiting), third)
		assert.Len(t, left, 6, "one of who has most gave way")
		finish(t, l, at, left...)
	})
}

// What would come in time behind others of one's own comes in time all the more.
func TestACallerIsNotRefusedForHowLongOthersWouldWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("write", 1, 1, 1000, 100, time.Second)
		at := fill(t, l, "shop", 1)
		stop := make(chan struct{})
		var busy sync.WaitGroup
		for range 12 {
			busy.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					ln, err := l.enter(madeFor(t.Context(), "a"), "shop")
					if err != nil {
						<-time.After(10 * time.Millisecond)
						continue
					}
					<-time.After(100 * time.Millisecond)
					l.leave(ln)
				}
			})
		}
		l.leave(at[0])
		<-time.After(5 * time.Second)
		assert.NotZero(t, l.rejected.Load(), "a asks for more than there is time for")
		begin := time.Now()
		ln, err := l.enter(madeFor(t.Context(), "b"), "shop")
		require.NoError(t, err)
		assert.Less(t, time.Since(begin), 250*time.Millisecond)
		l.leave(ln)
		close(stop)
		busy.Wait()
	})
}

func TestACallIsMadeForWhomItSaysOrForTheHostItComesFrom(t *testing.T) {
	from := peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 4711}})
	assert.Equal(t, "10.0.0.7", callerOf(from))
	assert.Equal(t, "shop-admin", callerOf(madeFor(from, "shop-admin")))
	assert.Equal(t, "10.0.0.7", callerIn(from, metadata.Pairs(wire.CallerMetadata, "a", wire.CallerMetadata, "b")))
	assert.Empty(t, callerOf(t.Context()))
}

func TestOthersGoOnInThePlaceOfACall(t *testing.T) {
	const others = longWork / 2
	for name, tt := range map[string]struct {
		call func(p *place)
		// unread is whether others go on in the place then, and after the client has taken what was sent.
		unread, after int
	}{
		"at work":                            {func(*place) { <-time.After(others) }, 0, 0},
		"whose client takes what it is sent": {func(p *place) { p.begin(); <-time.After(idleAfter / 2) }, 0, 0},
		"whose client takes nothing":         {func(p *place) { p.begin(); <-time.After(2 * idleAfter) }, 1, 0},
		"that takes long":                    {func(*place) { <-time.After(2 * longWork) }, 1, 1},
		"that takes long, of such a client":  {func(p *place) { p.begin(); <-time.After(2 * longWork) }, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter("heavy", 1, 4, 8, 100, time.Hour)
				p := newPlace(l, fill(t, l, "a", 1)[0], longWork)
				tt.call(p)
				synctest.Wait()
				assert.Equal(t, tt.unread, l.unread())
				p.end()
				assert.Equal(t, tt.after, l.unread())
				p.leave()
				<-time.After(2 * longWork)
				assert.Zero(t, l.unread(), "it has left")
				assert.Empty(t, l.lanes)
			})
		})
	}
}

func TestOthersGoOnInThePlaceOfAnIdleCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("heavy", 1, 2, 8, 100, time.Hour)
		at := fill(t, l, "a", 1)[0]
		second, third := queued(t.Context(), l, "a"), queued(t.Context(), l, "a")
		pending(t, second, third)
		l.pause(at)
		ln := (<-second).lane
		assert.Equal(t, 1, l.unread())
		l.pause(ln)
		synctest.Wait()
		pending(t, third) // as many are open as may be
		l.resume(ln)
		l.resume(at)
		running, _ := l.load()
		assert.Equal(t, 2, running, "who takes up work again waits for nobody")
		l.leave(ln)
		synctest.Wait()
		pending(t, third)
		finish(t, l, []*lane{at}, third)
		assert.Zero(t, l.unread())
	})
}

// Others wait for work, and the place of a slow client is none that they need.
func TestASlowClientKeepsItsPlaceWhileOthersWaitForWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("heavy", 1, 3, 8, 100, time.Second)
		l.minPace = 64 << 10
		at := fill(t, l, "shop", 1)
		slow := newPace(at[0], readPeriod, func() { t.Error("it was broken off") })
		l.hold(slow)
		slow.wait(&slow.sending)
		l.pause(at[0])
		<-time.After(time.Minute)
		fill(t, l, "shop", 1)
		_, err := l.enter(t.Context(), "shop")
		assert.Equal(t, errs.ReasonQueueFull, errs.ReasonOf(err))
	})
}

func TestARepositoryWhoseCallsTookUpWorkAgainLeavesItsTurnToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter("heavy", 2, 8, 8, 50, time.Hour)
		busy := fill(t, l, "a", 1)[0]
		l.pause(busy)
		at := append(fill(t, l, "b", 1), fill(t, l, "c", 1)...)
		again := queued(t.Context(), l, "a")
		other := queued(t.Context(), l, "d")
		l.resume(busy)
		l.leave(at[0])
		l.leave(at[1])
		l.leave((<-other).lane)
		synctest.Wait()
		pending(t, again)
		finish(t, l, []*lane{busy}, again)
	})
}

func TestACallThatFindsRoomTakesNoMemory(t *testing.T) {
	l := newLimiter("read", 4, 4, 8, 50, time.Second)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		ln, err := l.enter(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		l.leave(ln)
	}))
}

func TestManyWhoCloneOneRepositoryAtOnceAreAllServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiters(Limits{}, nil)[optionsv1.OperationCost_OPERATION_COST_PACK]
		var clones sync.WaitGroup
		for range 16 {
			clones.Go(func() {
				ln, err := l.enterWithin(t.Context(), "shop", packWait)
				if assert.NoError(t, err) {
					<-time.After(30 * time.Second)
					l.leave(ln)
				}
			})
		}
		synctest.Wait()
		running, waiting := l.load()
		assert.Equal(t, 4, running)
		assert.Equal(t, 12, waiting)
		begin := time.Now()
		others := fill(t, l, "other", 4)
		assert.Zero(t, time.Since(begin), "another repository waits for them")
		clones.Wait()
		finish(t, l, others)
	})
}

func TestEveryOperationButWatchingIsBounded(t *testing.T) {
	all := newLimiters(Limits{}, nil)
	for name, op := range wire.Operations() {
		assert.Equal(t, op.Cost != optionsv1.OperationCost_OPERATION_COST_WATCH, all[op.Cost] != nil, name)
	}
}

// BenchmarkLimiter is what admission costs a call that finds room, with callers on all cores.
func BenchmarkLimiter(b *testing.B) {
	l := newLimiter("read", 256, 256, 512, 50, time.Second)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ln, err := l.enter(b.Context(), "shop")
			if err != nil {
				b.Error(err)
				return
			}
			l.leave(ln)
		}
	})
}
