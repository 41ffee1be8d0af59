package gitcli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/packfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
	"github.com/gitstore-dev/gitstore/ports"
)

// maxBatch bounds the writes that share one pack, one ref transaction and one set of syncs.
const maxBatch = 256

// write is one call that waits for its turn.
type write struct {
	ctx context.Context
	// plan prepares the write on the draft. It may be called again on a later draft, if a batch had to be taken apart.
	plan planner
	// staged holds the contents that plan refers to; nil if it refers to none.
	staged *stage
	// moves reports that the write moves refs, and so that what it staged is to be stored.
	moves bool
	// together reports that it moves several, all of them or none.
	together bool
	// events are what is told of the refs that it moves.
	events []event.RefUpdated
	// since is when it began to wait.
	since time.Time
	done  chan struct{}
	err   error
}

// writer makes the writes of one repository in the order they come. Those that wait while a batch is being written are
// the next batch: the cost of the disk is shared by all of them, and nobody loses a race. It has a goroutine only
// while there is something to write.
type writer struct {
	repo  *repo
	limit int

	mu      sync.Mutex
	queue   []*write
	running bool
	closed  error
	// unfinished reports that it is not known where the refs are or whether they are on the disk, and that some may have to be
	// moved yet which were to move together with others. Who writes sets it.
	unfinished atomic.Bool
	// unsettled are the ref changes of which that is not known. It belongs to who writes.
	unsettled []repository.RefChange
	// at is the step of the batch that is being written.
	at atomic.Int32
	// wanted is how many writes the next batch waits for, 0 if it does not; full is closed when there are as many.
	wanted int
	full   chan struct{}
}

// do queues the write and waits until it is on the disk. A write whose context ends while it waits is dropped; one that
// is being written is waited for, so that its outcome is known.
func (w *writer) do(ctx context.Context, staged *stage, plan planner) error {
	if err := ctx.Err(); err != nil {
		return errs.From(err)
	}
	job := &write{ctx: ctx, plan: plan, staged: staged, since: time.Now(), done: make(chan struct{})}
	if err := w.enqueue(job); err != nil {
		return err
	}
	select {
	case <-job.done:
		return job.err
	case <-ctx.Done():
	}
	if w.withdraw(job) {
		return errs.From(ctx.Err())
	}
	<-job.done
	return job.err
}

func (w *writer) enqueue(job *write) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed != nil:
		return w.closed
	case len(w.queue) >= w.limit:
		return errs.New(errs.ReasonQueueFull, "too many writes are waiting for the repository: try again in a moment",
			errs.MetaRepository, w.repo.id.String())
	}
	w.queue = append(w.queue, job)
	failpoint.Reach(failpoint.WriteQueued)
	if len(w.queue) == w.wanted {
		w.wanted = 0
		close(w.full)
	}
	if !w.running {
		w.running = true
		w.repo.store.background.Go(w.run)
	}
	return nil
}

// withdraw takes a write out of the queue and reports whether it was still there.
func (w *writer) withdraw(job *write) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range w.queue {
		if q == job {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			return true
		}
	}
	return false
}

// close makes every write that is not yet being written, and every later one, fail with err.
func (w *writer) close(err error) {
	w.mu.Lock()
	w.closed = err
	dropped := w.queue
	w.queue = nil
	w.mu.Unlock()
	for _, job := range dropped {
		job.err = err
	}
	finish(dropped)
}

func (w *writer) run() {
	for {
		batch := w.take()
		if len(batch) == 0 {
			return
		}
		start := time.Now()
		w.write(batch)
		w.gather(len(batch), min(time.Since(start)/4, maxGather))
	}
}

// take returns the next batch. After an empty one a new goroutine has to run.
func (w *writer) take() []*write {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := w.queue[:min(len(w.queue), maxBatch)]
	w.queue = w.queue[len(batch):]
	if len(batch) == 0 {
		w.queue = nil
		w.running = false
	}
	return batch
}

// maxGather is the longest that a batch waits for more writes.
const maxGather = 2 * time.Millisecond

// gather waits until there are as many writes as the last batch had. Whoever was just answered often has another one,
// and would else have to wait for a batch that was begun for the sake of the first to come.
func (w *writer) gather(n int, patience time.Duration) {
	w.mu.Lock()
	if n == 1 || len(w.queue) >= n {
		w.mu.Unlock()
		return
	}
	full := make(chan struct{})
	w.wanted, w.full = n, full
	w.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-full:
	case <-timer.C:
	}
	w.mu.Lock()
	w.wanted = 0
	w.mu.Unlock()
}

