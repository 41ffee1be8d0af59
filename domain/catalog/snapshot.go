package catalog

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/btree"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// Snapshot is the catalog of one commit. It is immutable and safe for concurrent use.
type Snapshot struct {
	commit git.ObjectID
	// copying is held while a later snapshot is made from this one.
	copying *sync.Mutex
	schemas schemas
	counts  map[Kind]int

	files *btree.Map[string, *file]
	// raw keeps what a file with a schema of its own is read from, for when that changes.
	raw *btree.Map[string, Change]
	// links are the problems that a document has with others, by path.
	links *btree.Map[string, []Problem]
	// keys are the documents that are right in themselves, by every key that has to be unique, and its path.
	keys *btree.Map[string, *Document]
	// listed are the documents that are served, by kind and id.
	listed *btree.Map[string, *Document]
	// uses are the documents that refer to others, by what they refer to, their order there, and their path. Those that something is
	// wrong with in themselves are among them.
	uses *btree.Map[string, *Document]
	// kinds are the paths of files that say they are of a kind that is not built in.
	kinds *btree.Map[string, struct{}]
	// withheld are the keys that would have to be unique of files that something is wrong with in themselves, each with its path.
	withheld *btree.Map[string, struct{}]

	fields *knownFields
	orders *knownOrders

	// id tells snapshots apart, and from is the one that it was made from: a pointer would keep that in memory.
	id, from uint64
	// weight is that of all files, fresh of those that the one it was made from does not have, and replaced of those that
	// only that one has.
	weight, fresh, replaced int64
}

// knownFields are the names that [Snapshot.Fields] found.
type knownFields struct {
	sync.Mutex
	byKind map[Kind][]string
}

func newKnownFields() *knownFields { return &knownFields{byKind: map[Kind][]string{}} }

// Keys of the indexes: their parts, with a NUL behind each, which no part holds, as no path and no key of a document does.
func key(parts ...string) string { return strings.Join(parts, "\x00") + "\x00" }

const (
	byID   = "id"
	bySKU  = "sku"
	bySlug = "slug"

	inCategory   = "category"
	inParent     = "parent"
	inCollection = "collection"
)

func empty() *Snapshot {
	return &Snapshot{
		copying: &sync.Mutex{}, schemas: schemas{}, counts: map[Kind]int{},
		files: &btree.Map[string, *file]{}, raw: &btree.Map[string, Change]{}, links: &btree.Map[string, []Problem]{},
		keys: &btree.Map[string, *Document]{}, listed: &btree.Map[string, *Document]{}, uses: &btree.Map[string, *Document]{}, kinds: &btree.Map[string, struct{}]{},
		withheld: &btree.Map[string, struct{}]{},
		fields:   newKnownFields(), orders: &knownOrders{}, id: snapshots.Add(1),
	}
}

// edit returns a snapshot to write to that shares what it does not change.
func (s *Snapshot) edit(commit git.ObjectID) *Snapshot {
	s.copying.Lock()
	defer s.copying.Unlock()
	return &Snapshot{
		commit: commit, copying: &sync.Mutex{}, schemas: maps.Clone(s.schemas), counts: maps.Clone(s.counts),
		files: s.files.Copy(), raw: s.raw.Copy(), links: s.links.Copy(), keys: s.keys.Copy(), listed: s.listed.Copy(), uses: s.uses.Copy(), kinds: s.kinds.Copy(),
		withheld: s.withheld.Copy(),
		fields:   newKnownFields(), orders: &knownOrders{}, id: snapshots.Add(1), from: s.id, weight: s.weight,
	}
}

// Commit is the commit that the catalog is of.
func (s *Snapshot) Commit() git.ObjectID { return s.commit }

// Count is how many documents of a kind are served.
func (s *Snapshot) Count(kind Kind) int { return s.counts[kind] }

// Counts are how many documents are served, by kind; of kinds without any, those that have a schema are told. The caller owns
// the map.
func (s *Snapshot) Counts() map[Kind]int {
	counts := maps.Clone(s.counts)
	maps.DeleteFunc(counts, func(kind Kind, n int) bool { return n == 0 && s.schemas[kind] == nil })
	for kind := range s.schemas {
		counts[kind] += 0
	}
	return counts
}

// Problems yields all problems, ordered by path, and within a file by line and column.
func (s *Snapshot) Problems() iter.Seq[Problem] {
	return func(yield func(Problem) bool) {
		s.files.Scan(func(path string, f *file) bool {
			for _, p := range s.problemsIn(path, f) {
				if !yield(p) {
					return false
				}
			}
			return true
		})
	}
}

