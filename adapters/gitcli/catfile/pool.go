package catfile

import (
	"cmp"
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

// class keeps readers of small objects, which hold a process for microseconds, apart from streams of large ones, which
// hold it for as long as git and the disk take.
type class int

const (
	small class = iota
	large
)

// perRepository is how many processes of a class one repository may have. Two serve small objects as fast as two cores
// can (docs/performance.md); more would only take memory.
var perRepository = [...]int{small: 2, large: 4}

// Options bounds a pool. Zero values are the defaults.
type Options struct {
	// MaxProcesses bounds the processes of all repositories; the default is 64, and it is at least 2.
	MaxProcesses int
	// MaxWaiting bounds the reads that wait for a process; the default is 4096.
	MaxWaiting int
	// IdleTimeout ends processes that nobody used for so long; the default is 5 minutes.
	IdleTimeout time.Duration
	// MaxAge ends processes that are older when they have answered; the default is 10 minutes. git keeps packs that it
	// looked into open after they were removed, and their room on the disk taken.
	MaxAge time.Duration
	// MaxWait bounds the wait for a process that streams a large object; the default is 5 seconds.
	MaxWait time.Duration
	// SpoolDir is where the contents of large objects wait for their readers, in files without a name; the default is
	// that of [os.TempDir].
	SpoolDir string
	// MaxSpooled bounds the bytes of all such files together; the default is 16 GiB. A single one is always taken.
	MaxSpooled int64
	// RepositoryShare is how much of that the files of one repository may have, in percent; the default is 50. A single one
	// of a repository may have more.
	RepositoryShare int
	// MinFreeSpace is how much of the disk such files leave free, in bytes: what would leave less is read as if the disk
	// took nothing. The default is 0.
	MinFreeSpace int64
}

func (o Options) withDefaults() Options {
	if o.MaxProcesses == 0 {
		o.MaxProcesses = 64
	}
	o.MaxProcesses = max(o.MaxProcesses, 2)
	if o.MaxWaiting == 0 {
		o.MaxWaiting = 4096
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 5 * time.Minute
	}
	if o.MaxAge == 0 {
		o.MaxAge = 10 * time.Minute
	}
	if o.MaxWait == 0 {
		o.MaxWait = 5 * time.Second
	}
	if o.MaxSpooled == 0 {
		o.MaxSpooled = 16 << 30
	}
	if o.RepositoryShare == 0 {
		o.RepositoryShare = 50
	}
	if o.SpoolDir == "" {
		o.SpoolDir = os.TempDir()
	}
	return o
}

// Pool owns cat-file processes. It is safe for concurrent use.
type Pool struct {
	runner *command.Runner
	opts   Options

	mu      sync.Mutex
	sets    map[key]*set
	total   int
	waiting []*waiter
	closed  bool

	spools spools

	// background is the reaper, the drains and what fills spools; they end with ctx.
	background sync.WaitGroup
	ctx        context.Context
	cancel     context.CancelFunc
}

// key names the reader and not its directory: a repository that is created where another was deleted must not be read
// through that one's processes.
type key struct {
	reader *Reader
	class  class
}

// set is the processes of one repository and class.
type set struct {
	idle []*idle
	live int
}

type idle struct {
	p     *process
	since time.Time
}

// waiter is a read that waits for a process, or for leave to start one: then it is handed nil.
type waiter struct {
	key   key
	ready chan *process
}

// NewPool returns a pool that starts processes with runner. Close it to end them.
func NewPool(runner *command.Runner, opts Options) *Pool {
	p := &Pool{runner: runner, opts: opts.withDefaults(), sets: map[key]*set{}, spools: spools{open: map[spoolKey]*spool{}, of: map[*Reader]int64{}}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.background.Go(p.reap)
	return p
}

// Open returns a reader of the bare repository dir and starts the processes that small reads will use.
func (p *Pool) Open(ctx context.Context, dir string) (*Reader, error) {
	r := &Reader{pool: p, dir: dir}
	k := key{r, small}
	first, err := p.acquire(ctx, k)
	if err != nil {
		return nil, err
	}
	for range perRepository[small] - 1 {
		p.startSpare(k)
	}
	p.release(k, first)
	return r, nil
}

// startSpare starts a process ahead of need, if that takes nobody's place.
func (p *Pool) startSpare(k key) {
	p.mu.Lock()
	room := p.total < p.opts.MaxProcesses
	if room {
		_, room = p.reserve(k) // below the limit nothing is evicted
	}
	p.mu.Unlock()
	if !room {
		return
	}
	if spare, err := p.start(k, nil); err == nil {
		p.release(k, spare)
	}
}

// Close ends the reader's idle processes; those in use end when their reads are done. Later reads fail with err.
func (r *Reader) Close(err error) {
	p := r.pool
	p.mu.Lock()
	r.ended = err
	var ended []*process
	for c := range perRepository {
		k := key{r, class(c)}
		if s := p.sets[k]; s != nil {
			ended = append(ended, p.takeIdle(k, s, time.Time{})...)
			delete(p.sets, k)
		}
	}
	ended = append(ended, p.serveWaiting()...)
	p.mu.Unlock()
	closeAll(ended)
}

// Processes returns how many processes there are.
func (p *Pool) Processes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

// Busy returns how many processes are in use.
func (p *Pool) Busy() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	busy := p.total
	for _, s := range p.sets {
		busy -= len(s.idle)
	}
	return busy
}

// Close ends all idle processes and makes every later read fail with DRAINING. Processes in use end when their readers
// are done.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	p.cancel()
	var ended []*process
	for k, s := range p.sets {
		ended = append(ended, p.takeIdle(k, s, time.Time{})...)
	}
	for _, w := range p.waiting {
		close(w.ready)
	}
	p.waiting = nil
	p.mu.Unlock()
	closeAll(ended)
	p.background.Wait()
}

