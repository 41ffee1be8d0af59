package catalogs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

// overtaken is a store in which somebody else makes a release right before each.
type overtaken struct {
	ports.RepositoryStore
	version string
}

func (s overtaken) Repository(id git.RepositoryID) ports.GitRepository {
	return overtakenRepository{s.RepositoryStore.Repository(id), s.version}
}

type overtakenRepository struct {
	ports.GitRepository
	version string
}

func (r overtakenRepository) PublishRelease(ctx context.Context, req ports.PublishRelease, changes iter.Seq2[git.Change, error]) (ports.ReleaseResult, error) {
	if _, err := r.CreateTag(ctx, ports.CreateTag{Name: tag(r.version), Target: git.Head()}); err != nil {
		return ports.ReleaseResult{}, err
	}
	return r.GitRepository.PublishRelease(ctx, req, changes)
}

func TestARollbackThatIsOvertakenSaysSo(t *testing.T) {
	for version, want := range map[string]bool{"v1.0.1": true, "v3.0.0": false, "v3.0.0-rc.1": true} {
		store := memrepo.New()
		must(store.CreateRepository(t.Context(), ports.CreateRepository{ID: shop}))
		targets := must(catalogs.ParseTargets([]string{"shop@live"}))
		plain := catalogs.New(store, targets, catalogs.Options{})
		must(store.Repository(shop).CommitFiles(t.Context(), ports.CommitFiles{Branch: branch("main"), Message: "Begin"}, fileChanges(map[string]string{"README.md": "x"})))
		for _, version := range []string{"1.0.0", "1.1.0"} {
			must(plain.Release(t.Context(), shop, catalogs.Release{Version: version}))
		}
		late := catalogs.New(overtaken{store, version}, targets, catalogs.Options{})
		result, err := late.Rollback(t.Context(), shop, catalogs.Rollback{To: "1.0.0"})
		if err != nil || result.Tag.Version != "1.1.1" || result.Latest == nil || *result.Latest != want {
			t.Errorf("with %s before it the rollback is %+v, %v, want the latest: %v", version, result, err, want)
		}
	}
}

// crowded counts how many commits are being made at a time, each of which takes a second.
type crowded struct {
	ports.RepositoryStore
	now, most *atomic.Int32
}

func (s crowded) Repository(id git.RepositoryID) ports.GitRepository {
	return crowdedRepository{s.RepositoryStore.Repository(id), s}
}

type crowdedRepository struct {
	ports.GitRepository
	in crowded
}

func (r crowdedRepository) enter() func() {
	n := r.in.now.Add(1)
	for most := r.in.most.Load(); n > most && !r.in.most.CompareAndSwap(most, n); most = r.in.most.Load() {
	}
	<-time.After(time.Second)
	return func() { r.in.now.Add(-1) }
}

func (r crowdedRepository) CommitFiles(ctx context.Context, req ports.CommitFiles, changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
	defer r.enter()()
	return r.GitRepository.CommitFiles(ctx, req, changes)
}

func (r crowdedRepository) PublishRelease(ctx context.Context, req ports.PublishRelease, changes iter.Seq2[git.Change, error]) (ports.ReleaseResult, error) {
	defer r.enter()()
	return r.GitRepository.PublishRelease(ctx, req, changes)
}

func TestReleasesWithChangesTakeTurnsWithOtherWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := crowded{memrepo.New(), new(atomic.Int32), new(atomic.Int32)}
		must(store.CreateRepository(t.Context(), ports.CreateRepository{ID: shop}))
		follower := catalogs.New(store, must(catalogs.ParseTargets([]string{"shop"})), catalogs.Options{})
		category := func(id string) []catalogs.DocumentChange {
			return []catalogs.DocumentChange{{Action: catalogs.CreateDocument, Kind: catalog.KindCategory, ID: id, Fields: json.RawMessage(`{"slug":"` + id + `","title":"C"}`)}}
		}
		var writing sync.WaitGroup
		for i := range 4 {
			writing.Go(func() {
				if _, err := follower.Release(t.Context(), shop, catalogs.Release{Version: fmt.Sprintf("1.%d.0", i), Changes: category(fmt.Sprintf("of-release-%d", i))}); err != nil {
					t.Error(err)
				}
			})
			writing.Go(func() {
				if _, err := follower.Write(t.Context(), shop, catalogs.Write{Changes: category(fmt.Sprintf("of-write-%d", i))}); err != nil {
					t.Error(err)
				}
			})
		}
		writing.Wait()
		if most := store.most.Load(); most != 1 {
			t.Errorf("%d commits were made at a time that build on one head", most)
		}
		if c, err := follower.Open(t.Context(), shop, git.Head()); err != nil || c.Snapshot.Count(catalog.KindCategory) != 8 {
			t.Errorf("there are %v categories, %v", c, err)
		}
	})
}
