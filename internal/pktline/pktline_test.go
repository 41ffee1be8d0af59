package pktline_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
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

func TestLinesThatPassInPiecesAreFollowed(t *testing.T) {
	type place struct {
		kind pktline.Kind
		band pktline.Band
		left int
		ok   bool
	}
	for in, want := range map[string]place{
		"":                               {ok: true},
		"0008NAK\n":                      {ok: true},
		"0008NA":                         {left: 2, ok: true},
		"0008NAK\n0000":                  {kind: pktline.FlushLine, ok: true},
		"0008NAK\n0001":                  {kind: pktline.Delimiter, ok: true},
		"0008NAK\n00":                    {},
		"0008NAK\nPACK":                  {},
		"0008NAK\nPACKabc":               {},
		"0009\x01abcd":                   {band: pktline.PackBand, ok: true},
		"0009\x01a":                      {band: pktline.PackBand, left: 3, ok: true},
		"0005\x01":                       {band: pktline.PackBand, ok: true},
		"0009":                           {left: 5, ok: true},
		"0009\x01abcd0006\x03x0008NAK\n": {ok: true},
		"0009\x01abcd0007\x03x":          {band: pktline.ErrorBand, left: 1, ok: true},
		"0004":                           {ok: true},
	} {
		for _, size := range []int{1, 3, 100} {
			f := &pktline.Follower{}
			for piece := range slices.Chunk([]byte(in), size) {
				n, err := f.Write(piece)
				require.NoError(t, err)
				require.Equal(t, len(piece), n)
			}
			var got place
			if got.kind, got.band, got.left, got.ok = f.Last(); !got.ok {
				got = place{}
			}
			assert.Equal(t, want, got, "%q in pieces of %d", in, size)
		}
	}
}

func TestTheLineThatAPackFollowsIsKnown(t *testing.T) {
	for in, want := range map[string]bool{
		"000dpackfile\n": true, "0008NAK\n000dpackfile\n": true, "000dpackfile": false, "000dpackfile\n0": true, "000dpackfile\n0000": false,
		"000dpackfile\n0005\x01": false, "000cpackfile": false, "000epackfile\n\n": false, "000dpackfilf\n": false, "": false, "0000": false,
		"000dpackfile\n0012wanted-refs\n\n\n": false,
	} {
		for _, size := range []int{1, 3, 100} {
			f := &pktline.Follower{}
			for piece := range slices.Chunk([]byte(in), size) {
				_, _ = f.Write(piece) // it never fails
			}
			assert.Equal(t, want, f.PackFollows(), "%q in pieces of %d", in, size)
		}
	}
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
