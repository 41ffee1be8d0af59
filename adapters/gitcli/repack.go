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

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
)

// repackAfter is how many packs a repository gathers before they are made fewer. Git looks for an object in one pack
// after the other.
const repackAfter = 50

// packsAdded repacks the repository in the background when it has gathered enough packs.
func (r *repo) packsAdded(n int) {
	r.size.changed()
	if r.newPacks.Add(int64(n)) < repackAfter {
		return
	}
	if r.store.repacking.TryAcquire(1) {
		r.newPacks.Store(0)
		r.store.background.Go(func() {
			defer r.store.repacking.Release(1)
			r.repack(r.store.ctx)
		})
	}
}

func (r *repo) repack(ctx context.Context) {
	defer r.size.changed()
	err := r.rollUp(ctx)
	if err == nil {
		return
	}
	r.store.logger.WarnContext(ctx, "repacking ended early; it is done again later", "repository", r.id.String(), "error", err)
	r.exclusive.Lock()
	defer r.exclusive.Unlock()
	entries, _ := os.ReadDir(r.packDir())
	for _, e := range entries {
		if isOfRepack(e.Name()) {
			_ = os.Remove(filepath.Join(r.packDir(), e.Name()))
		}
	}
}

// rollUp makes one pack of the small ones, so that what is left grows geometrically and an object is rewritten only a
// logarithmic number of times. It does what git-repack(1) does with --geometric, which cannot be used itself: it deletes
// packs, and after this process was killed it would go on to do so beside the one that took its place.
func (r *repo) rollUp(ctx context.Context) error {
	packs, err := r.settledPacks()
	if err != nil {
		return err
	}
	n := rolledUp(packs)
	if n < 2 {
		return nil
	}
	var names strings.Builder
	for i, p := range packs {
		if i >= n {
			names.WriteByte('^') // what these have need not be written again
		}
		names.WriteString(p.name + ".pack\n")
	}
	made, err := r.store.runner.Output(ctx, r.dir, command.Git("pack-objects", "--quiet", "--stdin-packs", "--non-empty",
		"--delta-base-offset", "objects/pack/pack"), strings.NewReader(names.String()))
	if err == nil {
		err = disk.SyncDir(r.packDir())
	}
	if err != nil {
		return err
	}
	for _, p := range packs[:n] {
		if p.name == "pack-"+strings.TrimSpace(string(made)) {
			continue
		}
		if err := r.removePack(p.name); err != nil {
			return err
		}
	}
	return nil
}

// packSize is a pack's name without extension, and how many objects it has.
type packSize struct {
	name    string
	objects int64
}

// settledPacks returns the packs from the smallest on, but for those that somebody wants to keep. A write that fails
// takes its packs back: none is under way while they are listed.
func (r *repo) settledPacks() ([]packSize, error) {
	r.exclusive.Lock()
	defer r.exclusive.Unlock()
	indexes, err := filepath.Glob(filepath.Join(r.packDir(), "pack-*.idx"))
	if err != nil {
		return nil, err
	}
	var packs []packSize
	for _, index := range indexes {
		path := strings.TrimSuffix(index, ".idx")
		if _, err := os.Lstat(path + ".keep"); err == nil {
			continue
		}
		objects, err := countObjects(index)
		if err != nil {
			return nil, err
		}
		packs = append(packs, packSize{filepath.Base(path), objects})
	}
	slices.SortFunc(packs, func(a, b packSize) int {
		return cmp.Or(cmp.Compare(a.objects, b.objects), strings.Compare(a.name, b.name))
	})
	return packs, nil
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
// as large as the one before it.
func rolledUp(packs []packSize) int {
	n := len(packs)
	for n > 1 && packs[n-1].objects >= 2*packs[n-2].objects {
		n--
	}
	if n < 2 {
		return 0
	}
	var total int64
	for i, p := range packs {
		if i >= n && p.objects >= 2*total {
			return i
		}
		total += p.objects
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