// work runs what reads in the background, with a context that ends when the pool is closed. It reports whether it does:
// not after that.
func (p *Pool) work(read func(context.Context)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.background.Go(func() { read(p.ctx) })
	}
	return !p.closed
}

func closeAll(processes []*process) {
	for _, proc := range processes {
		_ = proc.Close()
	}
}

// reap ends processes that were idle for too long.
func (p *Pool) reap() {
	tick := time.NewTicker(p.opts.IdleTimeout / 4)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-tick.C:
			p.mu.Lock()
			var ended []*process
			for k, s := range p.sets {
				ended = append(ended, p.takeIdle(k, s, now.Add(-p.opts.IdleTimeout))...)
			}
			p.mu.Unlock()
			closeAll(ended)
		}
	}
}

// takeIdle removes the set's idle processes that are unused since before the time, all for the zero time.
func (p *Pool) takeIdle(k key, s *set, before time.Time) []*process {
	var taken []*process
	s.idle = slices.DeleteFunc(s.idle, func(i *idle) bool {
		take := before.IsZero() || i.since.Before(before)
		if take {
			taken = append(taken, i.p)
		}
		return take
	})
	s.live -= len(taken)
	p.total -= len(taken)
	if s.live == 0 && len(s.idle) == 0 {
		delete(p.sets, k)
	}
	return taken
}

var errDraining = errs.New(errs.ReasonDraining, "the service is shutting down: try again on another one or later")

// acquire returns a process for exclusive use: one that is idle, a new one, or the first that becomes free.
func (p *Pool) acquire(ctx context.Context, k key) (*process, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.From(err)
	}
	p.mu.Lock()
	if err := p.refusal(k); err != nil {
		p.mu.Unlock()
		return nil, err
	}
	if proc := p.takeLast(k); proc != nil {
		p.mu.Unlock()
		return proc, nil
	}
	if evicted, ok := p.reserve(k); ok {
		p.mu.Unlock()
		return p.start(k, evicted)
	}
	if len(p.waiting) >= p.opts.MaxWaiting {
		p.mu.Unlock()
		return nil, errs.New(errs.ReasonQueueFull, "too many reads are waiting: try again in a moment")
	}
	w := &waiter{key: k, ready: make(chan *process, 1)}
	p.waiting = append(p.waiting, w)
	p.mu.Unlock()
	return p.wait(ctx, w)
}

// refusal is why no process of the key is to be had any more, nil if there is no reason.
func (p *Pool) refusal(k key) error {
	if p.closed {
		return errDraining
	}
	return k.reader.ended
}

// reserve counts a process that is about to be started, if the limits allow it; it may take the place of an idle
// process of another set, which the caller has to close.
func (p *Pool) reserve(k key) (evicted *process, ok bool) {
	s := p.sets[k]
	if s != nil && s.live >= perRepository[k.class] {
		return nil, false
	}
	if p.total >= p.opts.MaxProcesses {
		if evicted = p.evict(); evicted == nil {
			return nil, false
		}
	}
	if s = p.sets[k]; s == nil {
		s = &set{}
		p.sets[k] = s
	}
	s.live++
	p.total++
	return evicted, true
}

