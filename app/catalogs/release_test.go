package catalogs_test

import (
	"context"
	"iter"
	"testing"

	"github.com/gitstore-dev/gitstore/app/catalogs"
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
