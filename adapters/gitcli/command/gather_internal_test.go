package command

import (
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatComesInPiecesIsPassedOnTogether(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	write := func(s string) {
		_, err := io.WriteString(w, s)
		require.NoError(t, err)
	}
	gathered := func(size int, moment time.Duration) string {
		b := make([]byte, size)
		n, err := gather(r, b, moment)
		require.NoError(t, err)
		return string(b[:n])
	}

	write("a")
	time.AfterFunc(time.Millisecond, func() { _, _ = io.WriteString(w, "b") })
	require.Equal(t, "ab", gathered(2, time.Hour))

	write("c")
	require.Equal(t, "c", gathered(2, time.Microsecond), "a piece waits for more that never comes")

	write("de")
	require.Equal(t, "d", gathered(1, time.Hour))
	require.Equal(t, "e", gathered(1, time.Hour), "what follows is lost")

	write("f")
	require.NoError(t, w.Close())
	b := make([]byte, 2)
	n, err := gather(r, b, time.Hour)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "f", string(b[:n]))
}
