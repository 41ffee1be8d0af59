package pktline_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/pktline"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	long := strings.Repeat("x", pktline.MaxData)
	b := pktline.Append(nil, "a\n")
	b = append(b, pktline.Flush...)
	b = append(pktline.Append(b, long), "00010002"...)
	b = append(pktline.Append(b, ""), "rest"...)
	in := bytes.NewReader(b)
	r := pktline.NewReader(in)
	for _, want := range []struct {
		kind pktline.Kind
		data string
	}{
		{pktline.Data, "a\n"}, {pktline.FlushLine, ""}, {pktline.Data, long}, {pktline.Delimiter, ""}, {pktline.ResponseEnd, ""}, {pktline.Data, ""},
	} {
		kind, data, err := r.Next()
		require.NoError(t, err)
		assert.Equal(t, want.kind, kind)
		assert.Equal(t, want.data, string(data))
	}
	rest, err := io.ReadAll(in)
	require.NoError(t, err)
	assert.Equal(t, "rest", string(rest), "nothing behind a line is read with it")
}

func TestABandIsWrittenInLines(t *testing.T) {
	b := pktline.AppendBand(nil, pktline.TextBand, strings.Repeat("x", pktline.MaxData))
	r := pktline.NewReader(bytes.NewReader(b))
	for _, want := range []int{pktline.MaxData, 2} {
		_, data, err := r.Next()
		require.NoError(t, err)
		assert.Len(t, data, want)
		assert.Equal(t, byte(pktline.TextBand), data[0])
	}
	assert.Equal(t, "0005\x01", string(pktline.AppendBand(nil, pktline.PackBand, "")))
}

func TestWhatIsNoLineIsTold(t *testing.T) {
	for in, want := range map[string]error{
		"": io.EOF, "00": io.ErrUnexpectedEOF, "0005": io.ErrUnexpectedEOF, "0006a": io.ErrUnexpectedEOF,
		"0003": pktline.ErrMalformed, "fff1": pktline.ErrMalformed, "GET ": pktline.ErrMalformed, "00 5": pktline.ErrMalformed,
	} {
		_, _, err := pktline.NewReader(strings.NewReader(in)).Next()
		assert.ErrorIs(t, err, want, "%q", in)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("0006a\n00000001"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := pktline.NewReader(bytes.NewReader(in))
		var out []byte
		for {
			kind, data, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, pktline.ErrMalformed) {
					t.Errorf("%q: %v", in, err)
				}
				break
			}
			out = pktline.AppendLine(out, kind, data)
		}
		if !strings.EqualFold(string(out), string(in[:len(out)])) {
			t.Errorf("%q is read as %q", in, out)
		}
	})
}
