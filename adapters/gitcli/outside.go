package gitcli

import (
	"context"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

const (
	// lookEvery is how often repositories that are used are looked at for refs that somebody else has moved.
	lookEvery = 2 * time.Second
	// lookRest is how many times as long as a look took the repository is left alone after it: looks take 2% of a core at most.
	lookRest = 50
	// mtimeTick is longer than what file systems tell times in. A directory that changed that shortly ago may change again
	// and have the same time.
	mtimeTick = 100 * time.Millisecond
)

// lookout has the repositories that were used since they were last looked at. A read of one that is in it pays for one atomic load.
type lookout struct {
	mu   sync.Mutex
	used []*repo
}

func (l *lookout) use(r *repo) {
	if r.used.Load() || !r.used.CompareAndSwap(false, true) {
		return
	}
	l.mu.Lock()
	l.used = append(l.used, r)
	l.mu.Unlock()
}

func (l *lookout) take() []*repo {
	l.mu.Lock()
	defer l.mu.Unlock()
	used := l.used
	l.used = nil
	return used
}

// watch looks at the repositories that are used, one after the other, until the store is closed.
func (s *Store) watch() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-s.ctx.Done():
			return
		}
		s.refs.forgetUnused(time.Now().Add(-s.opts.Processes.IdleTimeout))
		for _, r := range s.lookout.take() {
			r.used.Store(false)
			switch {
			case s.ctx.Err() != nil || r.writer.closedWith() != nil:
			case time.Now().Before(r.lookAgain):
				s.lookout.use(r)
			default:
				begin := time.Now()
				err := r.look(s.ctx, begin)
				r.lookAgain = time.Now().Add(lookRest * time.Since(begin))
				if err != nil {
					s.giveUp(r, err)
				}
			}
		}
	}
}

// look compares the refs in memory with those in the directory if that has changed since the last look, by whomever. Where
// somebody else has moved one, readers see it from then on, and it is told of. The files are read while others write: what is in doubt after
// that is read once more in a writer's turn. It fails if they cannot be read and the repository is to be closed: git, which reads the files, would
// show its clients that they are gone. Nobody writes to it any more then.
func (r *repo) look(ctx context.Context, now time.Time) error {
	if r.seen != nil && maps.EqualFunc(r.seen, r.times(maps.Keys(r.seen)), time.Time.Equal) {
		return nil
	}
	before := r.refs.Load()
	seen, err := r.refTimes(now)
	var found map[git.RefName]git.ObjectID
	if err == nil {
		found, err = readRefFiles(r.dir)
	}
	doubts := doubtful(found, before, r.refs.Load())
	if err == nil && len(doubts) == 0 {
		r.seen = seen
		return nil
	}
	r.exclusive.Lock()
	defer r.exclusive.Unlock()
	if r.writer.closedWith() != nil || r.writer.unfinished.Load() {
		return nil // it is deleted, or the next write finds out where the refs are
	}
	if err == nil && r.areAsKnown(doubts) {
		r.seen = seen
		return nil
	}
	refs, err := loadRefs(ctx, r.store.runner, r.dir, r.objects)
	if err != nil {
		if reason := errs.ReasonOf(err); reason == errs.ReasonRepositoryCorrupt || reason == errs.ReasonUnsafeRepository {
			r.writer.close(err)
			return err
		}
		if ctx.Err() == nil {
			r.store.logger.WarnContext(ctx, "refs cannot be compared with the directory", "repository", r.id.String(), "error", err)
		}
		return nil
	}
	r.seen = seen
	if !refs.equal(*r.refs.Load()) {
		r.writer.adopt(ctx, &refs)
	}
	return nil
}

// doubtful returns the refs that were found to be neither where they were before nor where they were after.
func doubtful(found map[git.RefName]git.ObjectID, before, after *refTable) (names []git.RefName) {
	for name, id := range found {
		if id != before.get(name).Target && id != after.get(name).Target {
			names = append(names, name)
		}
	}
	after.ascend(git.RefName{}, func(ref git.Ref) bool {
		if _, ok := found[ref.Name]; !ok && !before.get(ref.Name).Target.IsZero() {
			names = append(names, ref.Name)
		}
		return true
	})
	return names
}

// areAsKnown reports whether the refs have files of their own that say what is in memory.
func (r *repo) areAsKnown(names []git.RefName) bool {
	now := map[git.RefName]git.ObjectID{}
	for _, name := range names {
		err := readLooseRef(r.dir, filepath.Join(r.dir, name.String()), now)
		if err != nil || now[name] != r.refs.Load().get(name).Target {
			return false
		}
	}
	return true
}

// times returns when what is named was last changed: for a directory of refs, when git last moved or removed one in it. What
// is not there has no time.
func (r *repo) times(names iter.Seq[string]) map[string]time.Time {
	times := map[string]time.Time{}
	for name := range names {
		times[name] = time.Time{}
		if info, err := os.Lstat(filepath.Join(r.dir, name)); err == nil {
			times[name] = info.ModTime()
		}
	}
	return times
}

// refTimes returns when packed-refs and the directories of refs were last changed. One that may change again without another
// time has one that never was.
func (r *repo) refTimes(now time.Time) (map[string]time.Time, error) {
	var names []string
	for _, top := range []string{"refs/heads", "refs/tags"} {
		err := filepath.WalkDir(filepath.Join(r.dir, top), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.IsDir() {
				return err
			}
			name, err := filepath.Rel(r.dir, path)
			names = append(names, name)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	times := r.times(slices.Values(append(names, "packed-refs")))
	for name, at := range times {
		if now.Sub(at) < mtimeTick {
			times[name] = time.Unix(0, 1)
		}
	}
	return times, nil
}
