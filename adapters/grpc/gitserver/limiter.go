package gitserver

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	optionsv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/options/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

// Limits bound how many calls are at work at a time, by the cost that the contract says they have. More calls wait for
// their turn, [queueFactor] times as many at most, of packs [packQueueFactor] times; others, those that waited for too long, and those that
// would, are refused with QUEUE_FULL.
// Calls that watch have no place: they wait for what happens and do no work ([Options.MaxWatches] bounds them). Zero values are the defaults.
type Limits struct {
	// Reads is for calls of cost CHEAP, and once more for those of cost READ. The default is 256.
	Reads int
	// HeavyReads is for cost HEAVY, whether they are at work or wait for their clients to take what they send. The default is 128.
	HeavyReads int
	// HeavyWork is how many of them are at work at a time: what one takes of a core the refusal of the next has to wait for. A
	// call whose client takes nothing for [idleAfter] does not count until it does, and one that takes longer than [longWork] no
	// more. The default is [heavyPerCore] for each core.
	HeavyWork int
	// Writes is for cost WRITE. The default is 256.
	Writes int
	// WriteRepositories is how many repositories they write to at a time: those of one share its syncs and git process, each further one
	// needs its own. A call whose client lets it wait for more than [idleAfter] does not count until it goes on, and one that takes longer
	// than [longWrite] no more. The default is
	// [writeRepositoriesPerCore] for each core.
	WriteRepositories int
	// Packs is for cost PACK. The default is 8.
	Packs int
	// MinTransferRate is how many bytes a second the client of a stream has to send or take, counted over the time for
	// which the call waits for it, while others wait for its place: else the slowest gives way to them, with DEADLINE_EXCEEDED. While nobody
	// waits any pace will do. The default is 64 KiB; below 0 nobody gives way.
	MinTransferRate int64
	// RepositoryShare is how much of each limit, and of its queue, the calls of one repository may take, in percent. The
	// default is 50.
	RepositoryShare int
	// QueueWait is how long a call waits for its turn; one of TransportService waits for [packWait] at least. The default is
	// one second.
	QueueWait time.Duration
}

const (
	// queueFactor is how many calls of a class may wait for each that may be at work.
	queueFactor = 2
	// packQueueFactor is that of packs, of which few are at work while many clients come at once, and none of them comes back.
	packQueueFactor = 8
	// packWait is for whoever clones or pushes: git repeats nothing by itself. In that time those ahead have ended, or were broken
	// off if their clients stopped.
	packWait = 2 * time.Minute
	// heavyPerCore keeps a core busy while some of them wait for git, also if all are of one repository.
	heavyPerCore = 8
	// writeRepositoriesPerCore keeps a core and a disk busy while some of them wait for it: with sixty at once each write was as slow as all of them, whoever had made one or sixty.
	writeRepositoriesPerCore = 4
	// idleAfter is how long a client may take nothing of an answer, or send nothing of what is to be written, before others go on in the
	// place of its call; longWork is how long a heavy read may take before they do all the same, and longWrite a write, which may
	// wait for a disk or a process that hangs.
	idleAfter = 10 * time.Millisecond
	longWork  = 250 * time.Millisecond
	longWrite = time.Second
	// maxSpareLanes bounds the lanes that are kept for the next repositories.
	maxSpareLanes = 64
)