// ProblemsAt returns the problems of the file at a path, ordered by their place.
func (s *Snapshot) ProblemsAt(path git.TreePath) []Problem { return s.problemsAt(path.String()) }

// problemsIn returns the problems of the file at a path, ordered by their place.
func (s *Snapshot) problemsIn(path string, f *file) []Problem {
	linked, _ := s.links.Get(path)
	return inOrder(f.problems(), linked)
}

// inOrder orders the problems of a file, in itself and with others, by their place.
func inOrder(own, linked []Problem) []Problem {
	if len(own)+len(linked) == 0 {
		return nil
	}
	all := slices.Concat(own, linked)
	slices.SortStableFunc(all, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return all
}

// Document returns a document by its id, whatever its kind; nil if none is served.
func (s *Snapshot) Document(id string) *Document { return s.served(byID, id) }

// DocumentAt returns the document in a file, nil if it is not served.
func (s *Snapshot) DocumentAt(path git.TreePath) *Document {
	f, ok := s.files.Get(path.String())
	if !ok || f.document == nil || !s.isServed(f.document) {
		return nil
	}
	return f.document
}

// Knows reports whether documents may be of a kind: it is built in or has a schema.
func (s *Snapshot) Knows(kind Kind) bool { return isBuiltIn(kind) || s.schemas[kind] != nil }

// Has reports whether a file is a document, or would be one if nothing were wrong with it or its kind were known.
func (s *Snapshot) Has(path git.TreePath) bool {
	_, ok := s.files.Get(path.String())
	return ok
}

// HasInAnyCase is [Snapshot.Has] for any file in the same folder whose name is the same but for the case of a-z.
func (s *Snapshot) HasInAnyCase(path git.TreePath) bool {
	name := path.Base()
	return s.hasFrom(strings.TrimSuffix(path.String(), name), name)
}

// hasFrom reports whether there is a file whose path goes on behind a beginning as a name does, in letters of either case. It looks
// only where paths begin so.
func (s *Snapshot) hasFrom(beginning, name string) bool {
	if name == "" {
		_, ok := s.files.Get(beginning)
		return ok
	}
	begins := false
	s.files.Ascend(beginning, func(path string, _ *file) bool {
		begins = strings.HasPrefix(path, beginning)
		return false
	})
	if !begins {
		return false
	}
	const toOther = 'a' - 'A'
	if letter := name[0] | toOther; letter >= 'a' && letter <= 'z' && s.hasFrom(beginning+string(rune(name[0]^toOther)), name[1:]) {
		return true
	}
	return s.hasFrom(beginning+name[:1], name[1:])
}

// BySlug returns a document of a kind by its slug, nil if none is served.
func (s *Snapshot) BySlug(kind Kind, slug string) *Document {
	return s.served(bySlug, string(kind), slug)
}

// BySKU returns a product by its sku, nil if none is served.
func (s *Snapshot) BySKU(sku string) *Document { return s.served(bySKU, sku) }

// served returns the document that has a unique key.
func (s *Snapshot) served(parts ...string) *Document {
	if d := s.first(key(parts...)); d != nil && s.isServed(d) {
		return d
	}
	return nil
}

// first returns the first document by path with a unique key, nil if there is none.
func (s *Snapshot) first(prefix string) *Document {
	var found *Document
	s.keys.Ascend(prefix, func(k string, d *Document) bool {
		if strings.HasPrefix(k, prefix) {
			found = d
		}
		return false
	})
	return found
}

// isServed reports whether the document has all of its unique keys.
func (s *Snapshot) isServed(d *Document) bool {
	for _, k := range d.unique() {
		if s.first(k.key) != d {
			return false
		}
	}
	return true
}

// List yields the documents of a kind that are served, ordered by the bytes of their ids, from the one behind the id
// after on; "" begins with the first.
func (s *Snapshot) List(kind Kind, after string) iter.Seq[*Document] {
	prefix := key(string(kind))
	from := prefix
	if after != "" {
		from = prefix + after + "\x01" // behind the one of that id, which goes on with a NUL
	}
	return s.within(s.listed, prefix, from)
}

// listKey is the key of a document among those that are listed.
func listKey(d *Document) string { return key(string(d.Kind), d.ID) }

// lists reports whether a document is served, by the index alone.
func (s *Snapshot) lists(d *Document) bool {
	listed, _ := s.listed.Get(listKey(d))
	return listed == d
}

// within yields the served documents of an index below a prefix.
func (s *Snapshot) within(index *btree.Map[string, *Document], prefix, from string) iter.Seq[*Document] {
	return func(yield func(*Document) bool) {
		index.Ascend(from, func(k string, d *Document) bool {
			if !strings.HasPrefix(k, prefix) {
				return false
			}
			return index != s.listed && !s.lists(d) || yield(d)
		})
	}
}

// Children yields the categories right below the one of that id, or the roots for "", ordered by position and id.
func (s *Snapshot) Children(id string) iter.Seq[*Document] {
	prefix := key(inParent, id)
	return s.within(s.uses, prefix, prefix)
}

// Descendants yields the categories below the one of that id, each before those below it.
func (s *Snapshot) Descendants(id string) iter.Seq[*Document] {
	return func(yield func(*Document) bool) {
		seen := map[string]bool{id: true} // a cycle ends here
		var below func(id string) bool
		below = func(id string) bool {
			for c := range s.Children(id) {
				if seen[c.ID] {
					continue
				}
				seen[c.ID] = true
				if !yield(c) || !below(c.ID) {
					return false
				}
			}
			return true
		}
		below(id)
	}
}

// Ancestors returns the categories above the one of that id, the root first; of more than [MaxAncestors] those nearest to
// it.
func (s *Snapshot) Ancestors(id string) []*Document {
	var above []*Document
	seen := map[string]bool{id: true}
	for c := s.category(id); c != nil && len(above) < MaxAncestors; {
		if c = s.category(c.Category.Parent); c == nil || seen[c.ID] {
			break
		}
		seen[c.ID] = true
		above = append(above, c)
	}
	slices.Reverse(above)
	return above
}

func (s *Snapshot) category(id string) *Document {
	if d := s.Document(id); d != nil && d.Category != nil {
		return d
	}
	return nil
}

// InCategory yields the products right in the category of that id, ordered by id.
func (s *Snapshot) InCategory(id string) iter.Seq[*Document] {
	prefix := key(inCategory, id)
	return s.within(s.uses, prefix, prefix)
}

// InCollection yields the products of a collection in its order; skus of nothing that is served are left out.
func (s *Snapshot) InCollection(c *Document) iter.Seq[*Document] {
	return func(yield func(*Document) bool) {
		for _, sku := range c.Collection.Products {
			if d := s.BySKU(sku); d != nil && !yield(d) {
				return
			}
		}
	}
}

// uniqueKey is a key that no other document may have.
type uniqueKey struct {
	key    string
	field  string
	value  string
	reason Reason
}

// unique returns the keys of the document that have to be its own.
func (d *Document) unique() []uniqueKey {
	keys := make([]uniqueKey, 1, 3)
	keys[0] = uniqueKey{key(byID, d.ID), byID, d.ID, ReasonDuplicateID}
	if d.Slug != "" {
		keys = append(keys, uniqueKey{key(bySlug, string(d.Kind), d.Slug), bySlug, d.Slug, ReasonDuplicateSlug})
	}
	if d.Product != nil {
		keys = append(keys, uniqueKey{key(bySKU, d.Product.SKU), bySKU, d.Product.SKU, ReasonDuplicateSKU})
	}
	return keys
}

// reference is what a document refers to.
type reference struct {
	// use is the key under which the document is found by what it refers to.
	use string
	// target is the unique key of what it refers to.
	target string
	field  string
	value  string
	// wanted is the kind of what it refers to.
	wanted Kind
}

func (d *Document) references() []reference {
	switch {
	case d.Product != nil:
		return []reference{{key(inCategory, d.Product.Category, d.ID), key(byID, d.Product.Category), "category", d.Product.Category, KindCategory}}
	case d.Category != nil:
		r := reference{use: key(inParent, d.Category.Parent, fmt.Sprintf("%07d", d.Category.Position), d.ID)}
		if d.Category.Parent != "" {
			r.target, r.field, r.value, r.wanted = key(byID, d.Category.Parent), "parent", d.Category.Parent, KindCategory
		}
		return []reference{r}
	case d.Collection != nil:
		all := make([]reference, len(d.Collection.Products))
		for i, sku := range d.Collection.Products {
			all[i] = reference{key(inCollection, sku), key(bySKU, sku), fmt.Sprintf("products[%d]", i), sku, KindProduct}
		}
		return all
	}
	return nil
}
