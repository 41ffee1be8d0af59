// Package gitcli implements the ports over the git binary and a directory of bare repositories that it owns alone.
//
// Reads come from memory or from persistent cat-file processes. Writes build their objects in the process and queue at
// the one writer of their repository, which puts a whole batch on the disk as one pack and moves the refs with one
// transaction of a persistent update-ref; an acknowledged write is on the disk.
package gitcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/catfile"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
	"github.com/gitstore-dev/gitstore/internal/failpoint"
	"github.com/gitstore-dev/gitstore/internal/panics"
	"github.com/gitstore-dev/gitstore/ports"
)

// Options configures a store. Only Dir is needed; zero values of the others are the defaults.
type Options struct {
	// Dir is the storage root. It is created if it does not exist.
	Dir string
	// GitPath is the git binary: a path, or a name to look up in PATH. The default is "git".
	GitPath string
	// Identity is the author of commits and the tagger of tags that name none; its time is not used. The default is
	// GitStore <gitstore@localhost>.
	Identity git.Signature
	// CacheBytes bounds the memory for objects. The default is 128 MiB.
	CacheBytes int64
	// MaxFileSize is the largest file that is taken, in bytes. The default is 1 GiB.
	MaxFileSize int64
	// MaxPushSize is the largest pack that is taken, in bytes. The default is 1 GiB.
	MaxPushSize int64
	// MaxPushObjects is the most objects of a pack that is taken. The default is 1,000,000.
	MaxPushObjects int64
	// GitMemory is the most memory, in bytes, that a git process has of its own while it takes in a push or serves a fetch, which
	// needs some 200 bytes for each object, and 200 MiB for deltas of the largest size. More is refused with PACK_TOO_LARGE. Files that
	// git maps do not count. The default is 1 GiB. It holds on Linux alone.
	GitMemory int64
	// PushOptions are the names of the push options (git-push(1), --push-option) that are taken; an option is a name or
	// name=value. Others are refused, and none are taken by default.
	PushOptions []string
	// Policy is what repositories hold writers to that have no policy of their own. The default asks for nothing.
	Policy ports.Policy
	// Validator judges pushes where the policy wants it; nil takes them for valid.
	Validator ports.PushValidator
	// ValidationTimeout bounds the validation of one push. The default is 30 seconds.
	ValidationTimeout time.Duration
	// MinFreeSpace is how much of the disk writes leave free, in bytes: with less, whatever adds to a repository fails with
	// STORAGE_FULL, and repacking waits until there is room for its copy beside. Reads and deletions go on, those of large
	// files without the disk. The default is 0: writes take all there is.
	MinFreeSpace int64
	// MaxQueuedWrites bounds the writes that wait for one repository. The default is 1,024.
	MaxQueuedWrites int
	// MaxRefProcesses bounds the idle update-ref processes, of which a repository that is written to has one. The default is 64.
	MaxRefProcesses int
	// RefTimeout bounds one ref transaction, and again every 500 refs that it moves. The default is 30 seconds.
	RefTimeout time.Duration
	// Processes bounds the cat-file processes; its SpoolDir and MinFreeSpace are not used, and MaxSpooled is four times
	// MaxFileSize by default if that is more.
	Processes catfile.Options
	// Logger is where failures of git are told. The default discards.
	Logger *slog.Logger
	// Observer is told of changes; nil tells nobody.
	Observer Observer
	// Batched is told of each batch, whether anything was written or not, before its writes are answered, by several goroutines
	// at a time; nil tells nobody.
	Batched func(Batch)
	// Now tells the time of commits. The default is time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	setDefault(&o.GitPath, "git")
	setDefault(&o.CacheBytes, 128<<20)
	setDefault(&o.MaxFileSize, 1<<30)
	setDefault(&o.MaxPushSize, 1<<30)
	setDefault(&o.MaxPushObjects, 1_000_000)
	setDefault(&o.GitMemory, 1<<30)
	setDefault(&o.Processes.IdleTimeout, 5*time.Minute)
	setDefault(&o.Processes.MaxSpooled, max(16<<30, 4*o.MaxFileSize))
	setDefault(&o.MaxQueuedWrites, 1024)
	setDefault(&o.MaxRefProcesses, 64)
	setDefault(&o.RefTimeout, 30*time.Second)
	setDefault(&o.ValidationTimeout, 30*time.Second)
	if o.Identity.IsZero() {
		o.Identity = git.Signature{Name: "GitStore", Email: "gitstore@localhost"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Batched == nil {
		o.Batched = func(Batch) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Store is a [ports.RepositoryStore] over a directory. It is safe for concurrent use.
type Store struct {
	opts   Options
	logger *slog.Logger
	root   *root
	runner *command.Runner
	pool   *catfile.Pool
	cache  *objectCache
	refs   *refProcesses
	// opened numbers the repositories that were opened, for the keys of the cache.
	opened      atomic.Uint64
	maintaining *semaphore.Weighted
	// maintenancesDue is how many repositories wait for that.
	maintenancesDue    atomic.Int64
	maintenanceTimeout time.Duration
	// slowBatch is that of the package, or a test's.
	slowBatch  time.Duration
	validating *semaphore.Weighted
	keepAlive  time.Duration
	// unsettled is whether something was left of which it is not known whether it is on the disk.
	unsettled atomic.Bool
	// available tells how much may be written below a directory.
	available func(dir string) uint64
	lookout   lookout
	// pushes counts pushes that were answered.
	pushes atomic.Int64
	// refusals guards pushesRefused, the number of pushes of which a ref was refused, by the reason of the first.
	refusals      sync.Mutex
	pushesRefused map[errs.Reason]int64
	// validations and those below count what [Stats] tells; validationTime is in nanoseconds.
	validations, validationsInvalid, validationsFailed, validationTime atomic.Int64
	// maintenances and those below count what [Stats] tells; maintenanceTime is in nanoseconds.
	maintenances, maintenancesFailed, maintenancesPutOff, maintenanceTime atomic.Int64

	ctx        context.Context
	cancel     context.CancelFunc
	background sync.WaitGroup
	// removing is for removing deleted repositories, which goes on for a while when the store is closed.
	removing    context.Context
	endRemoving context.CancelFunc

	mu      sync.Mutex
	handles btree.Map[string, *handle]
	closed  bool

	// complaints are what was logged last of each repository that cannot be opened: a line for each call would say no more.
	complaints sync.Map

	// nameless are the directories that did not tell at the start whose they are, or which repositories are in them. It does
	// not change after that.
	nameless map[string]struct{}
}

// handle is a repository that exists, open or not. While it is being created or deleted it is there and not usable.
type handle struct {
	id      git.RepositoryID
	dir     string
	present atomic.Bool
	// unfinished is whether the start could not finish what was to happen to the refs. It does not change after that.
	unfinished bool
	// deleting is held by who deletes the repository, until it is known what came of it.
	deleting *semaphore.Weighted

	mu   sync.Mutex
	repo *repo
	// opening is the attempt to open it that is under way or failed not long ago, nil if there is none.
	opening *opening
	// ended is why the repository is not to be opened any more; nil while it is.
	ended error
	// aside is where it was moved when it was deleted, while that is not on the disk yet.
	aside string
}

// opening is one attempt to open a repository. All who want the repository meanwhile wait for it.
type opening struct {
	// done is closed when it has ended.
	done chan struct{}
	// err is what it failed with, nil if it did not.
	err error
	// failed is when that was.
	failed time.Time
}

// openAgainAfter is how long it takes until a repository that could not be opened is tried again.
const openAgainAfter = time.Second

func newHandle(id git.RepositoryID, dir string) *handle {
	return &handle{id: id, dir: dir, deleting: semaphore.NewWeighted(1)}
}

// Open takes the storage root for this process, removes what an unclean stop left in it, and finds its repositories. It
// fails with [ErrInUse] while another process has the root, and if git is missing or too old. Close the store to give
// the root back.
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	opts.Identity.When = opts.Now()
	if err := opts.Identity.Validate("identity"); err != nil {
		return nil, err
	}
	runner, err := command.NewRunner(ctx, opts.GitPath, opts.GitMemory, opts.Logger)
	if err != nil {
		return nil, err
	}
	r, err := openRoot(opts.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		opts: opts, logger: opts.Logger, root: r, runner: runner,
		cache:       newObjectCache(uint64(opts.CacheBytes)), //nolint:gosec // not negative
		refs:        &refProcesses{runner: runner, most: opts.MaxRefProcesses, timeout: opts.RefTimeout, maxTransactions: maxTransactions, syncPath: disk.Sync},
		maintaining: semaphore.NewWeighted(1), maintenanceTimeout: maintenanceTimeout, slowBatch: slowBatch,
		validating: semaphore.NewWeighted(maxValidating),
		keepAlive:  keepAlive, available: disk.Available,
		nameless: map[string]struct{}{}, pushesRefused: map[errs.Reason]int64{},
	}
	err = r.settle()
	if err == nil {
		err = s.recover(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data directory: %w", err), r.release())
	}
	opts.Processes.SpoolDir, opts.Processes.MinFreeSpace = r.tmp(), opts.MinFreeSpace
	s.pool = catfile.NewPool(runner, opts.Processes)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.removing, s.endRemoving = context.WithCancel(context.WithoutCancel(ctx))
	s.background.Go(s.watch)
	return s, nil
}

// finishRefs finishes an update of several refs, if one was left. Git is not run in a repository that was altered.
func (s *Store) finishRefs(ctx context.Context, id git.RepositoryID, dir string) (finished bool, err error) {
	if _, err := os.Lstat(filepath.Join(dir, intentFile)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if _, err := checkRepository(id, dir); err != nil {
		return false, err
	}
	return s.refs.finish(ctx, dir)
}

// maxRecovering is how many repositories are looked at at once at the start.
const maxRecovering = 8

// recover cleans the root, finds its repositories, and finishes what was to happen to their refs. What cannot be finished
// yet, on a full disk say, is finished before the next write. A repository that cannot be read keeps no other from being
// served.
func (s *Store) recover(ctx context.Context) error {
	removed, err := s.root.clean(ctx, s.logger)
	if err != nil {
		return err
	}
	dirs, err := s.root.directories(func(dir string, err error) {
		s.logger.ErrorContext(ctx, "a directory cannot be read, and the repositories in it are not served: mend the disk or its permissions, and restart the service",
			"directory", dir, "error", err)
		s.nameless[dir] = struct{}{}
	})
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(maxRecovering)
	var cleaned atomic.Int64
	for _, dir := range dirs {
		group.Go(func() error {
			cleaned.Add(int64(s.recoverRepository(ctx, dir)))
			return ctx.Err()
		})
	}
	err = group.Wait()
	if n := int64(removed) + cleaned.Load(); n > 0 {
		s.logger.InfoContext(ctx, "removed what an unclean stop left behind", "files", n)
	}
	return err
}

// recoverRepository cleans what may be a repository and makes it known. It returns how many files it removed.
func (s *Store) recoverRepository(ctx context.Context, dir string) (removed int) {
	removed, unclean := cleanRepository(dir)
	id, err := repositoryOf(dir)
	if _, failed := errors.AsType[*fs.PathError](err); failed && !errors.Is(err, fs.ErrNotExist) {
		unclean = err
	}
	switch {
	case err == nil && s.root.path(id) == dir:
	case err != nil && unclean != nil:
		s.logger.ErrorContext(ctx, "a repository cannot be read and is not served: mend the disk or the permissions of its directory, and restart the service",
			"directory", dir, "error", unclean)
		s.ignore(dir)
		return removed
	default:
		s.logger.WarnContext(ctx, "ignoring a directory that is not a repository of GitStore", "directory", dir, "error", err)
		s.ignore(dir)
		return removed
	}
	if unclean != nil {
		s.logger.ErrorContext(ctx, "a repository cannot be read as a whole: mend the disk or the permissions in its directory, and restart the service; until then calls may fail",
			"repository", id.String(), "directory", dir, "error", unclean)
	}
	finished, err := s.finishRefs(ctx, id, dir)
	if finished {
		s.logger.InfoContext(ctx, "finished an update of several refs that an unclean stop left behind", "repository", id.String())
	}
	if err != nil {
		s.logger.ErrorContext(ctx, "an update of several refs that an unclean stop left behind cannot be finished yet", "repository", id.String(), "error", err)
	}
	h := newHandle(id, dir)
	if err != nil {
		h.unfinished = true
		s.unsettled.Store(true)
	}
	h.present.Store(true)
	s.mu.Lock()
	s.handles.Set(id.String(), h)
	s.mu.Unlock()
	return removed
}

func (s *Store) ignore(dir string) {
	s.mu.Lock()
	s.nameless[dir] = struct{}{}
	s.mu.Unlock()
}

// maxRemoving is how long a store that is closed goes on to remove deleted repositories.
const maxRemoving = 3 * time.Second

// Close ends all processes and gives the storage root back. Writes that wait fail with DRAINING; those being written are
// finished. Streams that are being read fail soon after. What is left of deleted repositories after some seconds is removed
// when the root is opened again.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	handles := s.handles.Values()
	s.mu.Unlock()
	s.cancel()
	// All at once: each waits for its last writes and for processes, which may take seconds to end on a busy machine.
	var closing sync.WaitGroup
	for _, h := range handles {
		closing.Go(func() { h.close(errDraining) })
	}
	closing.Wait()
	late := time.AfterFunc(maxRemoving, s.endRemoving)
	s.background.Wait()
	late.Stop()
	s.endRemoving()
	s.pool.Close()
	s.refs.forget("")
	if s.unsettled.Load() {
		return s.root.release()
	}
	return s.root.close()
}

var errDraining = errs.New(errs.ReasonDraining, "the service is shutting down: try again on another one or later")

// close ends what is open, and waits for who is opening it.
func (h *handle) close(err error) {
	h.mu.Lock()
	r, o := h.repo, h.opening
	h.repo, h.opening, h.ended = nil, nil, err
	h.mu.Unlock()
	if o != nil {
		<-o.done
	}
	if r != nil {
		r.close(err)
	}
}

// GitVersion returns the version of the git binary, such as "2.39.5".
func (s *Store) GitVersion() string { return s.runner.Version() }

// Stats are figures for metrics.
type Stats struct {
	// Repositories is how many repositories exist.
	Repositories int
	// Processes is how many cat-file processes run, and Busy how many of them are answering.
	Processes, Busy int
	// ProcessesStarted counts git processes since the store was opened.
	ProcessesStarted int64
	// CacheReads and CacheHits count look-ups of objects.
	CacheReads, CacheHits int64
	// Pushes counts pushes that were answered.
	Pushes int64
	// PushesRefused counts those of them of which one or more refs were refused, by the reason of the first ref.
	PushesRefused map[errs.Reason]int64
	// Validations counts pushes that were validated, ValidationsInvalid those of them that something was wrong with, and
	// ValidationsFailed those that could not be judged; ValidationTime is what all took.
	Validations, ValidationsInvalid, ValidationsFailed int64
	ValidationTime                                     time.Duration
	// Maintenances counts how often a repository was maintained in the background, MaintenancesFailed those of them that
	// ended early; MaintenanceTime is what all took. MaintenancesPutOff counts those that did not begin, or were ended, for
	// lack of room on the disk.
	Maintenances, MaintenancesFailed, MaintenancesPutOff int64
	MaintenanceTime                                      time.Duration
}

func (s *Store) refusedPush(why errs.Reason) {
	s.refusals.Lock()
	defer s.refusals.Unlock()
	s.pushesRefused[why]++
}

func (s *Store) validated(took time.Duration, found findings) {
	s.validations.Add(1)
	s.validationTime.Add(int64(took))
	if found.total > 0 {
		s.validationsInvalid.Add(1)
	}
	if found.unknown != nil {
		s.validationsFailed.Add(1)
	}
}

func (s *Store) maintained(took time.Duration, err error) {
	s.maintenances.Add(1)
	s.maintenanceTime.Add(int64(took))
	if err != nil {
		s.maintenancesFailed.Add(1)
	}
}

// Stats returns the store's figures as of now.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	n := s.handles.Len()
	s.mu.Unlock()
	s.refusals.Lock()
	refused := maps.Clone(s.pushesRefused)
	s.refusals.Unlock()
	return Stats{
		Repositories: n, Processes: s.pool.Processes(), Busy: s.pool.Busy(), ProcessesStarted: s.runner.Started(),
		CacheReads: s.cache.reads.Load(), CacheHits: s.cache.hits.Load(),
		Pushes: s.pushes.Load(), PushesRefused: refused,
		Validations: s.validations.Load(), ValidationsInvalid: s.validationsInvalid.Load(), ValidationsFailed: s.validationsFailed.Load(),
		ValidationTime: time.Duration(s.validationTime.Load()),
		Maintenances:   s.maintenances.Load(), MaintenancesFailed: s.maintenancesFailed.Load(),
		MaintenancesPutOff: s.maintenancesPutOff.Load(), MaintenanceTime: time.Duration(s.maintenanceTime.Load()),
	}
}

// Repository implements [ports.RepositoryStore].
func (s *Store) Repository(id git.RepositoryID) ports.GitRepository {
	return &gitRepository{store: s, id: id}
}

// repo returns the repository, opened.
func (s *Store) repo(ctx context.Context, id git.RepositoryID) (*repo, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.From(err)
	}
	s.mu.Lock()
	h, ok := s.handles.Get(id.String())
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return nil, errDraining
	}
	if !ok {
		return nil, s.absent(ctx, id)
	}
	for {
		r, o, err := s.openedOrOpening(h)
		if err != nil {
			return nil, err
		}
		if r != nil {
			s.lookout.use(r)
			return r, nil
		}
		select {
		case <-o.done:
			if o.err != nil {
				return nil, o.err
			}
		case <-ctx.Done():
			return nil, errs.From(ctx.Err())
		}
	}
}

// openedOrOpening returns the repository if it is open, and else the attempt to open it, which it begins if there is none.
func (s *Store) openedOrOpening(h *handle) (*repo, *opening, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch o := h.opening; {
	case h.ended != nil:
		return nil, nil, h.ended
	case !h.present.Load():
		return nil, nil, repositoryNotFound(h.id)
	case h.repo != nil:
		return h.repo, nil, nil
	case o != nil && (o.failed.IsZero() || time.Since(o.failed) < openAgainAfter):
		return nil, o, nil
	}
	end, err := s.begin()
	if err != nil {
		return nil, nil, err
	}
	o := &opening{done: make(chan struct{})}
	h.opening = o
	go func() { // not in the caller's time: the next one would begin anew
		defer end()
		r, err := s.openSafely(h)
		s.endOpening(h, o, r, err)
	}()
	return nil, o, nil
}

// openSafely is openRepo where a panic would end the process: it reads what anybody may have left on the disk.
func (s *Store) openSafely(h *handle) (r *repo, err error) {
	err = panics.Caught(func() (err error) {
		if r, err = s.openRepo(s.ctx, h.id, h.dir); err == nil && h.unfinished {
			r.writer.unfinished.Store(true) // also where the intent is gone: its removal may not be on the disk
		}
		return err
	})
	if _, ok := errors.AsType[*panics.Error](err); ok {
		err = errs.Wrap(err, errs.ReasonInternal, "internal error; the repository cannot be opened: ask the operator to look at the log")
	}
	return r, err
}

// endOpening makes known what came of an attempt.
func (s *Store) endOpening(h *handle, o *opening, r *repo, err error) {
	defer close(o.done)
	h.mu.Lock()
	ended := h.ended
	switch {
	case ended != nil:
		o.err = ended
	case err != nil:
		o.err, o.failed = err, time.Now()
	default:
		h.repo, h.opening = r, nil
	}
	h.mu.Unlock()
	switch {
	case ended != nil && r != nil:
		r.close(ended)
	case ended == nil && err != nil:
		s.complain(s.ctx, h.id, err)
	case ended == nil:
		s.complaints.Delete(h.id.String())
	}
}

// complain logs why a repository cannot be opened, unless that was logged.
func (s *Store) complain(ctx context.Context, id git.RepositoryID, err error) {
	cause := errors.Unwrap(err)
	what := fmt.Sprint(err, cause)
	if before, _ := s.complaints.Swap(id.String(), what); before != what {
		s.logger.ErrorContext(ctx, "a repository cannot be opened", "repository", id.String(), "error", err, "cause", cause)
	}
}

// giveUp closes a repository that cannot be read any more and has no writer, and has it compared with what was told of it when it can be.
func (s *Store) giveUp(r *repo, err error) {
	s.mu.Lock()
	h, ok := s.handles.Get(r.id.String())
	s.mu.Unlock()
	if !ok {
		return
	}
	h.mu.Lock()
	is, o := h.repo == r, &opening{done: make(chan struct{})}
	if is {
		h.repo, h.opening = nil, o
	}
	h.mu.Unlock()
	if is {
		r.close(err)
		s.endOpening(h, o, nil, err)
		s.opts.Observer.Unsure(r.id)
	}
}

// absent returns why a repository that was not found cannot be used: there is none, or it could not be read at the start.
func (s *Store) absent(ctx context.Context, id git.RepositoryID) error {
	if !s.isNameless(id) {
		return repositoryNotFound(id)
	}
	_, err := checkRepository(id, s.root.path(id))
	if err == nil {
		err = unsafeRepository(id, errors.New("it could not be read at the start: restart the service"))
	}
	s.complain(ctx, id, err)
	return err
}

func repositoryNotFound(id git.RepositoryID) error {
	return errs.New(errs.ReasonRepositoryNotFound, fmt.Sprintf("repository %q does not exist", id), errs.MetaRepository, id.String())
}

// CreateRepository implements [ports.RepositoryStore].
func (s *Store) CreateRepository(ctx context.Context, req ports.CreateRepository) (ports.RepositoryInfo, error) {
	req, err := prepareCreate(req)
	if err != nil {
		return ports.RepositoryInfo{}, err
	}
	if err := s.room(); err != nil {
		return ports.RepositoryInfo{}, err
	}
	end, err := s.begin()
	if err != nil {
		return ports.RepositoryInfo{}, err
	}
	defer end()
	h := newHandle(req.ID, s.root.path(req.ID))
	if err := s.claim(ctx, h); err != nil {
		return ports.RepositoryInfo{}, err
	}
	now := s.opts.Now().UTC().Truncate(time.Second)
	if err := s.create(ctx, h.dir, req, now); err != nil {
		s.drop(h)
		return ports.RepositoryInfo{}, disk.Error(err)
	}
	h.mu.Lock() // nobody opens the repository, and so writes to it, before it was told of
	h.present.Store(true)
	s.tell(ctx, event.RepositoryCreated{Header: s.eventHeader(req.ID), CreatedAt: now})
	h.mu.Unlock()
	return ports.RepositoryInfo{
		ID: req.ID, DefaultBranch: req.DefaultBranch, ObjectFormat: req.ObjectFormat, Empty: true, CreatedAt: now,
	}, nil
}

// room fails with STORAGE_FULL while the disk has less free space than is to be left.
func (s *Store) room() error {
	least := s.opts.MinFreeSpace
	if least <= 0 || s.available(s.opts.Dir) >= uint64(least) {
		return nil
	}
	return errs.New(errs.ReasonStorageFull, fmt.Sprintf("the disk has less than %d MiB free, which writes have to leave: free some space and try again", least>>20))
}

// roomStep is how much is written between two looks at the free space.
const roomStep = 4 << 20

// roomReader reads what is written to the disk, and fails with STORAGE_FULL as room does once it is less than is to be left.
type roomReader struct {
	io.Reader
	store *Store
	// read counts since the last look.
	read int
}

// Read implements io.Reader.
func (r *roomReader) Read(b []byte) (int, error) {
	if r.read >= roomStep {
		r.read = 0
		if err := r.store.room(); err != nil {
			return 0, err
		}
	}
	n, err := r.Reader.Read(b)
	r.read += n
	return n, err
}

// begin makes Close wait for a call that works outside a repository, until end. It fails with DRAINING.
func (s *Store) begin() (end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errDraining
	}
	s.background.Add(1)
	return s.background.Done, nil
}