func (l Limits) withDefaults() Limits {
	setDefault(&l.Reads, 256)
	setDefault(&l.HeavyReads, 128)
	setDefault(&l.HeavyWork, heavyPerCore*runtime.GOMAXPROCS(0))
	setDefault(&l.Writes, 256)
	setDefault(&l.WriteRepositories, writeRepositoriesPerCore*runtime.GOMAXPROCS(0))
	setDefault(&l.Packs, 8)
	setDefault(&l.MinTransferRate, 64<<10)
	setDefault(&l.RepositoryShare, 50)
	setDefault(&l.QueueWait, time.Second)
	return l
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// limiters are the limiters of the classes that are bounded.
type limiters map[optionsv1.OperationCost]*limiter

func newLimiters(limits Limits, reg prometheus.Registerer) limiters {
	limits = limits.withDefaults()
	all := limiters{}
	for _, c := range []struct {
		cost              optionsv1.OperationCost
		work, open, queue int
	}{
		{optionsv1.OperationCost_OPERATION_COST_CHEAP, limits.Reads, limits.Reads, queueFactor * limits.Reads},
		{optionsv1.OperationCost_OPERATION_COST_READ, limits.Reads, limits.Reads, queueFactor * limits.Reads},
		{optionsv1.OperationCost_OPERATION_COST_HEAVY, min(limits.HeavyWork, limits.HeavyReads), limits.HeavyReads, queueFactor * limits.HeavyReads},
		{optionsv1.OperationCost_OPERATION_COST_WRITE, limits.Writes, limits.Writes, queueFactor * limits.Writes},
		{optionsv1.OperationCost_OPERATION_COST_PACK, limits.Packs, limits.Packs, packQueueFactor * limits.Packs},
	} {
		class := strings.ToLower(strings.TrimPrefix(c.cost.String(), "OPERATION_COST_"))
		all[c.cost] = newLimiter(class, c.work, c.open, c.queue, limits.RepositoryShare, limits.QueueWait)
		all[c.cost].minPace, all[c.cost].period = max(limits.MinTransferRate, 0), readPeriod
	}
	all[optionsv1.OperationCost_OPERATION_COST_PACK].period = pacePeriod
	heavy, write := all[optionsv1.OperationCost_OPERATION_COST_HEAVY], all[optionsv1.OperationCost_OPERATION_COST_WRITE]
	heavy.long = longWork
	write.long, write.period, write.maxLanes = longWrite, pacePeriod, limits.WriteRepositories
	all.register(reg)
	return all
}

func (ls limiters) register(reg prometheus.Registerer) {
	f := promauto.With(reg)
	for _, l := range ls {
		labels := prometheus.Labels{"class": l.class}
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gitstore_grpc_calls_in_flight", Help: "gRPC calls at work, by the cost class of their method.", ConstLabels: labels,
		}, func() float64 { running, _ := l.load(); return float64(running) })
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gitstore_grpc_calls_idle", Help: "gRPC calls in whose place others go on, as their clients take nothing or as they take long, by the cost class of their method.", ConstLabels: labels,
		}, func() float64 { return float64(l.unread()) })
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gitstore_grpc_calls_queued", Help: "gRPC calls that wait for their turn, by the cost class of their method.", ConstLabels: labels,
		}, func() float64 { _, waiting := l.load(); return float64(waiting) })
		l.waited = f.NewHistogram(prometheus.HistogramOpts{
			Name: "gitstore_grpc_queue_seconds", Help: "Time that gRPC calls waited for their turn which had to, by the cost class of their method.", ConstLabels: labels,
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		})
		f.NewCounterFunc(prometheus.CounterOpts{
			Name: "gitstore_grpc_calls_rejected_total", Help: "gRPC calls refused because too many were at work, by the cost class of their method.", ConstLabels: labels,
		}, func() float64 { return float64(l.rejected.Load()) })
		if l.minPace > 0 {
			f.NewCounterFunc(prometheus.CounterOpts{
				Name: "gitstore_grpc_calls_displaced_total", Help: "gRPC calls of slow clients that were ended because others waited for their places, by the cost class of their method.", ConstLabels: labels,
			}, func() float64 { return float64(l.displaced.Load()) })
		}
	}
}

// limiter admits the calls of one class. It bounds those at work and those that wait, of all repositories and of each.
// Callers take turns, over all repositories and within each, and so do the repositories of one caller; the calls of a caller to one
// repository are served in the order they came. It is safe for concurrent use.
//
// A semaphore (golang.org/x/sync) knows neither queues with an end nor shares. What a call at work costs is one look-up
// under the lock as it begins and one as it ends, and no memory.
type limiter struct {
	class string
	// max and share bound the calls at work, open and openShare these and the idle ones, queue and queueShare those that wait:
	// of all repositories, and of one.
	max, share, open, openShare, queue, queueShare int
	wait                                           time.Duration
	// waited is told for how long each call waited that had to, in seconds.
	waited prometheus.Observer
	// minPace is how many bytes a second, over the period, a client has to send or take for which others wait; 0 asks for nothing.
	minPace             int64
	period              time.Duration
	rejected, displaced atomic.Uint64

	mu                     sync.Mutex
	running, idle, waiting int
	// long is how long a call may take before others go on in its place; 0 is however long it takes.
	long time.Duration
	// busyLanes have calls at work, of which there are maxLanes at most; 0 is any number.
	busyLanes, maxLanes int
	// lanes are the repositories that have calls at work or waiting.
	lanes map[string]*lane
	// turns are the lanes that could go on if the class, or another repository, could, the next one first as far as it is not for the callers to say. It is
	// empty while there is room.
	turns []*lane
	// callers are those who wait, over all lanes, round is that of the last turn, and late is how many of them had none in it yet.
	callers     map[string]*caller
	round, late int
	// spare are lanes to use again.
	spare []*lane
	// holders are the calls at work whose pace counts.
	holders map[*pace]struct{}
}

