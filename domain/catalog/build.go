package catalog

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"go.yaml.in/yaml/v3"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/panics"
)

// Build returns the catalog of a commit: of the files given, if base is nil, else of those of base with the changes made
// to them. It reads the files that changed and looks at the documents that have to do with them: what it costs does not
// grow with the catalog, but for a schema that changed, which all documents of its kind are read for again. A change of a
// path that came before replaces it. The contents are kept: do not write to them afterwards.
//
// Build fails when the context ends, with the context's error and nothing else: what is wrong with a file is a [Problem].
// Where the code panics over a file, it does so for the caller to recover from, with a [*panics.Error] if that was in another goroutine.
// It looks at the context before each file, so it goes on for as long as one file takes.
func Build(ctx context.Context, base *Snapshot, commit git.ObjectID, changes []Change) (*Snapshot, error) {
	if base == nil {
		base = empty()
	}
	b := &builder{
		Snapshot: base.edit(commit), base: base,
		keysTouched: map[string]bool{}, paths: map[string]bool{}, circular: map[string]bool{}, tops: map[string]string{},
	}
	var documents []Change
	for _, c := range changes {
		if isSchema(c.Path) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			b.takeSchema(c)
			continue
		}
		documents = append(documents, c)
	}
	if err := b.takeAll(ctx, documents); err != nil {
		return nil, err
	}
	for kind := range b.kindsTouched {
		if err := b.readAgain(ctx, kind); err != nil {
			return nil, err
		}
	}
	if err := b.link(ctx); err != nil {
		return nil, err
	}
	return b.Snapshot, nil
}

// builder makes a snapshot from another.
type builder struct {
	*Snapshot
	base *Snapshot
	// kindsTouched are kinds whose schema changed.
	kindsTouched map[Kind]bool
	// keysTouched are unique keys of documents that changed, as they were and as they are.
	keysTouched map[string]bool
	// paths are files whose problems with others, and whose being served, have to be judged anew.
	paths map[string]bool
	// circular says of the categories whose line of parents was walked, by id, whether they are above themselves.
	circular map[string]bool
	// tops are what [builder.top] found.
	tops map[string]string
}

func (b *builder) takeSchema(c Change) {
	if b.kindsTouched == nil {
		b.kindsTouched = map[Kind]bool{}
	}
	kind := schemaKind(c.Path)
	b.kindsTouched[kind] = true
	delete(b.schemas, kind)
	b.deleteFile(c.Path.String())
	if c.Deleted {
		return
	}
	schema, problem := compile(c)
	f := &file{}
	if problem != nil {
		f.broken = &broken{problems: []Problem{*problem}}
	} else {
		b.schemas[kind] = schema
	}
	f.weight = f.weigh(timesSchema * len(c.Content))
	b.setFile(c.Path.String(), f)
}

// setFile and deleteFile are the only ones that change which files there are.
func (b *builder) setFile(path string, f *file) {
	b.files.Set(path, f)
	b.weight += f.weight
	b.fresh += f.weight
}

func (b *builder) deleteFile(path string) (*file, bool) {
	f, ok := b.files.Delete(path)
	if !ok {
		return nil, false
	}
	b.weight -= f.weight
	if was, _ := b.base.files.Get(path); was == f {
		b.replaced += f.weight
	} else {
		b.fresh -= f.weight
	}
	return f, true
}

// maxReaders is how many files are read at once.
const maxReaders = 8

// takeAll takes files in their order. Reading is most of the work, and is shared by all cores.
func (b *builder) takeAll(ctx context.Context, changes []Change) error {
	files := make([]*file, len(changes))
	var next atomic.Int64
	var panicked atomic.Pointer[error]
	var reading sync.WaitGroup
	for range min(maxReaders, len(changes)) {
		reading.Go(func() {
			err := panics.Caught(func() error {
				for i := next.Add(1) - 1; i < int64(len(changes)) && ctx.Err() == nil; i = next.Add(1) - 1 {
					if c := changes[i]; !c.Deleted {
						files[i] = read(c, b.schemas)
					}
				}
				return nil
			})
			if err != nil {
				panicked.CompareAndSwap(nil, &err)
			}
		})
	}
	reading.Wait()
	if err := panicked.Load(); err != nil {
		panic(*err)
	}
	for i, c := range changes {
		if err := ctx.Err(); err != nil {
			return err // not all files may have been read
		}
		b.take(c, files[i])
	}
	return nil
}

// take puts what a file came to in the place of what was at its path; nil is nothing.
func (b *builder) take(c Change, f *file) {
	path := c.Path.String()
	b.remove(path)
	if f == nil {
		return
	}
	f.weight = f.weigh(len(c.Content))
	b.setFile(path, f)
	b.index(path, f)
	b.kinds.Set(key(string(f.kind), path), struct{}{})
	if f.document == nil || !isBuiltIn(f.kind) {
		b.raw.Set(path, c) // a document of the built-in kinds has its source
	}
}