func (s *Store) eventHeader(id git.RepositoryID) event.Header {
	return event.Header{ID: id, At: s.opts.Now().UTC()}
}

func prepareCreate(req ports.CreateRepository) (ports.CreateRepository, error) {
	if req.ID.IsZero() {
		return req, errs.InvalidField(errs.ReasonInvalidRepositoryID, "repository", "the repository id is missing")
	}
	if req.ObjectFormat == 0 {
		req.ObjectFormat = git.SHA1
	}
	if req.DefaultBranch.IsZero() {
		var err error
		req.DefaultBranch, err = git.BranchRef("main")
		return req, err
	}
	if err := req.DefaultBranch.CheckWritable(); err != nil {
		return req, err
	}
	if !req.DefaultBranch.IsBranch() {
		return req, errs.InvalidField(errs.ReasonRefNotWritable, "default_branch", "the default branch %q has to begin with refs/heads/", req.DefaultBranch)
	}
	return req, nil
}

// claim reserves the id of a repository that is about to be created.
func (s *Store) claim(ctx context.Context, h *handle) error {
	s.mu.Lock()
	other, ok := s.handles.Get(h.id.String())
	if !ok {
		s.handles.Set(h.id.String(), h)
	}
	s.mu.Unlock()
	if !ok {
		return nil
	}
	if other.movedTo() != "" {
		if err := s.delete(ctx, other); err != nil && !errs.Is(err, errs.ReasonRepositoryNotFound) {
			return err
		}
		return s.claim(ctx, h)
	}
	return errs.New(errs.ReasonRepositoryExists, fmt.Sprintf("repository %q exists", h.id), errs.MetaRepository, h.id.String())
}

