package gitcli_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/pktline"
	"github.com/gitstore-dev/gitstore/ports"
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

// What makes the pack is a child of the process that answers the client, and that one knows only that its child died: it says that the
// repository may be corrupt.
func TestAFetchIsRefusedWhosePackGitNeedsTooMuchMemoryFor(t *testing.T) {
	dir := t.TempDir()
	filled := openStore(t, dir)
	createShop(t, filled)
	var stream bytes.Buffer
	stream.WriteString("commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 2\nx\n")
	for i := range 40_000 {
		fmt.Fprintf(&stream, "M 100644 inline d%d/%d.md\ndata 6\n%05d\n\n", i/100, i, i)
	}
	stream.WriteString("done\n")
	require.NoError(t, filled.Import(t.Context(), shopID(t), &stream))
	require.NoError(t, filled.Close())
	var log bytes.Buffer
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir, GitMemory: 4 << 20, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	head := value[ports.Resolved](t)(s.Repository(shopID(t)).ResolveRevision(t.Context(), git.Head())).Commit

	request := string(pktline.Append(nil, "command=fetch\n")) + "0001" + string(pktline.Append(nil, "want "+head.String()+"\n")) +
		string(pktline.Append(nil, "done\n")) + pktline.Flush
	var out bytes.Buffer
	err = s.UploadPack(t.Context(), shopID(t), 2, strings.NewReader(request), &out)
	require.Equal(t, errs.ReasonPackTooLarge, errs.ReasonOf(err), "%v", err)
	require.ErrorContains(t, err, "git needs more memory for it than the 4 MiB that it is given: fetch less at once")
	require.Contains(t, out.String(), "packfile\n")
	require.NotContains(t, out.String(), "fatal")
	require.NotContains(t, out.String(), "corruption", "the client is told so by nobody")
	require.NotContains(t, log.String(), `"level":"ERROR"`)
	require.Contains(t, log.String(), "Out of memory", "what git said is in the log")
}
