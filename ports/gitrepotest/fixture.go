package gitrepotest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// fixture is history to be imported, because the port itself could not make it. It is the same in every store: the
// object IDs follow from it.
type fixture struct {
	commits []fixtureCommit
	tags    []fixtureTag
	// refs are further refs by their names, each at a commit.
	refs map[string]string
}

// fixtureCommit is a commit of a fixture.
type fixtureCommit struct {
	// name is how the fixture speaks of the commit.
	name string
	// ref is the ref that the commit is made on.
	ref     string
	parents []string
	// author and committer are lines as a commit object has them; an empty committer is the author.
	author, committer string
	encoding          string
	message           string
	// remove are files of the first parent that are not in this commit.
	remove []string
	// files are new or other than in the first parent.
	files []fixtureFile
}

// fixtureFile is a file of a commit.
type fixtureFile struct {
	path    string
	mode    git.FileMode
	content string
	// submodule is the digit that the commit's ID of a submodule is filled with.
	submodule string
}

// fixtureTag is an annotated tag, which makes a ref of its name.
type fixtureTag struct {
	name string
	// of is a commit, another tag, or a file of the commit "in".
	of, in  string
	tagger  string
	message string
}

// light is the fixture without its large files, for cases that import it for themselves.
func (f fixture) light() fixture {
	f.commits = slices.Clone(f.commits)
	for i := range f.commits {
		f.commits[i].files = slices.DeleteFunc(slices.Clone(f.commits[i].files), func(file fixtureFile) bool {
			return len(file.content) >= 1<<20
		})
	}
	return f
}

// world is a fixture with what git makes of it.
type world struct {
	// stream is the fixture as git-fast-import(1) reads it.
	stream  []byte
	commits map[string]*worldCommit
	tags    map[string]git.ObjectID
}

// worldCommit is a commit with all its files.
type worldCommit struct {
	git.Commit
	files map[string]worldFile
}

// worldFile is a file or submodule.
type worldFile struct {
	mode    git.FileMode
	id      git.ObjectID
	content string
}

// id returns the ID of the commit.
func (w *world) id(name string) git.ObjectID { return w.commits[name].ID }

// sorted returns the paths of the commit's files, ordered by their bytes.
func (c *worldCommit) sorted() []string { return slices.Sorted(maps.Keys(c.files)) }

// against returns the files of base, which may be nil, and the paths of both commits in order.
func (c *worldCommit) against(base *worldCommit) (before map[string]worldFile, together []string) {
	if base == nil {
		return nil, c.sorted()
	}
	together = append(base.sorted(), c.sorted()...)
	slices.Sort(together)
	return base.files, slices.Compact(together)
}

// builder makes a world of a fixture.
type builder struct {
	format git.ObjectFormat
	out    bytes.Buffer
	marks  map[git.ObjectID]int
	world  *world
}

// build renders the fixture and finds out its object IDs.
func (f fixture) build(format git.ObjectFormat) *world {
	b := builder{format: format, marks: map[git.ObjectID]int{}, world: &world{
		commits: map[string]*worldCommit{}, tags: map[string]git.ObjectID{},
	}}
	for _, c := range f.commits {
		b.commit(c)
	}
	for _, t := range f.tags {
		b.tag(t)
	}
	for _, ref := range slices.Sorted(maps.Keys(f.refs)) {
		fmt.Fprintf(&b.out, "reset %s\nfrom %s\n\n", ref, b.mark(b.world.id(f.refs[ref])))
	}
	b.out.WriteString("done\n")
	b.world.stream = b.out.Bytes()
	return b.world
}

// mark returns how the stream speaks of the object, which it has to have.
func (b *builder) mark(id git.ObjectID) string {
	n, ok := b.marks[id]
	if !ok {
		panic("the fixture speaks of what comes later")
	}
	return fmt.Sprintf(":%d", n)
}

// newMark writes the line that gives the object that follows a mark.
func (b *builder) newMark(id git.ObjectID) {
	b.marks[id] = len(b.marks) + 1
	fmt.Fprintf(&b.out, "mark :%d\n", b.marks[id])
}

func (b *builder) data(content string) {
	fmt.Fprintf(&b.out, "data %d\n%s\n", len(content), content)
}

func (b *builder) blob(content string) git.ObjectID {
	id := b.format.HashObject(git.BlobObject, []byte(content))
	if b.marks[id] == 0 {
		b.out.WriteString("blob\n")
		b.newMark(id)
		b.data(content)
	}
	return id
}