func (s *Store) drop(h *handle) {
	s.mu.Lock()
	s.handles.Delete(h.id.String())
	s.mu.Unlock()
	s.complaints.Delete(h.id.String())
}

// create builds the repository aside and moves it into place complete, so that there is never half a repository.
func (s *Store) create(ctx context.Context, dir string, req ports.CreateRepository, now time.Time) error {
	aside, err := os.MkdirTemp(s.root.tmp(), "create-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(aside) }()
	if err := createRepo(ctx, s.runner, aside, req, now); err != nil {
		return err
	}
	if err := disk.SyncTree(aside); err != nil {
		return err
	}
	failpoint.Reach(failpoint.RepositoryBuilt)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.Rename(aside, dir); err != nil {
		return err
	}
	failpoint.Reach(failpoint.RepositoryMoved)
	err = syncParents(dir, s.root.dir)
	if err != nil {
		err = errors.Join(err, os.Rename(dir, aside))
	}
	failpoint.Reach(failpoint.RepositorySynced)
	return err
}

// syncParents puts the names on the way from top to path on the disk, those too that another one has made and failed to put there.
func syncParents(path, top string) error {
	for path != top {
		path = filepath.Dir(path)
		if err := disk.SyncDir(path); err != nil {
			return err
		}
	}
	return nil
}

// DeleteRepository implements [ports.RepositoryStore].
func (s *Store) DeleteRepository(ctx context.Context, id git.RepositoryID) error {
	if err := ctx.Err(); err != nil {
		return errs.From(err)
	}
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	s.mu.Lock()
	h, ok := s.handles.Get(id.String())
	s.mu.Unlock()
	if !ok {
		return s.absent(ctx, id)
	}
	return s.delete(ctx, h)
}

// delete deletes the repository, or ends a deletion that failed to get to the disk. Who comes while another one is at it waits, and goes
// by what became of that: as long as the repository may come back, nobody is told that it does not exist for the sake of a deletion.
func (s *Store) delete(ctx context.Context, h *handle) error {
	if err := h.deleting.Acquire(ctx, 1); err != nil {
		return errs.From(err)
	}
	defer h.deleting.Release(1)
	if aside := h.movedTo(); aside != "" {
		return s.endDeletion(ctx, h, aside)
	}
	if !h.present.CompareAndSwap(true, false) {
		return repositoryNotFound(h.id)
	}
	h.close(repositoryNotFound(h.id))
	aside, err := os.MkdirTemp(s.root.tmp(), "delete-*")
	if err == nil {
		err = os.Rename(h.dir, filepath.Join(aside, "repository.git"))
	}
	if err != nil {
		h.mu.Lock()
		h.ended = nil
		h.mu.Unlock()
		h.present.Store(true)
		s.opts.Observer.Unsure(h.id) // who looked meanwhile found it deleted
		return disk.Error(err)
	}
	failpoint.Reach(failpoint.RepositoryMoved)
	h.mu.Lock()
	h.aside = aside
	h.mu.Unlock()
	return s.endDeletion(ctx, h, aside)
}

// movedTo is where the repository lies that was deleted, "" unless that is not on the disk yet.
func (h *handle) movedTo() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.aside
}

