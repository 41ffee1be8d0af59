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
		"echo 'fatal: inflateInit: out of memory (no message)'":                      "git needs more memory for it than the 1024 MiB",
		"echo 'error: cannot fork to run pack-objects: Cannot allocate memory'":      "git needs more memory for it than the 1024 MiB",
		"[ $(ulimit -t) = 300 ] && echo error: git-pack-objects died of signal 24":   "git takes more than 5 minutes of a processor",
	} {
		s := newPushShop(t, gitcli.Options{GitPath: scripted(t, "#!/bin/sh\nif [ $1 = upload-pack ]; then cat >/dev/null; "+does+" >&2; exit 128; fi\nexec git \"$@\"\n")})
		err := s.UploadPack(t.Context(), shopID(t), 2, strings.NewReader("0000"), io.Discard)
		require.Equal(t, errs.ReasonPackTooLarge, errs.ReasonOf(err), "%v", err)
		require.ErrorContains(t, err, want)
	}
}

// manyFiles returns the directory of a store whose repository takes git some memory to make a pack of.
func manyFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := openStore(t, dir)
	createShop(t, s)
	var stream bytes.Buffer
	stream.WriteString("commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 2\nx\n")
	for i := range 40_000 {
		fmt.Fprintf(&stream, "M 100644 inline d%d/%d.md\ndata 6\n%05d\n\n", i/100, i, i)
	}
	stream.WriteString("done\n")
	require.NoError(t, s.Import(t.Context(), shopID(t), &stream))
	require.NoError(t, s.Close())
	return dir
}

// fetchBounded fetches the repository of a directory from a git that is given some memory, and returns the answer and the log.
func fetchBounded(t *testing.T, dir string, memory int64, version git.ProtocolVersion, capabilities string) (answer, log string, err error) {
	t.Helper()
	var lines, out bytes.Buffer
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: dir, GitMemory: memory, Logger: slog.New(slog.NewJSONHandler(&lines, nil))})
	require.NoError(t, err)
	head := value[ports.Resolved](t)(s.Repository(shopID(t)).ResolveRevision(t.Context(), git.Head())).Commit
	var request []byte
	if version == 2 {
		request = append(pktline.Append(nil, "command=fetch\n"), "0001"...)
		for capability := range strings.FieldsSeq(capabilities) {
			request = pktline.Append(request, capability+"\n")
		}
		request = append(pktline.Append(pktline.Append(request, "want "+head.String()+"\n"), "done\n"), pktline.Flush...)
	} else {
		request = append(pktline.Append(nil, "want "+head.String()+" "+capabilities+"\n"), pktline.Flush...)
		request = pktline.Append(request, "done\n")
	}
	err = s.UploadPack(t.Context(), shopID(t), version, bytes.NewReader(request), &out)
	require.NoError(t, s.Close())
	return out.String(), lines.String(), err
}

// What makes the pack is a child of the process that answers the client, and that one knows only that its child died: it says that the
// repository may be corrupt.
func TestAFetchIsRefusedWhosePackGitNeedsTooMuchMemoryFor(t *testing.T) {
	dir := manyFiles(t)
	for _, tt := range []struct {
		version      git.ProtocolVersion
		capabilities string
		answer       string
	}{
		{2, "", "packfile\n"},
		{2, "no-progress", "packfile\n0005\x01"}, // nothing was on a band before, and the client awaits bands
		{0, "side-band-64k no-progress", "0008NAK\n0005\x01"},
		{0, "", "0008NAK\n"},
	} {
		out, log, err := fetchBounded(t, dir, 4<<20, tt.version, tt.capabilities)
		require.Equal(t, errs.ReasonPackTooLarge, errs.ReasonOf(err), "%v", err)
		require.ErrorContains(t, err, "git needs more memory for it than the 4 MiB that it is given: fetch less at once")
		require.Contains(t, out, tt.answer)
		if tt.version == 0 || tt.capabilities != "" {
			require.True(t, strings.HasSuffix(out, tt.answer), "%q", out)
		}
		require.NotContains(t, out, "fatal")
		require.NotContains(t, out, "corruption", "the client is told so by nobody")
		require.NotContains(t, log, `"level":"ERROR"`)
		require.Contains(t, log, "Out of memory", "what git said is in the log")
	}

	var err error
	for memory := int64(2 << 20); memory <= 12<<20; memory += 1 << 19 { // each ends git at another place, which has its own words for it
		var log string
		if _, log, err = fetchBounded(t, dir, memory, 2, "no-progress"); err != nil {
			require.Equal(t, errs.ReasonPackTooLarge, errs.ReasonOf(err), "with %d KiB: %v\n%s", memory>>10, err, log)
		}
	}
	require.NoError(t, err, "the last is enough")
}
