package repository

import (
	"context"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/version"
)

// Events returns what is told of the ref changes of one write, in their order, under the id of its transaction. The
// objects are those that the write made: they know its request id. The header is left to whoever knows the time.
func Events(ctx context.Context, d Draft, changes []RefChange, transaction string) ([]event.RefUpdated, error) {
	events := make([]event.RefUpdated, len(changes))
	for i, c := range changes {
		events[i] = event.RefUpdated{
			Ref: c.Name, Old: c.Old, New: c.New, Forced: c.Forced, Release: ReleaseOf(c.Name),
			Transaction: event.Transaction{ID: transaction, Index: i, Count: len(changes)},
		}
		if c.New.IsZero() {
			continue
		}
		var err error
		if events[i].Commit, _, err = d.Peel(ctx, c.New); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// ReleaseOf returns the version that a ref names, zero if it is no tag or the tag is no Semantic Version.
func ReleaseOf(name git.RefName) event.Release {
	v := versionOf(name)
	return event.Release{Version: v.String(), Prerelease: v.IsPrerelease()}
}

// versionOf returns the version that a ref names, none if it is no tag or the tag is no Semantic Version.
func versionOf(name git.RefName) version.Version {
	v, ok := version.Parse(name.Short())
	if !ok || !name.IsTag() {
		return version.Version{}
	}
	return v
}

// RequestIDOf returns the request id that an object was made for, "" if it was made without or is neither commit nor tag.
func RequestIDOf(object any) string {
	switch o := object.(type) {
	case *git.Commit:
		id, _ := RequestOf(o)
		return id
	case *git.Tag:
		id, _, _ := strings.Cut(o.Header(requestHeader), " ")
		return id
	}
	return ""
}