// lane is what the calls of one repository have of a class. A call without a repository is in the lane of "".
type lane struct {
	repository string
	// running are at work; others go on in the place of idle ones.
	running, idle int
	// waiters are *waiter, ordered by their rounds, the one that came first in front.
	waiters list.List
	// callers are those who wait in it, and round is that of its last turn.
	callers map[string]*caller
	round   int
	// turns is how many turns those have had that waited since last nobody did, turned when the last was, or the first began to
	// wait, and turnTime the time from one to the next, of which the last ones count most.
	turns    int
	turned   time.Time
	turnTime time.Duration
	// due reports that the lane is in turns.
	due bool
}

// newLimiter returns a limiter for so many calls at work, at work or idle, and waiting.
func newLimiter(class string, work, open, queue, sharePercent int, wait time.Duration) *limiter {
	share := func(n int) int { return max(n*sharePercent/100, 1) }
	return &limiter{
		class: class, max: work, share: share(work), open: open, openShare: share(open), queue: queue, queueShare: share(queue),
		wait: wait, lanes: map[string]*lane{}, callers: map[string]*caller{},
		holders: map[*pace]struct{}{},
		waited:  prometheus.ObserverFunc(func(float64) {}),
	}
}

// enter is enterWithin for the wait of the class.
func (l *limiter) enter(ctx context.Context, repository string) (*lane, error) {
	return l.enterWithin(ctx, repository, l.wait)
}

// enterWithin waits for the turn of a call and returns its lane, with which it has to leave. It fails with QUEUE_FULL, at
// once if too many wait already or its turn would not come in time, and else after the wait, and as the context does.
func (l *limiter) enterWithin(ctx context.Context, repository string, wait time.Duration) (*lane, error) {
	l.mu.Lock()
	ln := l.lane(repository)
	if l.admits(ln) {
		l.start(ln)
		l.mu.Unlock()
		return ln, nil
	}
	who := callerOf(ctx)
	at, ok := l.placeFor(ln, who, wait)
	if !ok {
		l.tidy(ln)
		l.mu.Unlock()
		return nil, l.refuse(tooMany)
	}
	w := &waiter{lane: ln, turn: make(chan struct{}), since: time.Now(), wait: wait, who: who, round: at.round}
	l.queueUp(w, at.ahead)
	l.makeDue(ln)
	if at.of != nil {
		at.of.displaced = true
		close(at.of.turn)
		l.remove(at.of)
	}
	l.mu.Unlock()
	return l.await(ctx, w, wait)
}

// full reports that a call with these headers would be refused at once. It may be of a repository in particular.
func (l *limiter) full(ctx context.Context, header metadata.MD, wait time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	repository := header[wire.RepositoryMetadata]
	if len(repository) != 1 {
		return !l.free() && l.waiting >= l.queue
	}
	ln := l.lanes[repository[0]]
	if ln == nil {
		ln = &noCalls
	}
	if l.admits(ln) {
		return false
	}
	_, ok := l.placeFor(ln, callerIn(ctx, header), wait)
	return !ok
}

// noCalls is the lane of a repository without calls.
var noCalls lane

// free reports whether the class has room for one more at work, and freeIn whether the repository has.
func (l *limiter) free() bool { return l.running < l.max && l.running+l.idle < l.open }

func (l *limiter) freeIn(ln *lane) bool {
	return ln.running < l.share && ln.running+ln.idle < l.openShare
}

// hasSlot reports whether the repository is at work already, or may be besides those that are.
func (l *limiter) hasSlot(ln *lane) bool {
	return ln.running > 0 || l.maxLanes == 0 || l.busyLanes < l.maxLanes
}

// admits reports whether a call may go on at once: there is room, and nobody waits who could go first.
func (l *limiter) admits(ln *lane) bool {
	return l.free() && l.freeIn(ln) && len(l.turns) == 0 && l.hasSlot(ln)
}

// start has one more call of the lane at work, and stop one less.
func (l *limiter) start(ln *lane) {
	if ln.running == 0 {
		l.busyLanes++
	}
	l.running++
	ln.running++
}

func (l *limiter) stop(ln *lane) {
	l.running--
	ln.running--
	if ln.running == 0 {
		l.busyLanes--
	}
}