func finish(batch []*write) {
	for _, job := range batch {
		close(job.done)
	}
}

// write makes a batch. If it cannot be written as a whole, each write is tried by itself, so that one that cannot be
// made fails no other, and none is refused for the sake of one that was not made after all.
func (w *writer) write(batch []*write) {
	defer w.watch(len(batch))()
	w.repo.exclusive.Lock()
	defer w.repo.exclusive.Unlock()
	defer finish(batch)
	defer w.survive(batch)
	if err := w.closedWith(); err != nil {
		for _, job := range batch {
			job.err = err
		}
		return
	}
	before := w.repo.refs.Load()
	if retry := w.attempt(batch); retry && (len(batch) > 1 || w.repo.refs.Load() != before) {
		for _, job := range batch {
			w.attempt([]*write{job})
		}
	}
}

// slowBatch is after how long it is logged of a batch that it is not done. Those of a disk that is busy take less.
const slowBatch = 5 * time.Second

// watch logs of a batch that takes long where it is, while it does: one that hangs tells nothing else. The batch lasts until end.
func (w *writer) watch(writes int) (end func()) {
	told := make(chan struct{})
	timer := time.AfterFunc(w.repo.store.slowBatch, func() {
		defer close(told)
		w.repo.store.logger.Warn("a batch of writes takes long, and others to the repository wait for it", "repository", w.repo.id.String(),
			"step", Step(w.at.Load()).String(), "writes", writes)
	})
	return func() {
		if !timer.Stop() {
			<-told
		}
	}
}

