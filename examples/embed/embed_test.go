// Package embed shows how a program keeps files in Git with GitStore as a library, over a directory of its own.
package embed

import (
	"context"
	"fmt"
	"iter"
	"log"
	"os"
	"strings"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// Notes is what an application writes: it knows the port alone, and so works as well with a store over gRPC.
type Notes struct {
	repository interface {
		ports.BlobReader
		ports.Committer
	}
	branch git.RefName
}

// Save writes a note if it is as the caller last saw it; seen is zero for a note that is new.
func (n Notes) Save(ctx context.Context, path git.TreePath, text string, seen git.ObjectID) (git.ObjectID, error) {
	change := git.Change{
		Action: git.ActionUpsert, Path: path, ExpectedBlob: git.ExpectID(seen),
		Content: strings.NewReader(text), Size: int64(len(text)),
	}
	res, err := n.repository.CommitFiles(ctx, ports.CommitFiles{Branch: n.branch, Message: "Save " + path.String()}, only(change))
	if err != nil {
		return git.ObjectID{}, err
	}
	return res.Blobs[0].Blob, nil
}

func only(change git.Change) iter.Seq2[git.Change, error] {
	return func(yield func(git.Change, error) bool) { yield(change, nil) }
}

func Example() {
	dir, err := os.MkdirTemp("", "embed-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := run(context.Background(), dir); err != nil {
		fmt.Println(err)
	}
	// Output:
	// first note saved
	// a second writer is refused: BLOB_MOVED
	// notes/today.md: Buy beans.
}

func run(ctx context.Context, dir string) error {
	store, err := gitcli.Open(ctx, gitcli.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()

	id, err := git.ParseRepositoryID("notes")
	if err != nil {
		return err
	}
	info, err := store.CreateRepository(ctx, ports.CreateRepository{ID: id})
	if err != nil {
		return err
	}
	path, err := git.ParseTreePath("notes/today.md")
	if err != nil {
		return err
	}

	notes := Notes{repository: store.Repository(id), branch: info.DefaultBranch}
	if _, err := notes.Save(ctx, path, "Buy beans.", git.ObjectID{}); err != nil {
		return err
	}
	fmt.Println("first note saved")

	_, err = notes.Save(ctx, path, "Buy tea.", git.ObjectID{})
	fmt.Println("a second writer is refused:", errs.ReasonOf(err))

	file, err := notes.repository.GetFile(ctx, git.Head(), path)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", file.Path, file.Content)
	return nil
}
