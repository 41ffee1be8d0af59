package gitcli

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/packfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

// repackAfter is how many packs a repository gathers before they are made fewer. Git looks for an object in one pack
// after the other. Each MiB of a pack counts as another one: what was pushed at once is worth being indexed soon.
const (
	repackAfter = 50
	packWeight  = 1 << 20
	// urgentFrom is from how many packs on a maintenance has its share of the cores like everything else, and so has one for which others
	// wait: beside those who use all of them it would take minutes, and what reads looks into one pack after the other.
	urgentFrom = 2 * repackAfter
)

// indexedFrom is what share of the objects that the index of packs has, one in so many, has to have come since for it to be written
// anew, with its bitmap. Both take as long and as much memory as all that there is, and so each object costs the same however long
// the history gets; and a fetch walks no more than that share of it before it comes to what the bitmap knows.
const indexedFrom = 4

// maintenanceTimeout is how long a maintenance may take. One of a million objects takes minutes; there is one at a time, and others
// wait for it.
const maintenanceTimeout = time.Hour

// packsAdded maintains the repository in the background when it has gathered enough packs or new refs, after others whose turn it is.
// If that fails it is tried again half as many packs later, and not with each: what keeps it from being done may stay.
func (r *repo) packsAdded(packs []*packfile.Pack, refs int64) {
	var weight, bytes int64
	for _, p := range packs {
		weight += 1 + p.Bytes()/packWeight
		bytes += p.Bytes()
	}
	r.size.add(bytes)
	if manyPacks, manyRefs := r.newPacks.Add(weight) >= repackAfter, r.newRefs.Add(refs) >= refsAfter; !manyPacks && !manyRefs || !r.due.CompareAndSwap(false, true) {
		return
	}
	r.store.background.Go(func() {
		if !r.rest() || !r.store.awaitMaintenance() {
			return // the next start counts the packs
		}
		defer r.store.maintaining.Release(1)
		r.due.Store(false)
		r.newPacks.Store(0)
		r.newRefs.Store(0)
		if r.writer.closedWith() != nil {
			return
		}
		begin := time.Now()
		if r.maintain(r.store.ctx) != nil {
			r.newPacks.Add(repackAfter / 2)
		}
		now := time.Now()
		r.rested.Store(new(now.Add(restFactor * now.Sub(begin))))
	})
}

// awaitMaintenance waits until no repository is maintained. It reports false if the store is closed before.
func (s *Store) awaitMaintenance() bool {
	s.maintenancesDue.Add(1)
	defer s.maintenancesDue.Add(-1)
	return s.maintaining.Acquire(s.ctx, 1) == nil
}

// restFactor is how many times as long as its last maintenance took a repository rests before the next one: under steady
// writes enough packs come within a second, and a large repository would be maintained all the time, for others to wait.
// It does not rest any longer when the next one is urgent: the more packs there are the longer each takes.
const restFactor = 4

// restStep is how often a repository that rests looks whether it has to go on.
const restStep = 100 * time.Millisecond

// rest waits until the repository may be maintained again. It reports false if the store is closed before.
func (r *repo) rest() bool {
	until := r.rested.Load()
	for until != nil && time.Until(*until) > 0 && r.newPacks.Load() < urgentFrom {
		timer := time.NewTimer(min(time.Until(*until), restStep))
		select {
		case <-timer.C:
		case <-r.store.ctx.Done():
			timer.Stop()
			return false
		}
	}
	return true
}

// unindexed is the weight of the packs that came after the repository was maintained.
func (r *repo) unindexed() (weight int64) {
	var last time.Time
	if info, err := os.Stat(r.packIndex()); err == nil {
		last = info.ModTime()
	}
	entries, _ := os.ReadDir(r.packDir())
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasSuffix(e.Name(), ".pack") && info.ModTime().After(last) {
			weight += 1 + info.Size()/packWeight
		}
	}
	return weight
}