// endDeletion puts on the disk that a repository was moved aside. Until that is done the next who deletes it or makes another of its
// name tries again: it could come back.
func (s *Store) endDeletion(ctx context.Context, h *handle, aside string) error {
	if err := disk.SyncDir(filepath.Dir(h.dir)); err != nil {
		s.unsettled.Store(true)
		return err
	}
	failpoint.Reach(failpoint.RepositorySynced)
	h.mu.Lock()
	h.aside = ""
	h.mu.Unlock()
	s.tell(ctx, event.RepositoryDeleted{Header: s.eventHeader(h.id)})
	s.drop(h) // only now another one may be made, and told of
	s.background.Go(func() {
		if err := removeAll(s.removing, aside); err != nil {
			s.logger.ErrorContext(ctx, "a deleted repository is still on the disk until the next start", "repository", h.id.String(), "error", err)
		}
	})
	return nil
}

// ListRepositories implements [ports.RepositoryStore].
func (s *Store) ListRepositories(ctx context.Context, p ports.Page) (ports.RepositoryPage, error) {
	const scope = "repositories"
	size, err := page.Size(p.Size)
	if err != nil {
		return ports.RepositoryPage{}, err
	}
	var after page.Token
	if p.Token != "" {
		if after, err = page.Decode(scope, p.Token); err != nil {
			return ports.RepositoryPage{}, err
		}
	}
	found := s.handlesAfter(after.After, size+1)
	var res ports.RepositoryPage
	for _, h := range found[:min(size, len(found))] {
		if err := ctx.Err(); err != nil {
			return ports.RepositoryPage{}, errs.From(err)
		}
		info, err := h.summary()
		if err != nil {
			s.logger.ErrorContext(ctx, "a repository cannot be listed", "repository", h.id.String(), "error", err)
			continue
		}
		res.Items = append(res.Items, info)
	}
	if len(found) > size {
		res.NextToken = page.Encode(scope, page.Token{After: found[size-1].id.String()})
	}
	return res, nil
}