// remove takes the file at a path out of everything.
func (b *builder) remove(path string) {
	f, ok := b.deleteFile(path)
	if !ok {
		return
	}
	b.kinds.Delete(key(string(f.kind), path))
	b.raw.Delete(path)
	b.paths[path] = true
	for _, k := range f.unique() {
		b.keysTouched[k.key] = true
		if f.document != nil {
			b.keys.Delete(k.key + path)
		} else {
			b.withheld.Delete(k.key + path)
		}
	}
	for _, r := range f.references() {
		b.uses.Delete(r.use + path)
	}
}

// index makes a file found by its keys and by what it refers to. One that something is wrong with is kept apart, so that it has no
// key that a document could have.
func (b *builder) index(path string, f *file) {
	b.paths[path] = true
	for _, k := range f.unique() {
		b.keysTouched[k.key] = true
		if f.document != nil {
			b.keys.Set(k.key+path, f.document)
		} else {
			b.withheld.Set(k.key+path, struct{}{})
		}
	}
	for _, r := range f.references() {
		b.uses.Set(r.use+path, f.read())
	}
}

// readAgain reads all files of a kind, whose schema changed.
func (b *builder) readAgain(ctx context.Context, kind Kind) error {
	var again []Change
	prefix := key(string(kind))
	b.kinds.Ascend(prefix, func(k string, _ struct{}) bool {
		path, ok := strings.CutPrefix(k, prefix)
		if ok {
			again = append(again, b.original(strings.TrimSuffix(path, "\x00")))
		}
		return ok
	})
	return b.takeAll(ctx, again)
}

// original returns the file that a document was read from, or what comes to the same.
func (b *builder) original(path string) Change {
	if c, ok := b.raw.Get(path); ok {
		return c
	}
	f, _ := b.files.Get(path)
	d := f.document
	content := d.Source
	if formatOf(d.Path) == formatMarkdown {
		content = "---\n" + d.Source + "---\n" + d.Body
	}
	return Change{Path: d.Path, Blob: d.Blob, Size: int64(len(content)), Content: []byte(content)}
}

// link judges anew what the documents that changed, and those that have to do with them, are to each other.
func (b *builder) link(ctx context.Context) error {
	b.addSharers(b.base)
	b.addSharers(b.Snapshot)
	near := make([]string, 0, len(b.paths))
	for path := range b.paths {
		near = append(near, path)
	}
	for _, s := range []*Snapshot{b.base, b.Snapshot} {
		users := users{s, b.paths, map[string]bool{}, map[string]bool{}}
		for _, path := range near {
			if err := ctx.Err(); err != nil {
				return err
			}
			users.add(path)
		}
	}
	for path := range b.paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.judge(path)
	}
	return nil
}

// addSharers adds the files that have one of the keys touched.
func (b *builder) addSharers(s *Snapshot) {
	for prefix := range b.keysTouched {
		s.keys.Ascend(prefix, func(k string, d *Document) bool {
			if !strings.HasPrefix(k, prefix) {
				return false
			}
			b.paths[d.Path.String()] = true
			return true
		})
		s.addWithheld(prefix, b.paths)
	}
}

// addWithheld adds the files that something is wrong with and that have a key.
func (s *Snapshot) addWithheld(prefix string, paths map[string]bool) {
	s.withheld.Ascend(prefix, func(k string, _ struct{}) bool {
		path, ok := strings.CutPrefix(k, prefix)
		if ok {
			paths[path] = true
		}
		return ok
	})
}

// users gathers the documents of a snapshot that have to do with others. Whatever it comes by again it has gathered: a
// line of parents is walked once, however many categories it leads through.
type users struct {
	*Snapshot
	paths map[string]bool
	// gathered are the keys of uses that were looked up, walked the ids of categories whose line of parents was.
	gathered, walked map[string]bool
}

// add adds the documents that refer to the one at a path, the categories that are in a line above it, and those whose files
// something is wrong with that would go on with the line.
func (u *users) add(path string) {
	f, ok := u.files.Get(path)
	if !ok || f.document == nil {
		return
	}
	d := f.document
	if d.Product != nil {
		u.addReferring(key(inCollection, d.Product.SKU))
		return
	}
	u.addReferring(key(inCategory, d.ID))
	u.addReferring(key(inParent, d.ID))
	if d.Category == nil {
		return
	}
	for c := u.category(d.ID); c != nil && !u.walked[c.ID]; {
		u.walked[c.ID] = true
		u.paths[c.Path.String()] = true
		above := c.Category.Parent
		if c = u.category(above); c == nil && above != "" {
			u.addWithheld(key(byID, above), u.paths)
		}
	}
}

// addReferring adds the documents that refer to something, by the key of uses.
func (u *users) addReferring(prefix string) {
	if u.gathered[prefix] {
		return
	}
	u.gathered[prefix] = true
	u.uses.Ascend(prefix, func(k string, user *Document) bool {
		if !strings.HasPrefix(k, prefix) {
			return false
		}
		u.paths[user.Path.String()] = true
		return true
	})
}