// maintain makes packs fewer and writes what git needs to read them fast: an index of all of them with a bitmap of what
// each of some commits leads to, the graph of commits, and a file with the refs. No writer waits for it but for the last.
func (r *repo) maintain(ctx context.Context) error {
	begin := time.Now()
	defer r.measure()
	ctx, cancel := context.WithTimeout(ctx, r.store.maintenanceTimeout)
	defer cancel()
	ctx, end := r.store.whileThereIsRoom(ctx)
	defer end()
	err := r.rollUp(ctx)
	if err == nil {
		_, err = r.store.runner.Output(ctx, r.dir, r.inBackground(command.Git("commit-graph", "write", "--reachable", "--split", "--no-progress")), nil)
	}
	if err == nil {
		err = r.packRefs(ctx)
	}
	if why := context.Cause(ctx); err != nil && errors.Is(why, errNoRoom) {
		err = why
	}
	if errors.Is(err, errNoRoom) {
		r.putOff(ctx, err)
	} else {
		r.store.maintained(time.Since(begin), err)
		if err == nil {
			return nil
		}
		r.store.logger.WarnContext(ctx, "maintenance ended early; it is done again later", "repository", r.id.String(), "error", err)
	}
	r.exclusive.Lock()
	defer r.exclusive.Unlock()
	for _, dir := range []string{r.packDir(), filepath.Join(r.dir, "objects"), filepath.Join(r.dir, "objects", "info", "commit-graphs")} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if isOfMaintenance(e.Name()) {
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
	return err
}

// inBackground has a command of a maintenance leave the cores to others, unless it is urgent.
func (r *repo) inBackground(c command.Command) command.Command {
	if r.urgent || r.store.maintenancesDue.Load() > 0 {
		return c
	}
	return c.InBackground()
}

// errNoRoom is the cause of why a maintenance is put off.
var errNoRoom = errors.New("no room for a copy of the packs")

// roomEvery is how often it is looked whether a maintenance fills the disk beside what is written meanwhile.
const roomEvery = time.Second

// whileThereIsRoom returns a context that ends, with [errNoRoom] as its cause, when the disk has less free space than writes have to
// leave, which they could not go on with.
func (s *Store) whileThereIsRoom(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var looking sync.WaitGroup
	looking.Go(func() {
		ticker := time.NewTicker(roomEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if full := s.room(); full != nil {
					cancel(errs.Wrap(errNoRoom, errs.ReasonStorageFull, full.Error()))
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return ctx, func() {
		cancel(nil)
		looking.Wait()
	}
}

// roomFor fails with STORAGE_FULL if a copy of the packs would leave less of the disk free than is to be left.
func (r *repo) roomFor(packs []packSize) error {
	var copied int64
	for _, p := range packs {
		copied += p.bytes
	}
	needed := uint64(max(r.store.opts.MinFreeSpace, 0)) + uint64(copied)
	free := r.store.available(r.packDir())
	if free >= needed {
		return nil
	}
	return errs.Wrap(errNoRoom, errs.ReasonStorageFull, fmt.Sprintf("a copy of %d MiB needs %d MiB free, with what writes have to leave, and there are %d", copied>>20, needed>>20, free>>20))
}

// putOff tells that a maintenance does not begin, but not again with each attempt, or that it was ended.
func (r *repo) putOff(ctx context.Context, why error) {
	r.store.maintenancesPutOff.Add(1)
	if !r.noRoom {
		r.store.logger.WarnContext(ctx, "maintenance is put off until there is room on the disk", "repository", r.id.String(), "error", why)
	}
	r.noRoom = true
}

// rollUp makes one pack of the small ones, so that what is left grows geometrically and an object is rewritten only a
// logarithmic number of times. It does what git-repack(1) does with --geometric, which cannot be used itself: it deletes
// packs, and after this process was killed it would go on to do so beside the one that took its place. While little has come since
// the packs were indexed it leaves those alone that the index names.
func (r *repo) rollUp(ctx context.Context) error {
	kept, packs, err := r.settledPacks()
	if err != nil {
		return err
	}
	r.urgent = len(packs) >= urgentFrom
	before, _ := os.Stat(r.packIndex())
	all := slices.Concat(kept, packs)
	came := objectsOf(without(all, r.indexed))
	reindex := before == nil || came*indexedFrom >= objectsOf(all)-came
	fresh := packs
	if !reindex {
		fresh = without(packs, r.indexed)
	}
	small := fresh[:rolledUp(fresh)]
	others := without(packs, names(small))
	if err := r.roomFor(small); err != nil {
		return err
	}
	r.noRoom = false
	stay := append(names(kept), names(others)...)
	made := ""
	if len(small) > 0 {
		made, err = r.packTogether(ctx, small, others)
		if err != nil {
			return err
		}
		if made != "" {
			stay = append(stay, made)
		}
	}
	if reindex {
		err = r.indexPacks(ctx, stay)
	}
	if err == nil {
		err = disk.SyncDir(r.packDir())
	}
	if err != nil {
		if made != "" && !slices.Contains(names(all), made) {
			err = errors.Join(err, r.takeBack(made, before))
		}
		return err
	}
	for _, p := range small {
		if slices.Contains(stay, p.name) {
			continue
		}
		if err := r.removePack(p.name); err != nil {
			return err
		}
	}
	r.store.refs.forget(r.dir) // a process keeps open what it looked into, and so its room on the disk
	return nil
}

// takeBack removes the pack that was made of others which are all still there: with each attempt that fails there would be one
// more copy. An index of packs that names it, which is any but the one from before, goes first, with its bitmap: without them git
// is slower.
func (r *repo) takeBack(made string, before os.FileInfo) error {
	if now, err := os.Stat(r.packIndex()); err == nil && (before == nil || !os.SameFile(before, now)) {
		bitmaps, err := filepath.Glob(r.packIndex() + "-*")
		for _, name := range append([]string{r.packIndex()}, bitmaps...) {
			err = errors.Join(err, os.Remove(name))
		}
		if err != nil {
			return err
		}
	}
	return r.removePack(made)
}

// packIndex is the index of several packs.
func (r *repo) packIndex() string { return filepath.Join(r.packDir(), "multi-pack-index") }

// packTogether makes one pack of several, without what the others have, and returns its name, "" if nothing is left. Git makes it
// beside the packs, and under a name by which what is left of it can be told if git ends early.
func (r *repo) packTogether(ctx context.Context, packs, others []packSize) (string, error) {
	var in strings.Builder
	for _, p := range packs {
		in.WriteString(p.name + ".pack\n")
	}
	for _, p := range others {
		in.WriteString("^" + p.name + ".pack\n")
	}
	made, err := r.store.runner.Output(ctx, r.dir, r.inBackground(command.Git("pack-objects", "--quiet", "--stdin-packs", "--non-empty",
		"--delta-base-offset", "objects/.tmp-pack")), strings.NewReader(in.String()))
	id := strings.TrimSpace(string(made))
	if err != nil || id == "" {
		return "", err
	}
	name := "pack-" + id
	for _, extension := range []string{".pack", ".rev", ".idx"} { // the index comes last: by that git finds the pack
		err := os.Rename(filepath.Join(r.dir, "objects", ".tmp-"+name+extension), filepath.Join(r.packDir(), name+extension))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return name, nil
}

// indexPacks writes the index of several packs (git-multi-pack-index(1)).
func (r *repo) indexPacks(ctx context.Context, packs []string) error {
	r.indexed = nil
	if len(packs) == 0 {
		return nil
	}
	_, err := r.store.runner.Output(ctx, r.dir, r.inBackground(command.Git("multi-pack-index", "write", "--bitmap", "--stdin-packs", "--no-progress")),
		strings.NewReader(strings.Join(packs, ".idx\n")+".idx\n"))
	if err == nil {
		r.indexed = packs
	}
	return err
}

func objectsOf(packs []packSize) (n int64) {
	for _, p := range packs {
		n += p.objects
	}
	return n
}

func without(packs []packSize, gone []string) []packSize {
	return slices.DeleteFunc(slices.Clone(packs), func(p packSize) bool { return slices.Contains(gone, p.name) })
}

func names(packs []packSize) []string {
	all := make([]string, len(packs))
	for i, p := range packs {
		all[i] = p.name
	}
	return all
}

// packSize is a pack's name without extension, how many objects it has, and the bytes of it and its index.
type packSize struct {
	name    string
	objects int64
	bytes   int64
}

// settledPacks returns the packs that somebody wants to keep, and the others from the smallest on. No write is under way while they are
// listed: of a directory into which packs come one may be seen and not another one before it, with what it leads to, and git makes no
// bitmap of packs that lack something.
func (r *repo) settledPacks() (kept, packs []packSize, err error) {
	r.exclusive.Lock()
	defer r.exclusive.Unlock()
	indexes, err := filepath.Glob(filepath.Join(r.packDir(), "pack-*.idx"))
	if err != nil {
		return nil, nil, err
	}
	for _, index := range indexes {
		path := strings.TrimSuffix(index, ".idx")
		objects, err := countObjects(index)
		if err != nil {
			return nil, nil, err
		}
		pack := packSize{name: filepath.Base(path), objects: objects}
		for _, extension := range []string{".pack", ".idx"} {
			info, err := os.Stat(path + extension)
			if err != nil {
				return nil, nil, err
			}
			pack.bytes += info.Size()
		}
		if _, err := os.Lstat(path + ".keep"); err == nil {
			kept = append(kept, pack)
		} else {
			packs = append(packs, pack)
		}
	}
	slices.SortFunc(packs, func(a, b packSize) int {
		return cmp.Or(cmp.Compare(a.objects, b.objects), strings.Compare(a.name, b.name))
	})
	return kept, packs, nil
}

// countObjects reads the last entry of an index's fan-out table (gitformat-pack(5), version 2).
func countObjects(index string) (int64, error) {
	f, err := os.Open(index)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	var header [8 + 256*4]byte
	if _, err := f.ReadAt(header[:], 0); err != nil {
		return 0, fmt.Errorf("%s: %w", filepath.Base(index), err)
	}
	if string(header[:8]) != "\xfftOc\x00\x00\x00\x02" {
		return 0, fmt.Errorf("%s is not of version 2", filepath.Base(index))
	}
	return int64(binary.BigEndian.Uint32(header[len(header)-4:])), nil
}

// rolledUp returns how many packs from the smallest on are to become one, so that each of the others is at least twice
// as large as the one before it. Packs without objects count as one object: they go as well.
func rolledUp(packs []packSize) int {
	size := func(i int) int64 { return max(packs[i].objects, 1) }
	n := len(packs)
	for n > 1 && size(n-1) >= 2*size(n-2) {
		n--
	}
	if n < 2 {
		return 0
	}
	var total int64
	for i := range packs {
		if i >= n && size(i) >= 2*total {
			return i
		}
		total += size(i)
	}
	return len(packs)
}

// removePack deletes a pack. The index goes first: a pack without one is taken for unfinished and removed at the next
// start.
func (r *repo) removePack(name string) error {
	for _, extension := range []string{".idx", ".rev", ".pack"} {
		err := os.Remove(filepath.Join(r.packDir(), name+extension))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
