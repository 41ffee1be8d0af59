package eventhub_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/app/eventhub"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
	"github.com/gitstore-dev/gitstore/ports/eventstest/memlog"
)

func TestADamagedRepositoryKeepsNobodyFromTheStateOfTheOthers(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"refs": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "packed-refs"), []byte("nonsense\n"), 0o600)
		},
		"refs are gone": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "refs")) },
		"objects":       func(dir string) error { return os.RemoveAll(filepath.Join(dir, "objects")) },
		"tag": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "refs", "tags", "v1"), []byte(strings.Repeat("1", 40)+"\n"), 0o600)
		},
		"configuration": func(dir string) error { return os.WriteFile(filepath.Join(dir, "config"), nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			store := must(gitcli.Open(t.Context(), gitcli.Options{Dir: root}))
			t.Cleanup(func() { require.NoError(t, store.Close()) })
			for i, id := range []string{"a", "b", "c"} {
				must(store.CreateRepository(t.Context(), ports.CreateRepository{ID: repoID(id)}))
				if i == 1 {
					continue
				}
				require.NoError(t, store.Import(t.Context(), repoID(id), strings.NewReader(
					"commit refs/heads/main\ncommitter A <a@example.com> 0 +0000\ndata 1\nx\n\ndone\n")))
			}
			require.NoError(t, damage(find(t, root, "b")))
			log := memlog.New()
			hub := eventhub.New(log, store, eventhub.Options{Heartbeat: time.Millisecond})
			running(t, func(ctx context.Context) { _ = hub.Follow(ctx, log) })
			s := subscribe(t, eventhub.Verify(hub, store, 20*time.Millisecond), ports.Subscription{Resync: true})
			told := map[string]bool{}
			for _, r := range s.resync() {
				for _, repo := range r.Repositories {
					told[repo.ID.String()] = repo.Unreadable
				}
			}
			assert.Equal(t, map[string]bool{"a": false, "b": true, "c": false}, told)

			// Nor does it keep a lost event from being found.
			require.NoError(t, store.Import(t.Context(), repoID("a"), strings.NewReader("reset refs/heads/lost\nfrom refs/heads/main\n\ndone\n")))
			for {
				if r, ok := s.notice().(event.Resync); ok {
					assert.Equal(t, []string{"a lost", "a main", "b", "c main"}, names([]event.Resync{r}))
					break
				}
			}
		})
	}
}

// find returns the directory of a repository.
func find(t *testing.T, root, id string) (dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Name() == "gitstore.json" && strings.Contains(string(must(os.ReadFile(path))), `"`+id+`"`) {
			dir = filepath.Dir(path)
		}
		return err
	}))
	require.NotEmpty(t, dir)
	return dir
}
