package memrepo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/git"
	rules "github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/domain/tree"
)

// Import feeds a git-fast-import(1) stream into a repository. It knows the commands that package gitrepotest uses: blob,
// commit, tag and reset with marks, exact byte counts and raw dates; of a commit's changes those of a whole file (M with
// a mark, or with the commit of a submodule) and D. Refs outside refs/heads/ and refs/tags/ are left out.
func (s *Store) Import(ctx context.Context, id git.RepositoryID, stream io.Reader) error {
	r, err := s.find(ctx, id)
	if err != nil {
		return err
	}
	return r.write(ctx, nil, func(d *draft) ([]rules.RefChange, error) {
		im := importer{ctx: ctx, in: bufio.NewReader(stream), d: d, marks: map[string]git.ObjectID{}, refs: map[git.RefName]git.ObjectID{}}
		if err := im.run(); err != nil {
			return nil, fmt.Errorf("fast-import stream: %w", err)
		}
		var changes []rules.RefChange
		for name, target := range im.refs {
			if name.IsBranch() || name.IsTag() {
				changes = append(changes, rules.RefChange{Name: name, Old: d.Ref(name), New: target})
			}
		}
		return changes, nil
	})
}

type importer struct {
	ctx   context.Context
	in    *bufio.Reader
	d     *draft
	marks map[string]git.ObjectID
	refs  map[git.RefName]git.ObjectID
	// line is the line at hand, without its end.
	line string
}

// next reads a line, the empty ones left out.
func (im *importer) next() error {
	for {
		line, err := im.in.ReadString('\n')
		if err != nil {
			return err
		}
		if im.line = strings.TrimSuffix(line, "\n"); im.line != "" {
			return nil
		}
	}
}

// take returns what follows the keyword and goes on to the next line, or reports that the line has another keyword.
func (im *importer) take(keyword string) (rest string, ok bool, err error) {
	if rest, ok = strings.CutPrefix(im.line, keyword+" "); !ok {
		return "", false, nil
	}
	return rest, true, im.next()
}

func (im *importer) run() error {
	if err := im.next(); err != nil {
		return err
	}
	for {
		keyword, rest, _ := strings.Cut(im.line, " ")
		var err error
		switch keyword {
		case "done":
			return nil
		case "blob":
			err = im.blob()
		case "commit":
			err = im.commit(rest)
		case "tag":
			err = im.tag(rest)
		case "reset":
			err = im.reset(rest)
		default:
			err = errors.New("unknown command")
		}
		if err != nil {
			return fmt.Errorf("%q: %w", im.line, err)
		}
	}
}

// mark reads the mark of the object that follows, "" if it has none.
func (im *importer) mark() (mark string, err error) {
	mark, _, err = im.take("mark")
	return mark, err
}

// data reads the bytes of the data command at hand and goes on to the next line.
func (im *importer) data() ([]byte, error) {
	length, ok := strings.CutPrefix(im.line, "data ")
	n, err := strconv.Atoi(length)
	if !ok || err != nil {
		return nil, errors.New("data with a byte count is missing")
	}
	content := make([]byte, n)
	if _, err := io.ReadFull(im.in, content); err != nil {
		return nil, err
	}
	return content, im.next()
}

func (im *importer) put(mark string, t git.ObjectType, content []byte) (git.ObjectID, error) {
	id, err := im.d.Put(t, content)
	if mark != "" {
		im.marks[mark] = id
	}
	return id, err
}

// object returns what a mark or an object ID stands for.
func (im *importer) object(s string) (git.ObjectID, error) {
	if !strings.HasPrefix(s, ":") {
		return git.ParseObjectID(s)
	}
	id, ok := im.marks[s]
	if !ok {
		return id, errors.New("unknown mark " + s)
	}
	return id, nil
}

func (im *importer) blob() error {
	if err := im.next(); err != nil {
		return err
	}
	mark, err := im.mark()
	if err != nil {
		return err
	}
	content, err := im.data()
	if err != nil {
		return err
	}
	_, err = im.put(mark, git.BlobObject, content)
	return err
}

func (im *importer) reset(ref string) error {
	name, err := git.ParseRefName(ref)
	if err != nil {
		return err
	}
	if err := im.next(); err != nil {
		return err
	}
	from, _, err := im.take("from")
	if err != nil {
		return err
	}
	im.refs[name], err = im.object(from)
	return err
}

// header writes a line of the object as it stands in the stream, if the keyword is at hand.
func (im *importer) header(b *strings.Builder, keyword string) error {
	rest, ok, err := im.take(keyword)
	if ok {
		fmt.Fprintf(b, "%s %s\n", keyword, rest)
	}
	return err
}