// closedWith returns why the writer is closed. Whoever holds the repository exclusively has to ask again: it may have been
// deleted, and another one made in its place, since the write was queued.
func (w *writer) closedWith() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// survive answers a batch in which the code panicked, so that the process and the writer live on.
func (w *writer) survive(batch []*write) {
	v := recover()
	if v == nil {
		return
	}
	err := errs.Wrap(fmt.Errorf("panic: %v", v), errs.ReasonInternal, "internal error; whether the write took effect is to be read from the repository")
	w.repo.store.logger.Error("panic while writing", "repository", w.repo.id.String(), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	for _, job := range batch {
		job.err = err
	}
	w.repo.store.opts.Observer.Unsure(w.repo.id)
}

// attempt makes a batch and sets the outcome of each of its writes. It reports whether it failed as a whole and moved
// nothing, so that its writes may be tried again.
func (w *writer) attempt(batch []*write) (retry bool) {
	ctx := context.WithoutCancel(batch[0].ctx)
	steps := &stopwatch{at: &w.at, since: batch[0].since}
	defer func() { // also when the code panics
		steps.begin(StepWait) // of the next one
		w.repo.store.opts.Batched(steps.Batch)
	}()
	if err := w.settle(ctx, steps); err != nil {
		err = w.uncertain(ctx, err, "it is not known yet whether the last write is on the disk: try again shortly, and see to the disk if that goes on")
		for _, job := range batch {
			job.err = err
		}
		return false
	}
	steps.begin(StepPlan)
	d := newDraft(w.repo)
	planned := w.plan(d, batch)
	if len(d.changes) == 0 {
		if len(planned) > 0 {
			steps.begin(StepTell)
			w.vouch(planned)
		}
		return false
	}
	done, err := w.commit(ctx, d, planned, steps)
	if done == unknown {
		err = w.uncertain(ctx, err, "it is not known whether the write took effect: repeat it with the same request_id, or look before you repeat it")
	}
	for _, job := range planned {
		job.err = err
		if job.moves && done == moved {
			steps.Writes++
		}
	}
	return done == untouched
}

// uncertain logs a failure and returns what is told of it, which says so: nobody is to take it for one that left everything as it was, as
// on a full disk. Damage stays what it is, as it is not over when a caller tries again.
func (w *writer) uncertain(ctx context.Context, err error, what string) error {
	w.repo.store.logger.ErrorContext(ctx, "it is not known where refs are on the disk", "repository", w.repo.id.String(), "error", err, "cause", errors.Unwrap(err))
	if errs.KindOf(err) == errs.Corrupt {
		return err
	}
	return errs.Wrap(err, errs.ReasonUnavailable, what)
}

// settle finds out where the refs are that an earlier batch may have left anywhere, moves those that it was to move and did not, and
// puts all of them on the disk. Without it nothing is answered, and nothing shown: a retry finds the commit of its first request made,
// and would be told so.
func (w *writer) settle(ctx context.Context, steps *stopwatch) error {
	if !w.unfinished.Load() {
		return nil
	}
	steps.begin(StepSettle)
	refs, err := w.finish(ctx)
	if err != nil {
		return err
	}
	w.repo.refs.Store(&refs)
	w.repo.requests.clear()
	w.unfinished.Store(false)
	w.unsettled = nil
	w.repo.store.opts.Observer.Unsure(w.repo.id)
	return nil
}

func (w *writer) finish(ctx context.Context) (refTable, error) {
	finished, err := w.repo.store.refs.finish(ctx, w.repo.dir)
	if err != nil {
		return refTable{}, err
	}
	refs, err := loadRefs(ctx, w.repo.store.runner, w.repo.dir, w.repo.objects)
	if err != nil || finished {
		return refs, err
	}
	now := slices.Clone(w.unsettled)
	for i, c := range now {
		now[i].New = refs.get(c.Name).Target
	}
	if err := w.repo.store.refs.rewrite(w.repo.dir, now); err != nil {
		return refs, err
	}
	return refs, w.repo.store.refs.syncPath(w.repo.dir) // the intent may have been removed, and its removal not be there
}

// plan prepares the writes one after the other, each on what the ones before leave, and returns those that can be made.
// One that moves nothing (a dry run, a replay, a no-op) leaves nothing in the draft, but is answered with the batch: it
// may rest on a write before it.
func (w *writer) plan(d *draft, batch []*write) []*write {
	var planned []*write
	for _, job := range batch {
		point := d.save()
		if job.err = w.planOne(d, job); job.err != nil || !job.moves {
			d.rollback(point)
		}
		if job.err == nil {
			planned = append(planned, job)
		}
		runtime.Gosched() // a batch is up to tens of milliseconds of work, and others wait for the core
	}
	return planned
}

func (w *writer) planOne(d *draft, job *write) error {
	if err := job.ctx.Err(); err != nil {
		return errs.From(err)
	}
	made := len(d.made)
	if job.staged != nil {
		d.borrow(job.staged.quarantine)
	}
	changes, err := job.plan(job.ctx, d)
	if err != nil {
		return err
	}
	job.moves, job.together = len(changes) > 0, len(changes) > 1
	if !job.moves {
		return nil
	}
	if err := d.apply(job.ctx, changes); err != nil {
		return err
	}
	if job.events, err = d.events(job.ctx, changes, made); err != nil {
		return err
	}
	d.index(changes)
	return nil
}

// commit puts the batch on the disk: first the objects, then the refs that lead to them. Only then is it visible to
// readers, and only then acknowledged.
func (w *writer) commit(ctx context.Context, d *draft, planned []*write, steps *stopwatch) (done outcome, err error) {
	steps.begin(StepStore)
	packs, err := w.storeObjects(d, planned)
	if err != nil {
		w.repo.packsAdded(packs, 0)
		return untouched, err
	}
	together := slices.ContainsFunc(planned, func(job *write) bool { return job.together })
	defer func() { // also when the code panics
		if done == unknown {
			w.doubt(d)
		}
	}()
	steps.begin(StepMove)
	done, err = w.moveRefsSurely(ctx, d, together, w.syncPacks())
	if done != moved {
		w.repo.packsAdded(packs, 0)
		return done, err
	}
	steps.begin(StepTell)
	for _, m := range d.made {
		w.repo.objects.cache.put(w.repo.objects.repository, m.object.ID, m.value)
	}
	w.repo.refs.Store(&d.refs)
	w.repo.requests.record(d)
	w.repo.packsAdded(packs, newRefs(d.changes))
	failpoint.Reach(failpoint.RefsPublished)
	w.announce(ctx, planned)
	failpoint.Reach(failpoint.EventAppended)
	return moved, nil
}

// Step is a part of what a batch takes.
type Step int32

// The steps of a batch, in their order.
const (
	// StepWait is that of the first of its writes for the batch before, and for whatever else has the repository to itself.
	StepWait Step = iota
	// StepSettle finds out where the refs are, after a batch of which that was not known.
	StepSettle
	// StepPlan makes the trees and commits.
	StepPlan
	// StepStore puts all objects that were not there yet into the repository.
	StepStore
	// StepMove moves the refs, with everything they lead to on the disk.
	StepMove
	// StepTell is that of [Options.Observer].
	StepTell
)

// String returns the step's name, as metrics and the log have it.
func (s Step) String() string {
	return [...]string{"wait", "settle", "plan", "objects", "refs", "events"}[s]
}

// Batch is what it took to make the writes of one repository that waited together, or to fail in it.
type Batch struct {
	// Writes is how many of them moved refs: 0 if all failed, or came to nothing, as dry runs do.
	Writes int
	// Took is how long each [Step] took, 0 of those that were not reached.
	Took [StepTell + 1]time.Duration
}

// stopwatch takes the times of the steps of a batch.
type stopwatch struct {
	Batch
	// at is the step, since when it began.
	at    *atomic.Int32
	since time.Time
}

// begin ends the step and begins another one.
func (s *stopwatch) begin(step Step) {
	now := time.Now()
	s.Took[s.at.Swap(int32(step))] += now.Sub(s.since)
	s.since = now
}

// doubt has what the batch was to move settled before anything else is answered.
func (w *writer) doubt(d *draft) {
	w.unsettled = netChanges(d.changes)
	w.unfinished.Store(true)
	w.repo.size.doubt()
	w.repo.requests.clear() // a retry has to find what did take effect
	w.repo.store.opts.Observer.Unsure(w.repo.id)
}

// announce tells of every ref change of the batch, also of those that a later one of the same batch went beyond: each
// was acknowledged for itself.
func (w *writer) announce(ctx context.Context, planned []*write) {
	header := w.repo.store.eventHeader(w.repo.id)
	var events []event.Event
	for _, job := range planned {
		for _, e := range job.events {
			e.Header = header
			events = append(events, e)
		}
	}
	cursors := w.repo.store.opts.Observer.Changed(ctx, events...)
	for _, job := range planned {
		if n := len(job.events); n > 0 && n <= len(cursors) {
			receive(job.ctx, cursors[:n])
			cursors = cursors[n:]
		}
	}
	w.vouch(planned)
}

// vouch gives the writes that moved nothing a place behind what they rest on.
func (w *writer) vouch(planned []*write) {
	for _, job := range planned {
		if r := ports.ReceiptOf(job.ctx); r != nil && !job.moves {
			r.Cursor = w.repo.store.opts.Observer.Told(job.ctx, w.repo.id)
		}
	}
}

// storeObjects puts the batch's objects into the repository: one pack of the batch's own for the trees, commits, tags and
// small files of all writes, if there are any, and the packs of large files as they were staged. It returns those that it put in their place.
// There they stay, whatever becomes of the refs: from then on everybody finds the objects, whom no turn of a writer holds up. A push may have been
// found whole by them, a reader know their ids, and a ref have been moved by somebody else to what goes on from them. What no ref leads to is
// kept anyhow (docs/adr/0021-packed-refs.md), and a maintenance makes one of what each retry brings again.
func (w *writer) storeObjects(d *draft, planned []*write) (packs []*packfile.Pack, err error) {
	var objects []packfile.Object
	for _, job := range planned {
		if job.staged == nil || !job.moves {
			continue
		}
		objects = append(objects, job.staged.small...)
		if job.staged.pack != nil && !job.staged.pack.Installed() { // else an attempt before this one did it
			packs = append(packs, job.staged.pack)
		}
	}
	for _, m := range d.made {
		objects = append(objects, m.object)
	}
	if len(objects) > 0 {
		own, err := w.pack(objects, d.format)
		if err != nil {
			return nil, err
		}
		defer own.Discard() // if it did not get to its place
		packs = append(packs, own)
	}
	for i, p := range packs {
		if err := p.Install(); err != nil {
			return packs[:i], err
		}
	}
	failpoint.Reach(failpoint.ObjectsMoved)
	return packs, nil
}

func (w *writer) pack(objects []packfile.Object, f git.ObjectFormat) (*packfile.Pack, error) {
	pack, err := packfile.Create(w.repo.packDir(), f)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if err = pack.Add(o); err != nil {
			break
		}
	}
	if err == nil {
		err = pack.Finish()
	}
	if err != nil {
		pack.Discard()
		return nil, err
	}
	return pack, nil
}

