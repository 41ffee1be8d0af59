package httpapi_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// Each commit makes a pack, and fifty of them a maintenance, which takes away those that it made one of.
func TestClonesAndFetchesAreWholeWhileTheRepositoryIsMaintained(t *testing.T) {
	const clients, clones, maintenances = 3, 4, 3
	store, err := gitcli.Open(t.Context(), gitcli.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	c := serve(t, store, httpapi.Options{Packs: store})
	c.post("/v1/repositories", `{"id":"shop"}`).wants(http.StatusCreated)
	noise := rand.NewChaCha8([32]byte{})
	change := func(i int) {
		content := make([]byte, 16<<10)
		_, _ = noise.Read(content) // it never fails
		c.put(fmt.Sprintf("%s/files/%d/%d.bin", shop, i%5, i), string(content)).wants(http.StatusCreated)
	}
	for i := range 20 {
		change(i)
	}

	failed := make(chan error, clients)
	var cloning sync.WaitGroup
	for range clients {
		dir := t.TempDir()
		cloning.Go(func() {
			var err error
			for i := 0; err == nil && (i < clones || store.Stats().Maintenances < maintenances); i++ {
				err = cloneAndFetch(t, c.server.URL+"/git/shop.git", filepath.Join(dir, strconv.Itoa(i)))
			}
			failed <- err
		})
	}
	defer cloning.Wait()
	for i, ended := 20, 0; ended < clients; i++ {
		change(i)
		select {
		case err := <-failed:
			require.NoError(t, err)
			ended++
		default:
		}
	}
	require.Zero(t, store.Stats().MaintenancesFailed)
}

// cloneAndFetch makes a clone that is whole, and fetches what came meanwhile.
func cloneAndFetch(t *testing.T, url, dir string) error {
	_, err := gitcmd.Try(t, "clone", "--quiet", "--mirror", url, dir)
	for _, args := range [][]string{{"fsck"}, {"rev-parse", "--verify", "main~19"}, {"fetch", "--quiet"}, {"fsck"}} {
		if err == nil {
			_, err = gitcmd.Try(t, append([]string{"--git-dir=" + dir}, args...)...)
		}
	}
	return err
}