func (im *importer) tag(short string) error {
	name, err := git.TagRef(short)
	if err != nil {
		return err
	}
	if err := im.next(); err != nil {
		return err
	}
	mark, err := im.mark()
	if err != nil {
		return err
	}
	from, _, err := im.take("from")
	if err != nil {
		return err
	}
	target, err := im.object(from)
	if err != nil {
		return err
	}
	o, _ := im.d.get(target)
	var b strings.Builder
	fmt.Fprintf(&b, "object %s\ntype %s\ntag %s\n", target, o.kind, short)
	if err := im.header(&b, "tagger"); err != nil {
		return err
	}
	message, err := im.data()
	if err != nil {
		return err
	}
	im.refs[name], err = im.put(mark, git.TagObject, append([]byte(b.String()+"\n"), message...))
	return err
}

func (im *importer) commit(ref string) error {
	name, err := git.ParseRefName(ref)
	if err != nil {
		return err
	}
	if err := im.next(); err != nil {
		return err
	}
	mark, err := im.mark()
	if err != nil {
		return err
	}
	var people strings.Builder
	for _, keyword := range []string{"author", "committer", "encoding"} {
		if err := im.header(&people, keyword); err != nil {
			return err
		}
	}
	message, err := im.data()
	if err != nil {
		return err
	}
	parents, err := im.parents()
	if err != nil {
		return err
	}
	root, err := im.tree(parents)
	if err != nil {
		return err
	}
	b := "tree " + root.String() + "\n"
	for _, p := range parents {
		b += "parent " + p.String() + "\n"
	}
	im.refs[name], err = im.put(mark, git.CommitObject, append([]byte(b+people.String()+"\n"), message...))
	return err
}

func (im *importer) parents() (parents []git.ObjectID, err error) {
	for _, keyword := range []string{"from", "merge"} {
		for {
			rest, ok, err := im.take(keyword)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			id, err := im.object(rest)
			if err != nil {
				return nil, err
			}
			parents = append(parents, id)
		}
	}
	return parents, nil
}

// tree applies the changes of a commit to the tree of its first parent.
func (im *importer) tree(parents []git.ObjectID) (git.ObjectID, error) {
	files := map[string]git.TreeEntry{}
	if len(parents) > 0 {
		c, err := im.d.Commit(im.ctx, parents[0])
		if err != nil {
			return git.ObjectID{}, err
		}
		for change, err := range tree.Changes(im.ctx, im.d, git.ObjectID{}, c.Tree, nil) {
			if err != nil {
				return git.ObjectID{}, err
			}
			files[change.Path.String()] = git.TreeEntry{Mode: change.NewMode, ID: change.NewID}
		}
	}
	for {
		ok, err := im.change(files)
		if err != nil {
			return git.ObjectID{}, err
		}
		if !ok {
			return im.store(files)
		}
	}
}

// change applies the change at hand and reports whether there was one.
func (im *importer) change(files map[string]git.TreeEntry) (bool, error) {
	if deleted, ok, err := im.take("D"); ok || err != nil {
		path, unquoteErr := strconv.Unquote(deleted)
		delete(files, path)
		return ok, errors.Join(err, unquoteErr)
	}
	modified, ok, err := im.take("M")
	if !ok || err != nil {
		return ok, err
	}
	fields := strings.SplitN(modified, " ", 3)
	if len(fields) != 3 {
		return false, errors.New("mode, object and path are needed")
	}
	mode, err := strconv.ParseUint(fields[0], 8, 32)
	if err != nil {
		return false, err
	}
	id, err := im.object(fields[1])
	if err != nil {
		return false, err
	}
	path, err := strconv.Unquote(fields[2])
	files[path] = git.TreeEntry{Mode: git.FileMode(mode), ID: id}
	return true, err
}

// store stores the trees of the files and returns the root.
func (im *importer) store(files map[string]git.TreeEntry) (git.ObjectID, error) {
	var entries []git.TreeEntry
	below := map[string]map[string]git.TreeEntry{}
	for path, e := range files {
		name, rest, nested := strings.Cut(path, "/")
		if !nested {
			e.Name = name
			entries = append(entries, e)
			continue
		}
		if below[name] == nil {
			below[name] = map[string]git.TreeEntry{}
		}
		below[name][rest] = e
	}
	for name, files := range below {
		id, err := im.store(files)
		if err != nil {
			return git.ObjectID{}, err
		}
		entries = append(entries, git.TreeEntry{Name: name, Mode: git.ModeDirectory, ID: id})
	}
	return im.d.Put(git.TreeObject, git.EncodeTree(entries))
}