// Policy implements [ports.RepositoryStore].
func (s *Store) Policy(ctx context.Context, id git.RepositoryID) (ports.PolicyInfo, error) {
	r, err := s.repo(ctx, id)
	if err != nil {
		return ports.PolicyInfo{}, err
	}
	return r.policy(), nil
}

// SetPolicy implements [ports.RepositoryStore].
func (s *Store) SetPolicy(ctx context.Context, id git.RepositoryID, policy *ports.Policy) error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	r, err := s.repo(ctx, id)
	if err != nil {
		return err
	}
	if err := r.setPolicy(policy); err != nil {
		return err
	}
	s.logger.InfoContext(ctx, "the policy of a repository was set", "repository", id.String(), "own", policy != nil, "policy", policyMetadata(r.policy().Spec()))
	return nil
}

func (s *Store) handlesAfter(after string, n int) []*handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*handle
	s.handles.Ascend(after, func(id string, h *handle) bool {
		if id != after && h.present.Load() {
			found = append(found, h)
		}
		return len(found) < n
	})
	return found
}

// summary describes the repository without opening it.
func (h *handle) summary() (ports.RepositoryInfo, error) {
	if r := h.opened(); r != nil {
		return ports.RepositoryInfo{
			ID: r.id, DefaultBranch: r.defaultBranch, ObjectFormat: r.objects.format,
			Empty: r.refs.Load().len() == 0, CreatedAt: r.createdAt,
		}, nil
	}
	m, err := readMetadata(h.dir)
	if err != nil {
		return ports.RepositoryInfo{}, err
	}
	format, err := git.ParseObjectFormat(m.ObjectFormat)
	if err != nil {
		return ports.RepositoryInfo{}, err
	}
	head, err := readHead(h.dir)
	return ports.RepositoryInfo{
		ID: h.id, DefaultBranch: head, ObjectFormat: format, Empty: !hasRefs(h.dir), CreatedAt: m.CreatedAt,
	}, err
}

// Import feeds a git-fast-import(1) stream into a repository, to bring history from elsewhere. Refs outside refs/heads/
// and refs/tags/ are out of reach afterwards. Nobody else writes meanwhile.
func (s *Store) Import(ctx context.Context, id git.RepositoryID, stream io.Reader) error {
	r, err := s.repo(ctx, id)
	if err != nil {
		return err
	}
	r.exclusive.Lock()
	defer r.exclusive.Unlock()
	if _, err := s.runner.Output(ctx, r.dir, command.Git("fast-import", "--quiet", "--done", "--date-format=raw-permissive"), stream); err != nil {
		return err
	}
	refs, err := loadRefs(ctx, s.runner, r.dir, r.objects)
	if err != nil {
		return err
	}
	r.refs.Store(&refs)
	r.measure()
	r.requests.clear()
	s.opts.Observer.Unsure(id)
	return nil
}