// knownTurns is how many turns say how long one takes.
const knownTurns = 8

// placeInQueue is where a call is to wait.
type placeInQueue struct {
	// round is the one in which it has its turn, and ahead is how many of its lane come before it.
	round, ahead int
	// of is whose place it takes; nil if there is room.
	of *waiter
}

// placeFor finds the place of one more call in its lane's queue. Where that is full, or the last one would wait in vain, the last call of
// the caller who has most gives way to one who has fewer; where the queue of all is full, the last one of whoever has most in it, and
// else that of the repository that has most, unless its caller would have fewer than this one then. Else there is none.
func (l *limiter) placeFor(ln *lane, who string, wait time.Duration) (at placeInQueue, ok bool) {
	at.round, at.ahead = ln.roundOf(who)
	n := ln.waiters.Len()
	switch {
	case ln.isLate(at.ahead, wait):
		return at, false
	case n >= l.queueShare:
		if at.ahead == n {
			return at, false
		}
		at.of = last(ln)
	case at.ahead < n && ln.isLate(n, last(ln).wait):
		at.of = last(ln)
	case l.waiting >= l.queue:
		longest := ln
		for _, other := range l.lanes {
			if other.waiters.Len() > longest.waiters.Len() {
				longest = other
			}
		}
		mine := l.waitingOf(who)
		busiest, most := l.busiest()
		switch {
		case most > mine+1:
			at.of = l.lastOf(busiest)
		case longest.waiters.Len() > n+1 && (last(longest).who == who || last(longest).anywhere.waiting > mine):
			at.of = last(longest)
		case at.ahead < n:
			at.of = last(ln)
		default:
			return at, false
		}
	}
	return at, true
}

// isLate reports that a call behind so many others is likely to wait in vain: so long is it from one turn to the next, or since the last
// one, for most of the time. A quarter is kept for what differs.
func (ln *lane) isLate(ahead int, wait time.Duration) bool {
	soon := wait - wait/4
	return ln.waiters.Len() > 0 && (time.Since(ln.turned) > soon || ln.turns >= knownTurns && time.Duration(ahead+1)*ln.turnTime > soon)
}

// busiest returns the caller who has most calls in the queue, and how many.
func (l *limiter) busiest() (who string, waiting int) {
	for other, c := range l.callers {
		if c.waiting > waiting {
			who, waiting = other, c.waiting
		}
	}
	return who, waiting
}

func (l *limiter) waitingOf(who string) int {
	if c := l.callers[who]; c != nil {
		return c.waiting
	}
	return 0
}

// lastOf returns the last call of a caller who waits, in the lane in which they have most.
func (l *limiter) lastOf(who string) *waiter {
	var in *lane
	for _, ln := range l.lanes {
		if c := ln.callers[who]; c != nil && (in == nil || c.waiting > in.callers[who].waiting) {
			in = ln
		}
	}
	e := in.waiters.Back()
	for e.Value.(*waiter).who != who { //nolint:forcetypeassert // there is nothing else in it
		e = e.Prev()
	}
	return e.Value.(*waiter) //nolint:forcetypeassert // as above
}

// caller is who has calls that wait for turns: so many. Within a lane the last one has its turn in this round; over all lanes the next
// one has, and it is not above the one that comes after the present one.
type caller struct{ waiting, round int }

// roundOf returns the round in which one more call of a caller has its turn, and how many calls come before it. In each round each
// caller has one turn: whoever asks for much waits behind itself.
func (ln *lane) roundOf(who string) (round, ahead int) {
	round = ln.round + 1
	if c := ln.callers[who]; c != nil {
		round = c.round + 1
	}
	ahead = ln.waiters.Len()
	for e := ln.waiters.Back(); e != nil && e.Value.(*waiter).round > round; e = e.Prev() { //nolint:forcetypeassert // there is nothing else in it
		ahead--
	}
	return round, ahead
}

// queueUp has a call wait behind so many others.
func (l *limiter) queueUp(w *waiter, ahead int) {
	ln := w.lane
	if ln.waiters.Len() == 0 {
		ln.turns, ln.turned = 0, w.since
	}
	w.place = ln.waiters.PushBack(w)
	for n := ln.waiters.Len() - 1; n > ahead; n-- {
		ln.waiters.MoveBefore(w.place, w.place.Prev())
	}
	if ln.callers == nil {
		ln.callers = map[string]*caller{}
	}
	c := ln.callers[w.who]
	if c == nil {
		c = &caller{}
		ln.callers[w.who] = c
	}
	c.waiting++
	c.round = w.round
	l.waiting++
	w.anywhere = l.callers[w.who]
	if w.anywhere == nil {
		w.anywhere = &caller{round: l.round + 1}
		l.callers[w.who] = w.anywhere
	}
	w.anywhere.waiting++
}

