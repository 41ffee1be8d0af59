package eventhub

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// The bounds of a part of a resync. The bytes are those of its JSON, of which names have the greatest share: as they may
// be sent twice, escaped or in base64, they count double.
const (
	maxPartRefs       = 1000
	maxPartBytes      = 128 << 10
	bytesOfRef        = 250
	bytesOfRepository = 100
)

type part = []event.RepositoryRefs

// tellState tells the parts as one resync that ends at the cursor.
func tellState(parts iter.Seq2[part, error], end event.Cursor, tell func(event.Notice) error) error {
	var last part
	for next, err := range parts {
		if err != nil {
			return err
		}
		if last != nil {
			if err := tell(event.Resync{Repositories: last}); err != nil {
				return err
			}
		}
		last = next
	}
	return tell(event.Resync{Cursor: end, Repositories: last})
}

// state yields the repositories and refs that the filter selects, in parts that are not empty. A repository that is
// deleted meanwhile is left out, or what is left of it. A part ends with the repository in which it has taken as long as
// patience, 0 for any time: to open thousands of repositories takes minutes, and who hears nothing gives up.
func state(ctx context.Context, store ports.RepositoryStore, f event.Filter, patience time.Duration) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		b := partBuilder{yield: yield, patience: patience, began: time.Now(), bare: len(f.Types) > 0 && !slices.Contains(f.Types, event.TypeRefUpdated)}
		for id, err := range repositories(ctx, store, f) {
			if err == nil {
				err = b.list(ctx, store.Repository(id), id, f.Refs)
			}
			if err == nil {
				err = b.hurry()
			}
			if err == errStopped { //nolint:errorlint // it is never wrapped
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
		if len(b.part) > 0 {
			yield(b.part, nil)
		}
	}
}

// repositories yields those that the filter selects, ordered by id. Those that it names may not exist.
func repositories(ctx context.Context, store ports.RepositoryStore, f event.Filter) iter.Seq2[git.RepositoryID, error] {
	if len(f.Repositories) > 0 {
		return named(f.Repositories)
	}
	return func(yield func(git.RepositoryID, error) bool) {
		page := ports.Page{Size: ports.MaxPageSize}
		for {
			found, err := store.ListRepositories(ctx, page)
			if err != nil {
				yield(git.RepositoryID{}, err)
				return
			}
			for _, info := range found.Items {
				if !yield(info.ID, nil) {
					return
				}
			}
			if page.Token = found.NextToken; page.Token == "" {
				return
			}
		}
	}
}

func named(ids []git.RepositoryID) iter.Seq2[git.RepositoryID, error] {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b git.RepositoryID) int { return strings.Compare(a.String(), b.String()) })
	return func(yield func(git.RepositoryID, error) bool) {
		for _, id := range slices.Compact(ids) {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// partBuilder collects refs until they are a part, and yields it.
type partBuilder struct {
	yield func(part, error) bool
	// bare leaves the refs out.
	bare bool
	// patience is how long a part may take, 0 for any time.
	patience time.Duration

	// began is when the part was begun.
	began       time.Time
	part        part
	refs, bytes int
}

func (b *partBuilder) list(ctx context.Context, repo ports.RefReader, id git.RepositoryID, patterns git.RefPatterns) error {
	refs, err := repo.ListRefs(ctx, ports.RefQuery{Patterns: patterns.Strings()})
	if err != nil {
		return b.unlisted(id, err)
	}
	return b.add(id, refs)
}

// add adds the repository when its first ref, or the end of them, shows that it exists.
func (b *partBuilder) add(id git.RepositoryID, refs iter.Seq2[git.Ref, error]) error {
	for ref, err := range refs {
		if err != nil {
			return b.unlisted(id, err)
		}
		if b.bare {
			break
		}
		if err := b.put(id, ref); err != nil {
			return err
		}
	}
	return b.open(id, 0, 0)
}

// unlisted adds a repository that is damaged as one that cannot be read: it is not to keep the state of all others from
// whoever asks. It fails if the store itself cannot be read now.
func (b *partBuilder) unlisted(id git.RepositoryID, cause error) error {
	if errs.Is(cause, errs.ReasonRepositoryNotFound) {
		return nil
	}
	switch errs.KindOf(cause) {
	case errs.Corrupt, errs.Internal, errs.Precondition:
	default:
		return cause
	}
	err := b.open(id, 0, 0)
	if err == nil {
		b.part[len(b.part)-1].Unreadable = true
	}
	return err
}

func (b *partBuilder) put(id git.RepositoryID, ref git.Ref) error {
	if err := b.open(id, 1, bytesOfRef+2*len(ref.Name.String())); err != nil {
		return err
	}
	repo := &b.part[len(b.part)-1]
	repo.Refs = append(repo.Refs, ref)
	return nil
}

// open makes room and sees to it that the part ends with the repository.
func (b *partBuilder) open(id git.RepositoryID, refs, bytes int) error {
	isOpen := len(b.part) > 0 && b.part[len(b.part)-1].ID == id
	if !isOpen {
		bytes += bytesOfRepository
	}
	if len(b.part) > 0 && (b.refs+refs > maxPartRefs || b.bytes+bytes > maxPartBytes) {
		if err := b.end(); err != nil {
			return err
		}
		isOpen = false
	}
	if !isOpen {
		b.part = append(b.part, event.RepositoryRefs{ID: id})
	}
	b.refs, b.bytes = b.refs+refs, b.bytes+bytes
	return nil
}

// hurry ends a part that took too long.
func (b *partBuilder) hurry() error {
	if b.patience == 0 || len(b.part) == 0 || time.Since(b.began) < b.patience {
		return nil
	}
	return b.end()
}

func (b *partBuilder) end() error {
	if !b.yield(b.part, nil) {
		return errStopped
	}
	b.part, b.refs, b.bytes, b.began = nil, 0, 0, time.Now()
	return nil
}
