package command

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/pktline"
)

func TestWhatGitSaysOfItsFailureOnBandsIsKeptBack(t *testing.T) {
	line := func(data string) string { return string(pktline.Append(nil, data)) }
	pack := line("\x01PACK" + strings.Repeat("fatal: error: ", 9))
	const empty = "0005\x01"
	for name, c := range map[string]struct {
		answer, passes, said string
		refused              bool
	}{
		"nothing":                  {},
		"a fetch":                  {line("packfile\n") + line("\x02Counting objects: 50%\r") + pack + line("\x02done.\n") + "0000", line("packfile\n") + line("\x02Counting objects: 50%\r") + pack + line("\x02done.\n") + "0000", "", false},
		"a failure":                {pack + line("\x02fatal: no memory in /srv\n") + line("\x03aborting: corruption\n"), pack + empty, "fatal: no memory in /srv\naborting: corruption\n", false},
		"behind progress":          {line("\x02Counting: 50%\rfatal: no\n") + line("\x02memory\n"), line("\x02Counting: 50%"), "fatal: no\nmemory\n", false},
		"an error of nobody":       {line("\x02a fatal: mistake\n"), line("\x02a fatal: mistake\n"), "", false},
		"a failure before a pack":  {line("NAK\n") + line("\x02fatal: no memory\n") + line("\x03\n"), line("NAK\n") + empty, "fatal: no memory\n\n", false},
		"no reason":                {line("packfile\n") + line("\x03") + line("\x03x"), line("packfile\n") + empty + empty, "x", false},
		"a pack behind a failure":  {line("\x02error: one copy is bad\n") + pack + line("\x02Total 1\n") + "0000", empty + pack + "0000", "error: one copy is bad\nTotal 1\n", false},
		"refused":                  {line("ERR upload-pack: not our ref"), line("ERR upload-pack: not our ref"), "", true},
		"a name that begins alike": {line("ERR"), line("ERR"), "", false},
		"refs":                     {line("x refs/heads/ERR a\n") + "0000", line("x refs/heads/ERR a\n") + "0000", "", false},
		"without bands":            {line("NAK\n") + "PACK\x02fatal: ", line("NAK\n") + "PACK\x02fatal: ", "", false},
		"empty lines":              {line("") + line("\x02") + line("\x01") + "0000", line("") + line("\x02") + line("\x01") + "0000", "", false},
	} {
		for _, size := range []int{1, 2, 3, 5, 64, 1 << 20} {
			var out bytes.Buffer
			b := &bandWriter{w: &out}
			for piece := range slices.Chunk([]byte(c.answer), size) {
				n, err := b.Write(bytes.Clone(piece))
				require.NoError(t, err)
				require.Equal(t, len(piece), n)
			}
			require.Equal(t, c.passes, out.String(), "%s in pieces of %d", name, size)
			require.Equal(t, c.said, string(b.said.b), "%s in pieces of %d", name, size)
			require.Equal(t, c.refused, b.refused, "%s in pieces of %d", name, size)
		}
	}
}