// syncPacks begins to put the names of packs on the disk and returns how to wait for it.
func (w *writer) syncPacks() (stored func() error) {
	synced := make(chan error, 1)
	go func() { synced <- disk.SyncDir(w.repo.packDir()) }()
	return sync.OnceValue(func() error { return <-synced })
}

// moveRefsSurely moves the refs and tells what came of it. A transaction that moved nothing is tried once more, as what
// it met may have been a lock that a killed process left, and everything it writes is written anew. One that moved the refs before it
// failed may not have put them on the disk: until they are rewritten, its outcome is not known.
func (w *writer) moveRefsSurely(ctx context.Context, d *draft, together bool, stored func() error) (done outcome, err error) {
	planned := w.repo.refs.Load()
	for range 2 {
		if err = w.moveRefs(ctx, d, together, stored); err == nil {
			return moved, nil
		}
		var unread error
		switch done, unread = w.outcome(ctx, d, together); done {
		case untouched:
			if err := dropIntent(w.repo.dir, w.repo.store.refs.syncPath); err != nil {
				return unknown, err
			}
			if w.repo.refs.Load() != planned {
				return untouched, err
			}
			continue
		case unknown:
			if !together {
				return unknown, cmp.Or(unread, err)
			}
			finished, failure := w.repo.store.refs.finish(ctx, w.repo.dir)
			if failure != nil || !finished {
				return unknown, cmp.Or(failure, err)
			}
			return moved, nil
		case moved:
		}
		if err = w.repo.store.refs.rewrite(w.repo.dir, netChanges(d.changes)); err == nil {
			err = dropIntent(w.repo.dir, w.repo.store.refs.syncPath)
		}
		if err != nil {
			w.leave(ctx, netChanges(d.changes))
			return unknown, err
		}
		return moved, nil
	}
	return done, err
}

