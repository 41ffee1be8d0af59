package tree

import (
	"context"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// FileEdit is a [git.Change] whose content is stored.
type FileEdit struct {
	Action git.Action
	Path   git.TreePath
	// From is where a move takes the file from.
	From git.TreePath
	// Blob is the new content; zero for delete and chmod, and for a move that keeps the content.
	Blob         git.ObjectID
	Executable   *bool
	ExpectedBlob git.Expectation
}

// source is the path that must exist before the edit, if the action needs one.
func (e FileEdit) source() git.TreePath {
	if e.Action == git.ActionMove {
		return e.From
	}
	return e.Path
}

// EditResult is a tree after its edits.
type EditResult struct {
	// Root is the new tree; the same as before if nothing changed.
	Root git.ObjectID
	// Blobs are the files that the edits wrote, moved or changed the mode of, in their order.
	Blobs []git.PathBlob
}

// Edit applies edits to the tree root (zero for none) and stores the trees that changed through put, children before
// parents. All conditions are judged against the tree as it was, so the order of the edits does not matter; two that
// touch one path are refused. Only the directories on the way are read, and an empty directory ceases to exist.
//
// It fails with DUPLICATE_PATH, PATH_NOT_FOUND, PATH_EXISTS, PATH_CONFLICT (a file where a directory is needed or the
// other way round, a name that differs from a neighbour's in case alone, or one beyond [git.MaxTreeEntries]), NOT_A_FILE (a directory, symbolic link or
// submodule where a file is needed) and BLOB_MOVED.
func Edit(ctx context.Context, r git.ObjectReader, root git.ObjectID, edits []FileEdit,
	put func(content []byte) (git.ObjectID, error),
) (EditResult, error) {
	if err := checkDistinct(edits); err != nil {
		return EditResult{}, err
	}
	ed := &editor{ctx: ctx, r: r, put: put, root: &node{id: root}}
	before := make([]git.TreeEntry, len(edits))
	for i, e := range edits {
		var err error
		if before[i], err = ed.check(e); err != nil {
			return EditResult{}, err
		}
	}
	for _, e := range edits {
		if e.Action == git.ActionDelete || e.Action == git.ActionMove {
			if err := ed.remove(e.source()); err != nil {
				return EditResult{}, err
			}
		}
	}
	var res EditResult
	for i, e := range edits {
		if e.Action == git.ActionDelete {
			continue
		}
		entry := edited(e, before[i])
		if err := ed.write(e.Path, entry); err != nil {
			return EditResult{}, err
		}
		res.Blobs = append(res.Blobs, git.PathBlob{Path: e.Path, Blob: entry.ID})
	}
	var err error
	res.Root, err = ed.store(ed.root)
	return res, err
}

// Touched returns the paths whose content decides whether the edits can be made: each Path and each From.
func Touched(edits []FileEdit) []git.TreePath {
	var paths []git.TreePath
	for _, e := range edits {
		paths = append(paths, e.Path)
		if !e.From.IsRoot() {
			paths = append(paths, e.From)
		}
	}
	return paths
}

func checkDistinct(edits []FileEdit) error {
	seen := make(map[git.TreePath]bool, len(edits))
	for _, p := range Touched(edits) {
		if seen[p] {
			return pathError(errs.ReasonDuplicatePath, p, "two actions touch path %q: merge them into one", p)
		}
		seen[p] = true
	}
	return nil
}

// edited returns the entry that the edit leaves at its path.
func edited(e FileEdit, before git.TreeEntry) git.TreeEntry {
	entry := git.TreeEntry{Name: e.Path.Base(), Mode: before.Mode, ID: before.ID}
	if !e.Blob.IsZero() {
		entry.ID = e.Blob
	}
	switch {
	case e.Executable != nil && *e.Executable:
		entry.Mode = git.ModeExecutable
	case e.Executable != nil || entry.Mode == 0:
		entry.Mode = git.ModeRegular
	}
	return entry
}

type editor struct {
	ctx  context.Context
	r    git.ObjectReader
	put  func([]byte) (git.ObjectID, error)
	root *node
}

// node is a directory. It is read when it is first looked into.
type node struct {
	id     git.ObjectID
	loaded bool
	// base is the directory as it was, in its order.
	base []git.TreeEntry
	// seen are the entries that were looked up or written, nil for a name that is not there. They hide those of base.
	seen map[string]*entry
	// size is how many entries there are.
	size int
	// folded maps case-folded names to names; nil until a name is added.
	folded map[string]string
	dirty  bool
}

type entry struct {
	mode git.FileMode
	id   git.ObjectID
	dir  *node
}

func (ed *editor) load(n *node) error {
	if n.loaded {
		return nil
	}
	if !n.id.IsZero() {
		var err error
		if n.base, err = ed.r.Tree(ed.ctx, n.id); err != nil {
			return err
		}
	}
	n.loaded, n.size, n.seen = true, len(n.base), map[string]*entry{}
	return nil
}

// entry returns the entry of the name, nil if there is none.
func (n *node) entry(name string) *entry {
	e, ok := n.seen[name]
	if ok {
		return e
	}
	if found, ok := Find(n.base, name); ok {
		e = &entry{mode: found.Mode, id: found.ID}
	}
	n.seen[name] = e
	return e
}

// set puts the entry in the place of the one of its name; nil takes that away.
func (n *node) set(name string, e *entry) {
	if n.entry(name) != nil {
		n.size--
	}
	if e != nil {
		n.size++
	}
	n.seen[name] = e
}

// list returns all entries, those that were not looked at in their order and first.
func (n *node) list() []git.TreeEntry {
	list := make([]git.TreeEntry, 0, n.size)
	for _, e := range n.base {
		if _, ok := n.seen[e.Name]; !ok {
			list = append(list, e)
		}
	}
	for name, e := range n.seen {
		if e != nil {
			list = append(list, git.TreeEntry{Name: name, Mode: e.mode, ID: e.id})
		}
	}
	return list
}

// child returns the directory behind a directory entry.
func (e *entry) child() *node {
	if e.dir == nil {
		e.dir = &node{id: e.id}
	}
	return e.dir
}

// find returns the entry at path, nil if there is none.
func (ed *editor) find(path git.TreePath) (*entry, error) {
	n, components := ed.root, path.Components()
	for i, name := range components {
		if err := ed.load(n); err != nil {
			return nil, err
		}
		e := n.entry(name)
		if e == nil || i == len(components)-1 {
			return e, nil
		}
		if e.mode != git.ModeDirectory {
			break
		}
		n = e.child()
	}
	return nil, nil
}

// check judges the edit's conditions on the tree as it was and returns the entry it starts from, zero if there is none.
func (ed *editor) check(e FileEdit) (git.TreeEntry, error) {
	found, err := ed.find(e.source())
	if err != nil {
		return git.TreeEntry{}, err
	}
	var actual git.ObjectID
	if found != nil && found.mode != git.ModeDirectory {
		actual = found.id
	}
	if !e.ExpectedBlob.Met(actual) {
		return git.TreeEntry{}, blobMoved(e, actual)
	}
	if err := ed.checkTarget(e); err != nil {
		return git.TreeEntry{}, err
	}
	if err := checkSource(e, found); err != nil || found == nil || found.mode == git.ModeDirectory {
		return git.TreeEntry{}, err
	}
	return git.TreeEntry{Mode: found.mode, ID: found.id}, nil
}

// checkSource refuses an edit of what is not there or is no regular file. A directory in the way of a new file is judged
// when the file is written: another edit may have emptied it.
func checkSource(e FileEdit, found *entry) error {
	source := e.source()
	mayBeNew := e.Action == git.ActionCreate || e.Action == git.ActionUpsert
	switch {
	case mayBeNew && (found == nil || found.mode == git.ModeDirectory):
		return nil
	case found == nil:
		return pathError(errs.ReasonPathNotFound, source, "path %q does not exist", source)
	case found.mode == git.ModeDirectory:
		return pathError(errs.ReasonNotAFile, source, "path %q is a directory", source)
	case found.mode != git.ModeRegular && found.mode != git.ModeExecutable && e.Action != git.ActionDelete:
		return pathError(errs.ReasonNotAFile, source,
			"path %q is a symbolic link or submodule, which can only be deleted", source)
	}
	return nil
}

// checkTarget refuses a create or move onto a file that exists.
func (ed *editor) checkTarget(e FileEdit) error {
	if e.Action != git.ActionCreate && e.Action != git.ActionMove {
		return nil
	}
	there, err := ed.find(e.Path)
	if err != nil || there == nil || there.mode == git.ModeDirectory {
		return err
	}
	return pathError(errs.ReasonPathExists, e.Path, "path %q exists: use update or upsert, or another path", e.Path).
		WithMeta(errs.MetaActual, there.id.String())
}

func blobMoved(e FileEdit, actual git.ObjectID) error {
	expected := e.ExpectedBlob.ID()
	return pathError(errs.ReasonBlobMoved, e.source(), "path %q does not hold the expected blob: read it again and redo the change", e.source()).
		WithMeta(errs.MetaExpected, expected.String()).WithMeta(errs.MetaActual, actual.String())
}

// remove takes the file at path away and the directories that it leaves empty.
func (ed *editor) remove(path git.TreePath) error {
	nodes, err := ed.descend(path)
	if err != nil {
		return err
	}
	components := path.Components()
	for i := len(nodes) - 1; i >= 0; i-- {
		nodes[i].delete(components[i])
		if nodes[i].size > 0 {
			break
		}
	}
	return nil
}

func (n *node) delete(name string) {
	n.set(name, nil)
	if n.folded != nil {
		delete(n.folded, strings.ToLower(name))
	}
}

// descend returns the directories on the way to path, all loaded and marked dirty, creating those that do not exist.
func (ed *editor) descend(path git.TreePath) ([]*node, error) {
	components := path.Components()
	nodes := make([]*node, 0, len(components))
	n := ed.root
	for i, name := range components {
		if err := ed.load(n); err != nil {
			return nil, err
		}
		n.dirty = true
		nodes = append(nodes, n)
		if i == len(components)-1 {
			break
		}
		e := n.entry(name)
		if e == nil {
			if err := n.checkNew(path.Ancestor(i + 1)); err != nil {
				return nil, err
			}
			e = &entry{mode: git.ModeDirectory, dir: &node{}}
			n.set(name, e)
		}
		if e.mode != git.ModeDirectory {
			return nil, pathError(errs.ReasonPathConflict, path, "path %q needs a directory where %q is a file", path, path.Ancestor(i+1))
		}
		n = e.child()
	}
	return nodes, nil
}

func (ed *editor) write(path git.TreePath, te git.TreeEntry) error {
	nodes, err := ed.descend(path)
	if err != nil {
		return err
	}
	n := nodes[len(nodes)-1]
	old := n.entry(te.Name)
	if old != nil && old.mode == git.ModeDirectory {
		return pathError(errs.ReasonPathConflict, path, "path %q needs a file where a directory is", path)
	}
	if old == nil {
		if err := n.checkNew(path); err != nil {
			return err
		}
	}
	n.set(te.Name, &entry{mode: te.Mode, id: te.ID})
	return nil
}

// checkNew refuses a new name in a directory that has as many as it may, or that a file system without regard to case would
// take for another one of the directory, and remembers the name.
func (n *node) checkNew(path git.TreePath) error {
	if n.size >= git.MaxTreeEntries {
		return pathError(errs.ReasonPathConflict, path, "path %q is one too many: a directory has %d entries at most, use several", path, git.MaxTreeEntries)
	}
	if n.folded == nil {
		n.folded = make(map[string]string, n.size+1)
		for _, e := range n.list() {
			n.folded[strings.ToLower(e.Name)] = e.Name
		}
	}
	name := path.Base()
	if twin, ok := n.folded[strings.ToLower(name)]; ok && twin != name {
		return pathError(errs.ReasonPathConflict, path, "path %q differs in case alone from %q, which exists", path, path.Dir().Join(twin))
	}
	n.folded[strings.ToLower(name)] = name
	return nil
}

// store writes the dirty directories below n and returns the ID of n.
func (ed *editor) store(n *node) (git.ObjectID, error) {
	switch {
	case !n.dirty && n.id.IsZero():
		return ed.put(nil) // git knows the empty tree without having it, and yet takes a repository for damaged that lacks it
	case !n.dirty:
		return n.id, nil
	}
	for _, e := range n.seen {
		if e == nil || e.dir == nil || !e.dir.dirty {
			continue
		}
		var err error
		if e.id, err = ed.store(e.dir); err != nil {
			return git.ObjectID{}, err
		}
	}
	content := git.EncodeTree(n.list())
	id := ed.r.Format().HashObject(git.TreeObject, content)
	if id == n.id {
		return id, nil
	}
	return ed.put(content)
}

func pathError(reason errs.Reason, path git.TreePath, format string, args ...any) *errs.Error {
	return errs.InvalidField(reason, "path", format, args...).WithMeta(errs.MetaPath, path.String())
}
