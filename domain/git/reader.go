package git

import (
	"context"
	"strconv"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// MaxTagDepth is the most tags, each of the one before, that lead to an object. Nobody reads without an end what somebody
// made.
const MaxTagDepth = 8

// Peel follows tags from id to their end and returns what is there and its type. It asks read what each object is, and of a
// tag for the tag. It fails as read does, and with NOT_A_COMMIT for more than [MaxTagDepth] tags.
func Peel(id ObjectID, read func(ObjectID) (ObjectType, *Tag, error)) (ObjectID, ObjectType, error) {
	at := id
	for range MaxTagDepth + 1 {
		t, tag, err := read(at)
		if err != nil {
			return ObjectID{}, 0, err
		}
		if t != TagObject {
			return at, t, nil
		}
		at = tag.Target
	}
	return ObjectID{}, 0, errs.New(errs.ReasonNotACommit, "object "+id.String()+" is more than "+strconv.Itoa(MaxTagDepth)+" tags, each of the next one: tag the commit itself",
		errs.MetaObject, id.String())
}

// ObjectReader reads objects whole. The rules of the domain (looking up a path, walking history, editing a tree) are
// written over it, so that every implementation of the ports shares them. What it returns may be shared between
// callers: nobody writes to it. All methods may be called concurrently.
type ObjectReader interface {
	// Format returns the repository's object format.
	Format() ObjectFormat
	// Peel follows tags to their end and returns what is there and its type. It fails with OBJECT_NOT_FOUND, and with
	// NOT_A_COMMIT for more than [MaxTagDepth] tags.
	Peel(ctx context.Context, id ObjectID) (ObjectID, ObjectType, error)
	// Tag reads an annotated tag. It fails with OBJECT_NOT_FOUND, also for an object of another type.
	Tag(ctx context.Context, id ObjectID) (*Tag, error)
	// Commit reads a commit. It fails with OBJECT_NOT_FOUND, and NOT_A_COMMIT for an object of another type.
	Commit(ctx context.Context, id ObjectID) (*Commit, error)
	// Tree reads a tree in its order; the format's empty tree need not be stored. A tree that is missing or of another
	// type fails with REPOSITORY_CORRUPT, as only other objects name trees.
	Tree(ctx context.Context, id ObjectID) ([]TreeEntry, error)
	// Sizes returns the sizes of blobs in bytes, in the order of ids. One that is missing fails with REPOSITORY_CORRUPT.
	Sizes(ctx context.Context, ids []ObjectID) ([]int64, error)
	// Blob reads a blob, of which the caller knows that its size is fit for memory. One that is missing fails with
	// REPOSITORY_CORRUPT.
	Blob(ctx context.Context, id ObjectID) ([]byte, error)
}