// judge finds the problems that the document at a path has with others, and keeps the counts.
func (b *builder) judge(path string) {
	b.links.Delete(path)
	if f, ok := b.base.files.Get(path); ok && f.document != nil && b.base.isServed(f.document) {
		b.counts[f.document.Kind]--
		if b.lists(f.document) { // else the key is another's already
			b.listed.Delete(listKey(f.document))
		}
	}
	f, ok := b.files.Get(path)
	if !ok || f.read() == nil {
		return
	}
	if d := f.document; d != nil && b.isServed(d) {
		b.counts[d.Kind]++
		b.listed.Set(listKey(d), d)
	}
	if problems := b.problemsOf(f); len(problems) > 0 {
		b.links.Set(path, problems)
	}
}

func (b *builder) problemsOf(f *file) []Problem {
	d := f.read()
	r := &reader{front: frontOf(d), path: d.Path}
	var root *yaml.Node
	place := func(field string) *yaml.Node {
		if root == nil {
			root = d.root()
		}
		n, _ := locate(root, steps(field))
		return n
	}
	for _, k := range f.unique() {
		if owner := b.owner(k.key); owner != d.Path.String() {
			r.problem(place(k.field), k.field, k.reason, "the %s %.80q is that of %s as well: of several documents the first by path has it", k.field, k.value, clip(owner))
			r.problems[len(r.problems)-1].about = k.value
		}
	}
	inCycle := d.Category != nil && (f.document != nil && b.isServed(d) && b.inCycle(d) || f.document == nil && b.closesCycle(d))
	for _, ref := range f.references() {
		if r.more {
			break
		}
		if ref.target == "" || inCycle && ref.target == key(byID, d.ID) {
			continue
		}
		if target := b.first(ref.target); target == nil || target.Kind != ref.wanted || !b.isServed(target) {
			r.problem(place(ref.field), ref.field, ReasonBrokenReference, "%q is the %s of no %s that is served", clip(ref.value), keyName(ref.wanted), strings.ToLower(string(ref.wanted)))
		}
	}
	if inCycle {
		r.problem(place("parent"), "parent", ReasonCategoryCycle, "the category is above itself: give one of the circle another parent, or none")
	}
	return r.problems
}

// owner is the file that has a unique key: the first by path whose document has it, else the first that something is wrong with.
func (b *builder) owner(prefix string) (path string) {
	if d := b.first(prefix); d != nil {
		return d.Path.String()
	}
	b.withheld.Ascend(prefix, func(k string, _ struct{}) bool {
		path = strings.TrimPrefix(k, prefix)
		return false
	})
	return path
}

// keyName is the key that others refer to documents of a kind by.
func keyName(kind Kind) string {
	if kind == KindProduct {
		return bySKU
	}
	return byID
}

// steps splits a field such as "products[3]".
func steps(field string) []string {
	name, index, ok := strings.Cut(field, "[")
	if !ok {
		return []string{name}
	}
	return []string{name, strings.TrimSuffix(index, "]")}
}

// root reads the fields anew.
func (d *Document) root() *yaml.Node {
	root, problem := frontOf(d).parse(d.Path)
	if problem != nil {
		return &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1} // it was read before: this does not happen
	}
	return root
}

// inCycle reports whether the line of parents leads back to the category. It walks the line as far as it is not known, and
// then knows it of all categories on the way.
func (b *builder) inCycle(d *Document) bool {
	var line []string
	at := map[string]int{}
	for c := d; c != nil; c = b.category(c.Category.Parent) {
		if _, known := b.circular[c.ID]; known {
			break
		}
		if from, met := at[c.ID]; met {
			for _, id := range line[from:] {
				b.circular[id] = true
			}
			break
		}
		at[c.ID] = len(line)
		line = append(line, c.ID)
	}
	for _, id := range line {
		if !b.circular[id] {
			b.circular[id] = false // it leads to a circle at most
		}
	}
	return b.circular[d.ID]
}

// closesCycle reports whether a category whose file something is wrong with would be above itself.
func (b *builder) closesCycle(d *Document) bool {
	return isKey(d.ID) && d.Category.Parent != "" && b.first(key(byID, d.ID)) == nil && b.top(d.Category.Parent) == d.ID
}

// top is the id at which the line of parents ends, from a category of that id on: that of no category that is served, "" if the
// line ends with a root or leads in a circle.
func (b *builder) top(id string) string {
	var line []string
	for c := b.category(id); c != nil; c = b.category(id) {
		if known, walked := b.tops[c.ID]; walked {
			id = known
			break
		}
		b.tops[c.ID] = "" // whoever comes by here again was led in a circle
		line = append(line, c.ID)
		id = c.Category.Parent
	}
	for _, below := range line {
		b.tops[below] = id
	}
	return id
}
