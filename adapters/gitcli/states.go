package gitcli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// States implements [ports.StateReader]: it tells where the refs of repositories are, without opening those that are not
// open. A repository that cannot be read is logged and yielded as unreadable.
func (s *Store) States(ctx context.Context, ids ...git.RepositoryID) iter.Seq2[event.RepositoryState, error] {
	return func(yield func(event.RepositoryState, error) bool) {
		for _, h := range s.handlesOf(ids) {
			if err := ctx.Err(); err != nil {
				yield(event.RepositoryState{}, errs.From(err))
				return
			}
			state, err := s.state(ctx, h)
			switch {
			case err == nil:
			case ctx.Err() != nil:
				yield(event.RepositoryState{}, errs.From(ctx.Err()))
				return
			case !h.present.Load(): // it was deleted meanwhile
				continue
			default:
				state = event.RepositoryState{ID: h.id, Unreadable: true}
			}
			if !yield(state, nil) {
				return
			}
		}
		for _, id := range ids {
			if !s.isNameless(id) {
				continue
			}
			_ = s.absent(ctx, id) // which logs why
			if !yield(event.RepositoryState{ID: id, Unreadable: true}, nil) {
				return
			}
		}
	}
}

// isNameless reports whether the repository was not found at the start, and its directory is there or may be: its
// metadata, which has its id, or a directory above it could not be read then.
func (s *Store) isNameless(id git.RepositoryID) bool {
	s.mu.Lock()
	_, found := s.handles.Get(id.String())
	s.mu.Unlock()
	dir := s.root.path(id)
	nameless := false
	for at := dir; at != s.root.repositories(); at = filepath.Dir(at) {
		_, ok := s.nameless[at]
		nameless = nameless || ok
	}
	if found || !nameless {
		return false
	}
	_, err := os.Lstat(dir)
	return !errors.Is(err, fs.ErrNotExist)
}

// handlesOf returns the repositories that exist: those named, or all if none is.
func (s *Store) handlesOf(ids []git.RepositoryID) []*handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*handle
	if len(ids) == 0 {
		found = s.handles.Values()
	}
	for _, id := range ids {
		if h, ok := s.handles.Get(id.String()); ok {
			found = append(found, h)
		}
	}
	n := 0
	for _, h := range found {
		if h.present.Load() {
			found[n] = h
			n++
		}
	}
	return found[:n]
}

func (s *Store) state(ctx context.Context, h *handle) (event.RepositoryState, error) {
	if r := h.opened(); r != nil {
		return r.state(), nil
	}
	m, err := readMetadata(h.dir)
	var refs map[git.RefName]git.ObjectID
	if err == nil {
		refs, err = readRefFiles(h.dir)
	}
	if err == nil && h.opened() == nil { // else somebody may have written to it, and the files be of several moments
		return event.RepositoryState{ID: h.id, CreatedAt: m.CreatedAt, Refs: refs}, nil
	}
	r, err := s.repo(ctx, h.id)
	if err != nil {
		return event.RepositoryState{}, err
	}
	return r.state(), nil
}

// opened returns the repository if it is open.
func (h *handle) opened() *repo {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.repo
}

func (r *repo) state() event.RepositoryState {
	refs := map[git.RefName]git.ObjectID{}
	r.refs.Load().ascend(git.RefName{}, func(ref git.Ref) bool {
		refs[ref.Name] = ref.Target
		return true
	})
	return event.RepositoryState{ID: r.id, CreatedAt: r.createdAt, Refs: refs}
}

// readRefFiles reads the branches and tags of a repository that nobody writes to from its files
// (gitrepository-layout(5), git-pack-refs(1)): starting git for each of thousands of repositories takes minutes. It fails
// if it meets anything but plain refs; git then has the word.
func readRefFiles(dir string) (map[git.RefName]git.ObjectID, error) {
	refs := map[git.RefName]git.ObjectID{}
	if err := readPackedRefs(dir, refs); err != nil {
		return nil, err
	}
	for _, top := range []string{"refs/heads", "refs/tags"} {
		err := filepath.WalkDir(filepath.Join(dir, top), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasSuffix(path, ".lock") {
				return err
			}
			return readLooseRef(dir, path, refs)
		})
		if err != nil { // also if something is not there: git always leaves both directories
			return nil, err
		}
	}
	return refs, nil
}

func readLooseRef(dir, path string, refs map[git.RefName]git.ObjectID) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	return addRef(refs, filepath.ToSlash(name), string(bytes.TrimSuffix(b, []byte("\n"))))
}

func readPackedRefs(dir string, refs map[git.RefName]git.ObjectID) error {
	b, err := os.ReadFile(filepath.Join(dir, "packed-refs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' || line[0] == '^' {
			continue
		}
		id, name, ok := strings.Cut(line, " ")
		if !ok {
			return fmt.Errorf("packed-refs has the line %.100q", line)
		}
		if !strings.HasPrefix(name, "refs/heads/") && !strings.HasPrefix(name, "refs/tags/") {
			continue
		}
		if err := addRef(refs, name, id); err != nil {
			return err
		}
	}
	return nil
}

func addRef(refs map[git.RefName]git.ObjectID, name, target string) error {
	ref, err := git.ParseRefName(name)
	if err != nil {
		return err
	}
	refs[ref], err = git.ParseObjectID(target)
	return err
}