// evict removes the process that is idle for the longest time.
func (p *Pool) evict() *process {
	var oldest *idle
	var from key
	for k, s := range p.sets {
		if len(s.idle) > 0 && (oldest == nil || s.idle[0].since.Before(oldest.since)) {
			oldest, from = s.idle[0], k
		}
	}
	if oldest == nil {
		return nil
	}
	s := p.sets[from]
	s.idle = s.idle[1:]
	s.live--
	p.total--
	if s.live == 0 {
		delete(p.sets, from)
	}
	return oldest.p
}

func (p *Pool) start(k key, evicted *process) (*process, error) {
	if evicted != nil {
		_ = evicted.Close()
	}
	proc, err := start(p.runner, k.reader.dir)
	if err == nil {
		return proc, nil
	}
	p.settle(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	return nil, cmp.Or(p.refusal(k), err)
}

// forgetOne stops counting a process of the set.
func (p *Pool) forgetOne(k key) {
	p.total--
	if s := p.sets[k]; s != nil {
		if s.live--; s.live <= 0 && len(s.idle) == 0 {
			delete(p.sets, k)
		}
	}
}

var errLate = errs.New(errs.ReasonQueueFull, "too many large files are being read: try again in a moment")

func (p *Pool) wait(ctx context.Context, w *waiter) (*process, error) {
	var late <-chan time.Time
	if w.key.class == large {
		timer := time.NewTimer(p.opts.MaxWait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case proc, ok := <-w.ready:
		return p.served(w, proc, ok)
	case <-late:
		p.giveUp(w)
		return nil, errLate
	case <-ctx.Done():
		p.giveUp(w)
		return nil, errs.From(ctx.Err())
	}
}

// giveUp ends a wait, and passes on what it was served in the meantime.
func (p *Pool) giveUp(w *waiter) {
	p.mu.Lock()
	i := slices.Index(p.waiting, w)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		return
	}
	if proc, ok := <-w.ready; ok {
		if proc == nil {
			p.settle(w.key)
		} else {
			p.release(w.key, proc)
		}
	}
}

func (p *Pool) served(w *waiter, proc *process, ok bool) (*process, error) {
	switch {
	case !ok:
		return nil, errDraining
	case proc == nil:
		return p.start(w.key, nil)
	}
	return proc, nil
}

// release gives back a process that answered everything it was asked.
func (p *Pool) release(k key, proc *process) {
	p.mu.Lock()
	s := p.sets[k]
	if p.closed || s == nil || time.Since(proc.started) > p.opts.MaxAge {
		p.mu.Unlock()
		_ = proc.Close()
		p.settle(k)
		return
	}
	s.idle = append(s.idle, &idle{proc, time.Now()})
	ended := p.serveWaiting()
	p.mu.Unlock()
	closeAll(ended)
}

// discard ends a process that is in an unknown state.
func (p *Pool) discard(k key, proc *process) {
	proc.Discard()
	p.settle(k)
}

// settle accounts for a process that ended or never started.
func (p *Pool) settle(k key) {
	p.mu.Lock()
	p.forgetOne(k)
	ended := p.serveWaiting()
	p.mu.Unlock()
	closeAll(ended)
}

// serveWaiting serves those that wait, the first that came first, as far as the limits allow: with an idle process of
// their repository, or with leave to start one. It returns processes that had to make room, for the caller to close
// without the lock.
func (p *Pool) serveWaiting() (ended []*process) {
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter) bool {
		if proc := p.takeLast(w.key); proc != nil {
			w.ready <- proc
			return true
		}
		evicted, ok := p.reserve(w.key)
		if evicted != nil {
			ended = append(ended, evicted)
		}
		if ok {
			w.ready <- nil
		}
		return ok
	})
	return ended
}

// takeLast takes the idle process of the key that was used last, nil if there is none.
func (p *Pool) takeLast(k key) *process {
	s := p.sets[k]
	if s == nil || len(s.idle) == 0 {
		return nil
	}
	last := len(s.idle) - 1
	proc := s.idle[last].p
	s.idle = s.idle[:last]
	return proc
}