// leave writes down which refs have moved and may not be on the disk, for a process that takes over before the machine goes
// down: it reads what is in memory, and would take it for what is on the disk. So it does not matter whether this gets there.
func (w *writer) leave(ctx context.Context, changes []repository.RefChange) {
	if err := writeIntent(w.repo.dir, changes); err != nil {
		w.repo.store.logger.WarnContext(ctx, "refs may not be on the disk, and that cannot be written down either", "repository", w.repo.id.String(), "error", err)
	}
}

func (w *writer) moveRefs(ctx context.Context, d *draft, together bool, stored func() error) error {
	changes := netChanges(d.changes)
	if len(changes) == 0 {
		return stored()
	}
	return w.repo.store.refs.transact(ctx, w.repo.dir, changes, together && len(changes) > 1, stored)
}

// outcome is what a ref transaction that failed came to.
type outcome int

const (
	// unknown is a transaction of which a part may have taken effect.
	unknown outcome = iota
	// untouched is a transaction that moved nothing.
	untouched
	// moved is a transaction that took effect although nobody said so.
	moved
)

// outcome clears the locks that a killed process left, reads the refs, and compares them with the transaction. It fails with why
// they cannot be read.
func (w *writer) outcome(ctx context.Context, d *draft, together bool) (outcome, error) {
	logger := w.repo.store.logger
	if err := removeRefLocks(w.repo.dir); err != nil {
		logger.ErrorContext(ctx, "ref locks cannot be removed", "repository", w.repo.id.String(), "error", err)
	}
	refs, err := loadRefs(ctx, w.repo.store.runner, w.repo.dir, w.repo.objects)
	if err != nil {
		logger.ErrorContext(ctx, "refs cannot be read", "repository", w.repo.id.String(), "error", err, "cause", errors.Unwrap(err))
		return unknown, err
	}
	changes := netChanges(d.changes)
	var made []repository.RefChange
	elsewhere := false
	for _, c := range changes {
		switch refs.get(c.Name).Target {
		case c.New:
			made = append(made, c)
		case c.Old:
		default:
			elsewhere = true
		}
	}
	switch {
	case len(made) == len(changes):
		return moved, nil
	case len(made) > 0 && together: // the intent says which are left
		return unknown, nil
	case len(made) > 0:
		w.leave(ctx, made)
		return unknown, nil
	}
	if elsewhere {
		w.adopt(ctx, &refs)
	}
	return untouched, nil
}

// adopt shows refs that somebody else has moved, and has it told.
func (w *writer) adopt(ctx context.Context, refs *refTable) {
	w.repo.store.logger.WarnContext(ctx, "a ref was moved behind the service's back", "repository", w.repo.id.String())
	w.repo.refs.Store(refs)
	w.repo.requests.clear()
	w.repo.store.opts.Observer.Unsure(w.repo.id)
}

// stageError says which file of a commit failed to be read.
func stageError(err error, path git.TreePath) error {
	e := errs.From(err)
	if e.Meta[errs.MetaPath] == "" && e.Kind == errs.Invalid {
		return e.WithMeta(errs.MetaPath, path.String())
	}
	return e
}
