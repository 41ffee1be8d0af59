// Command gogit does works of the benchmark with go-git in its own process, as an application does that has no service:
//
//	gogit DIR
//
// opens the bare repository DIR and answers each line "work nanoseconds" on standard input, which is a turn of about that
// time, with a line "nanoseconds count": how long it took and how often the work was done. The works are in [works].
//
// go-git does not sync what it writes: its commits are not durable.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

const branch = plumbing.ReferenceName("refs/heads/main")

func main() {
	if err := serve(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gogit:", err)
		os.Exit(1)
	}
}

func serve(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("name the repository's directory")
	}
	b := &bench{dir: args[0]}
	var err error
	if b.repository, err = git.PlainOpen(b.dir); err != nil {
		return err
	}
	if b.paths, err = b.list(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var name string
		var turn time.Duration
		if _, err := fmt.Sscan(lines.Text(), &name, &turn); err != nil {
			return fmt.Errorf("%q: %w", lines.Text(), err)
		}
		do, ok := works[name]
		if !ok {
			return fmt.Errorf("there is no work %q", name)
		}
		n, start := 0, time.Now()
		for n == 0 || time.Since(start) < turn {
			if err := do(b); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			n++
		}
		if _, err := fmt.Fprintln(out, time.Since(start).Nanoseconds(), n); err != nil {
			return err
		}
	}
	return nil
}

type bench struct {
	dir        string
	repository *git.Repository
	// paths are all files of the branch.
	paths   []string
	edition int
}

var works = map[string]func(*bench) error{
	// read reads one file of the branch from the open repository, read-opening opens it first.
	"read": (*bench).read,
	"read-opening": func(b *bench) (err error) {
		b.repository, err = git.PlainOpen(b.dir)
		return errors.Join(err, b.read())
	},
	"list": func(b *bench) error {
		_, err := b.list()
		return err
	},
	"contents": (*bench).contents,
	"history":  (*bench).history,
	"commit":   (*bench).commit,
}

func (b *bench) head() (*object.Commit, error) {
	ref, err := b.repository.Reference(branch, true)
	if err != nil {
		return nil, err
	}
	return b.repository.CommitObject(ref.Hash())
}

func (b *bench) read() error {
	commit, err := b.head()
	if err != nil {
		return err
	}
	file, err := commit.File(b.paths[rand.N(len(b.paths))])
	if err != nil {
		return err
	}
	_, err = file.Contents()
	return err
}

func (b *bench) list() (paths []string, err error) {
	return paths, b.each(func(f *object.File) error {
		paths = append(paths, f.Name)
		return nil
	})
}

func (b *bench) contents() error {
	return b.each(func(f *object.File) error {
		r, err := f.Reader()
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return errors.Join(err, r.Close())
	})
}

func (b *bench) each(do func(*object.File) error) error {
	commit, err := b.head()
	if err != nil {
		return err
	}
	files, err := commit.Files()
	if err != nil {
		return err
	}
	return files.ForEach(do)
}

// historyPage is as in the benchmark.
const historyPage = 1000

func (b *bench) history() error {
	ref, err := b.repository.Reference(branch, true)
	if err != nil {
		return err
	}
	commits, err := b.repository.Log(&git.LogOptions{From: ref.Hash()})
	if err != nil {
		return err
	}
	n := 0
	err = commits.ForEach(func(*object.Commit) error {
		if n++; n == historyPage {
			return storer.ErrStop
		}
		return nil
	})
	if err == nil && n != historyPage {
		err = fmt.Errorf("there are %d commits", n)
	}
	return err
}

// commit changes one file two directories down.
func (b *bench) commit() error {
	b.edition++
	parent, err := b.head()
	if err != nil {
		return err
	}
	root, err := parent.Tree()
	if err != nil {
		return err
	}
	blob, err := b.store(plumbing.BlobObject, []byte(fmt.Sprintf("edition %d of %d\n", b.edition, time.Now().UnixNano())))
	if err != nil {
		return err
	}
	tree, err := b.replace(root, strings.Split(b.paths[rand.N(len(b.paths))], "/"), blob)
	if err != nil {
		return err
	}
	who := object.Signature{Name: "Bench", Email: "bench@example.com", When: time.Now()}
	commit := &object.Commit{Author: who, Committer: who, Message: "Change\n", TreeHash: tree, ParentHashes: []plumbing.Hash{parent.Hash}}
	encoded := b.repository.Storer.NewEncodedObject()
	if err := commit.Encode(encoded); err != nil {
		return err
	}
	id, err := b.repository.Storer.SetEncodedObject(encoded)
	if err != nil {
		return err
	}
	return b.repository.Storer.CheckAndSetReference(plumbing.NewHashReference(branch, id), plumbing.NewHashReference(branch, parent.Hash))
}

// replace stores the trees on the way to a file anew, with the blob in its place.
func (b *bench) replace(tree *object.Tree, path []string, blob plumbing.Hash) (plumbing.Hash, error) {
	changed := &object.Tree{Entries: append([]object.TreeEntry(nil), tree.Entries...)}
	for i, e := range changed.Entries {
		if e.Name != path[0] {
			continue
		}
		if e.Mode == filemode.Dir {
			below, err := b.repository.TreeObject(e.Hash)
			if err != nil {
				return plumbing.ZeroHash, err
			}
			if blob, err = b.replace(below, path[1:], blob); err != nil {
				return plumbing.ZeroHash, err
			}
		}
		changed.Entries[i].Hash = blob
		encoded := b.repository.Storer.NewEncodedObject()
		if err := changed.Encode(encoded); err != nil {
			return plumbing.ZeroHash, err
		}
		return b.repository.Storer.SetEncodedObject(encoded)
	}
	return plumbing.ZeroHash, fmt.Errorf("there is no %q", path[0])
}

func (b *bench) store(kind plumbing.ObjectType, content []byte) (plumbing.Hash, error) {
	encoded := b.repository.Storer.NewEncodedObject()
	encoded.SetType(kind)
	w, err := encoded.Writer()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if _, err := w.Write(content); err != nil {
		return plumbing.ZeroHash, err
	}
	if err := w.Close(); err != nil {
		return plumbing.ZeroHash, err
	}
	return b.repository.Storer.SetEncodedObject(encoded)
}
