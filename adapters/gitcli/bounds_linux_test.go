package gitcli_test

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

func TestAPushIsRefusedThatGitNeedsTooMuchMemoryFor(t *testing.T) {
	noise := make([]byte, 12<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // it never fails
	head, pack := elsewhere(t, string(noise))
	s := newPushShop(t, gitcli.Options{GitMemory: 8 << 20})
	_, report := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head))
	require.Contains(t, report, "unpack git needs more memory for it than the 8 MiB that it is given: push the history in parts")
	require.False(t, s.has("refs/heads/main"))
	require.Equal(t, map[errs.Reason]int64{errs.ReasonPackTooLarge: 1}, s.Stats().PushesRefused)

	s = newPushShop(t, gitcli.Options{GitMemory: 32 << 20})
	_, report = s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head))
	require.Contains(t, report, "ok refs/heads/main\n")
}

func TestAPushIsRefusedThatGitWorksOnForTooLong(t *testing.T) {
	head, pack := elsewhere(t, "x")
	for _, command := range []string{"index-pack", "rev-list"} {
		s := newPushShop(t, gitcli.Options{GitPath: scripted(t, `#!/bin/sh
if [ "$1" = `+command+` ]; then
	head -c 1 >/dev/null
	if [ $(ulimit -t) = 300 ]; then kill -XCPU $$; fi
fi
exec git "$@"
`)})
		_, report := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head))
		require.Contains(t, report, "git takes more than 5 minutes of a processor for it", command)
		require.False(t, s.has("refs/heads/main"))
	}
}

func TestAFetchIsRefusedThatGitNeedsTooMuchFor(t *testing.T) {
	for does, want := range map[string]string{
		"[ $(ulimit -d) = 1048576 ] && echo fatal: Out of memory, malloc failed >&2": "git needs more memory for it than the 1024 MiB",
		"[ $(ulimit -t) = 300 ] && echo error: git-pack-objects died of signal 24":   "git takes more than 5 minutes of a processor",
	} {
		s := newPushShop(t, gitcli.Options{GitPath: scripted(t, "#!/bin/sh\nif [ $1 = upload-pack ]; then cat >/dev/null; "+does+" >&2; exit 128; fi\nexec git \"$@\"\n")})
		err := s.UploadPack(t.Context(), shopID(t), 2, strings.NewReader("0000"), io.Discard)
		require.Equal(t, errs.ReasonPackTooLarge, errs.ReasonOf(err), "%v", err)
		require.ErrorContains(t, err, want)
	}
}