func (b *builder) commit(c fixtureCommit) {
	made := &worldCommit{files: map[string]worldFile{}}
	for _, p := range c.parents {
		made.Parents = append(made.Parents, b.world.id(p))
	}
	if len(c.parents) > 0 {
		maps.Copy(made.files, b.world.commits[c.parents[0]].files)
	}
	for _, p := range c.remove {
		delete(made.files, p)
	}
	for _, f := range c.files {
		made.files[f.path] = b.file(f)
	}
	made.Tree = treeOf(b.format, made.files)
	if c.committer == "" {
		c.committer = c.author
	}
	content := commitContent(made, c)
	id := b.format.HashObject(git.CommitObject, content)
	made.Commit = *must(git.DecodeCommit(id, content))
	b.world.commits[c.name] = made
	b.renderCommit(c, made)
}

func (b *builder) file(f fixtureFile) worldFile {
	if f.mode == git.ModeSubmodule {
		return worldFile{mode: f.mode, id: objectID(strings.Repeat(f.submodule, 2*b.format.Size()))}
	}
	return worldFile{mode: f.mode, id: b.blob(f.content), content: f.content}
}

func commitContent(made *worldCommit, c fixtureCommit) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", made.Tree)
	for _, p := range made.Parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author %s\ncommitter %s\n", c.author, c.committer)
	if c.encoding != "" {
		fmt.Fprintf(&b, "encoding %s\n", c.encoding)
	}
	fmt.Fprintf(&b, "\n%s", c.message)
	return b.Bytes()
}

func (b *builder) renderCommit(c fixtureCommit, made *worldCommit) {
	fmt.Fprintf(&b.out, "commit %s\n", c.ref)
	b.newMark(made.ID)
	fmt.Fprintf(&b.out, "author %s\ncommitter %s\n", c.author, c.committer)
	if c.encoding != "" {
		fmt.Fprintf(&b.out, "encoding %s\n", c.encoding)
	}
	b.data(c.message)
	for i, p := range made.Parents {
		keyword := "merge"
		if i == 0 {
			keyword = "from"
		}
		fmt.Fprintf(&b.out, "%s %s\n", keyword, b.mark(p))
	}
	for _, p := range c.remove {
		fmt.Fprintf(&b.out, "D %s\n", quotePath(p))
	}
	for _, f := range c.files {
		object := made.files[f.path].id.String()
		if f.mode != git.ModeSubmodule {
			object = b.mark(made.files[f.path].id)
		}
		fmt.Fprintf(&b.out, "M %s %s %s\n", f.mode, object, quotePath(f.path))
	}
	b.out.WriteByte('\n')
}

// quotePath quotes as git-fast-import(1) wants it: as a C string, every byte that is not printable ASCII in octal.
func quotePath(p string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(p) {
		switch c := p[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (b *builder) tag(t fixtureTag) {
	target, kind := b.tagged(t)
	content := fmt.Appendf(nil, "object %s\ntype %s\ntag %s\ntagger %s\n\n%s", target, kind, t.name, t.tagger, t.message)
	id := b.format.HashObject(git.TagObject, content)
	b.world.tags[t.name] = id
	fmt.Fprintf(&b.out, "tag %s\n", t.name)
	b.newMark(id)
	fmt.Fprintf(&b.out, "from %s\ntagger %s\n", b.mark(target), t.tagger)
	b.data(t.message)
}

func (b *builder) tagged(t fixtureTag) (git.ObjectID, git.ObjectType) {
	if t.in != "" {
		return b.world.commits[t.in].files[t.of].id, git.BlobObject
	}
	if id, ok := b.world.tags[t.of]; ok {
		return id, git.TagObject
	}
	return b.world.id(t.of), git.CommitObject
}

// treeOf returns the ID of the tree of the files.
func treeOf(format git.ObjectFormat, files map[string]worldFile) git.ObjectID {
	var entries []git.TreeEntry
	below := map[string]map[string]worldFile{}
	for p, f := range files {
		name, rest, nested := strings.Cut(p, "/")
		if !nested {
			entries = append(entries, git.TreeEntry{Name: name, Mode: f.mode, ID: f.id})
			continue
		}
		if below[name] == nil {
			below[name] = map[string]worldFile{}
		}
		below[name][rest] = f
	}
	for name, files := range below {
		entries = append(entries, git.TreeEntry{Name: name, Mode: git.ModeDirectory, ID: treeOf(format, files)})
	}
	return format.HashObject(git.TreeObject, git.EncodeTree(entries))
}
