package containers

import (
	"archive/tar"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// filesOf returns the names of all but the directories of a tar archive, and the content of one.
func filesOf(t testing.TB, r io.Reader, wanted string) (names []string, content []byte) {
	t.Helper()
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return names, content
		}
		require.NoError(t, err)
		if h.Typeflag == tar.TypeDir {
			continue
		}
		names = append(names, h.Name)
		if h.Name == wanted {
			content, err = io.ReadAll(archive)
			require.NoError(t, err)
		}
	}
}