// drop takes a call out of its queue.
func (l *limiter) drop(w *waiter) {
	ln := w.lane
	ln.waiters.Remove(w.place)
	l.waiting--
	c := ln.callers[w.who]
	if c.waiting--; c.waiting == 0 {
		delete(ln.callers, w.who)
	} else if c.round == w.round {
		c.round-- // the one before is the last now
	}
	if w.anywhere.waiting--; w.anywhere.waiting == 0 {
		delete(l.callers, w.who)
		if w.anywhere.round <= l.round {
			l.late--
		}
	}
}

// remove is drop for a call whose turn did not come, and forgets what is left of nothing.
func (l *limiter) remove(w *waiter) {
	ln := w.lane
	l.drop(w)
	if ln.due && ln.waiters.Len() == 0 {
		ln.due = false
		l.turns = slices.DeleteFunc(l.turns, func(other *lane) bool { return other == ln })
	}
	l.tidy(ln)
}

// callerOf is for whom a call is made: who the client says, else the host that the client is on.
func callerOf(ctx context.Context) string {
	header, _ := metadata.FromIncomingContext(ctx)
	return callerIn(ctx, header)
}

func callerIn(ctx context.Context, header metadata.MD) string {
	if who := header[wire.CallerMetadata]; len(who) == 1 {
		return who[0]
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		if host, _, err := net.SplitHostPort(p.Addr.String()); err == nil {
			return host
		}
	}
	return ""
}

// hadTurn notes a turn of the lane.
func (ln *lane) hadTurn() {
	now := time.Now()
	took := now.Sub(ln.turned)
	ln.turns++
	ln.turned = now
	ln.turnTime += (took - ln.turnTime) / time.Duration(min(ln.turns, knownTurns))
}

// waiter is a call that waits for its turn.
type waiter struct {
	*lane
	// turn is closed when it comes, or the call was displaced by one of another caller.
	turn      chan struct{}
	displaced bool
	// since is when it began to wait, and wait for how long it does.
	since time.Time
	wait  time.Duration
	place *list.Element
	// who is the caller, round the one in which the call has its turn in its lane, anywhere what the caller has over all lanes.
	who      string
	round    int
	anywhere *caller
}

func first(ln *lane) *waiter { return ln.waiters.Front().Value.(*waiter) } //nolint:forcetypeassert // there is nothing else in it

func last(ln *lane) *waiter { return ln.waiters.Back().Value.(*waiter) } //nolint:forcetypeassert // there is nothing else in it

func (l *limiter) await(ctx context.Context, w *waiter, wait time.Duration) (*lane, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	err := l.awaitTurn(ctx, w.lane, w.turn, timer.C)
	l.waited.Observe(time.Since(w.since).Seconds())
	if err == nil || !l.withdraw(w) { // its turn came, if only meanwhile
		if w.displaced {
			return nil, l.refuse(tooMany)
		}
		return w.lane, nil
	}
	if errors.Is(err, errWaited) {
		err = l.refuse("too many %s are under way, and none ended soon enough: try again in a moment")
	}
	return nil, err
}

// errWaited is that a call waited for too long.
var errWaited = errors.New("the turn of the call did not come")

// awaitTurn waits, and has calls of slow clients give way meanwhile.
func (l *limiter) awaitTurn(ctx context.Context, ln *lane, turn <-chan struct{}, waited <-chan time.Time) error {
	var look <-chan time.Time
	if l.minPace > 0 {
		l.makeRoom(ln)
		ticker := time.NewTicker(paceLook)
		defer ticker.Stop()
		look = ticker.C
	}
	for {
		select {
		case <-turn:
			return nil
		case <-ctx.Done():
			return errs.From(ctx.Err())
		case <-waited:
			return errWaited
		case <-look:
			l.makeRoom(ln)
		}
	}
}

// leave ends the call of a lane, and begins the next ones.
func (l *limiter) leave(ln *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop(ln)
	l.goOn(ln)
	l.tidy(ln)
}

// pause lets others go on in the place of a call that is idle.
func (l *limiter) pause(ln *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop(ln)
	l.idle++
	ln.idle++
	l.goOn(ln)
}

// resume has an idle call at work again. It waits for nobody, as others may wait for what it has: for a moment there are
// more at work than the class has room for.
func (l *limiter) resume(ln *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.start(ln)
	l.idle--
	ln.idle--
}

// goOn begins the next calls after one of the lane made room.
func (l *limiter) goOn(ln *lane) {
	l.makeDue(ln)
	for l.free() && len(l.turns) > 0 && l.next() {
	}
}

// next begins the call whose turn it is, unless an idle one took its place again: the first one of a caller who had no turn in this
// round yet, if there is one. So who waits in many lanes has no more turns than who waits in one. It reports whether more calls may begin:
// where a repository has to end before another one begins, nobody goes on before that, or those at work would have calls for ever.
func (l *limiter) next() bool {
	at, w := l.dueNext()
	ln := w.lane
	if l.freeIn(ln) && !l.hasSlot(ln) {
		return false
	}
	l.turns = slices.Delete(l.turns, at, at+1)
	ln.due = false
	if !l.freeIn(ln) {
		return true
	}
	l.hadTurn(w.anywhere)
	l.begin(w)
	for l.maxLanes > 0 && ln.waiters.Len() > 0 && l.free() && l.freeIn(ln) {
		l.begin(first(ln)) // with what the first one needs it needs next to nothing
	}
	l.makeDue(ln)
	return true
}

// begin has a call that waits at work.
func (l *limiter) begin(w *waiter) {
	ln := w.lane
	ln.hadTurn()
	l.drop(w)
	ln.round = max(ln.round, w.round)
	l.start(ln)
	close(w.turn)
}

// dueNext returns the call whose turn it is, and where its lane is in turns.
func (l *limiter) dueNext() (at int, w *waiter) {
	if l.late > 0 {
		for i, ln := range l.turns {
			for e := ln.waiters.Front(); e != nil; e = e.Next() {
				if w := e.Value.(*waiter); w.anywhere.round <= l.round { //nolint:forcetypeassert // there is nothing else in it
					return i, w
				}
			}
		}
	}
	return 0, first(l.turns[0])
}

// hadTurn notes a turn of a caller.
func (l *limiter) hadTurn(c *caller) {
	if c.round <= l.round {
		l.late--
	} else { // a new round: nobody else had a turn in it
		l.round = c.round
		l.late = len(l.callers) - 1
	}
	c.round = l.round + 1
}

// makeDue puts a lane that could go on at the end of turns.
func (l *limiter) makeDue(ln *lane) {
	if !ln.due && ln.waiters.Len() > 0 && l.freeIn(ln) {
		ln.due = true
		l.turns = append(l.turns, ln)
	}
}

// withdraw takes a call out of its queue and reports whether it was still there.
func (l *limiter) withdraw(w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-w.turn:
		return false
	default:
	}
	l.remove(w)
	return true
}

func (l *limiter) lane(repository string) *lane {
	if ln := l.lanes[repository]; ln != nil {
		return ln
	}
	var ln *lane
	if n := len(l.spare); n > 0 {
		ln, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		ln = &lane{}
	}
	ln.repository = repository
	l.lanes[repository] = ln
	return ln
}

// tidy forgets a lane without calls.
func (l *limiter) tidy(ln *lane) {
	if ln.running+ln.idle > 0 || ln.waiters.Len() > 0 {
		return
	}
	delete(l.lanes, ln.repository)
	*ln = lane{}
	if len(l.spare) < maxSpareLanes {
		l.spare = append(l.spare, ln)
	}
}

// load returns how many calls are at work and how many wait.
func (l *limiter) load() (running, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running, l.waiting
}

// unread returns how many calls are idle.
func (l *limiter) unread() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idle
}

// metaClass is the key of Meta that names the class of a call that was refused.
const metaClass = "class"

// callsOf are the calls of each class in words of whoever makes them.
var callsOf = map[string]string{
	"cheap": "look-ups", "read": "reads", "heavy": "large reads", "write": "writes", "pack": "clones, fetches and pushes",
}

// tooMany is why a call is refused at once.
const tooMany = "too many %s are under way and waiting: try again in a moment"

func (l *limiter) refuse(format string) error {
	l.rejected.Add(1)
	return l.refusal(format)
}

func (l *limiter) refusal(format string) error {
	return errs.New(errs.ReasonQueueFull, fmt.Sprintf(format, callsOf[l.class]), metaClass, l.class)
}
