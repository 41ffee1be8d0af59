package gitcli

import (
	"slices"
	"testing"
)

// pieces keeps what is written apart.
type pieces []string

func (p *pieces) Write(b []byte) (int, error) {
	*p = append(*p, string(b))
	return len(b), nil
}

func TestALineOfAPackIsPassedOnWhole(t *testing.T) {
	for what, tt := range map[string]struct{ written, passed []string }{
		"the head of a line, and its rest":       {[]string{"000a\x01", "PACK1"}, []string{"000a\x01PACK1"}},
		"line by line":                           {[]string{"0006\x01", "a", "0006\x01", "b"}, []string{"0006\x01a", "0006\x01b"}},
		"a sign of life waits for nothing":       {[]string{"0005\x01", "0005\x01"}, []string{"0005\x01", "0005\x01"}},
		"nor does a line that is written whole":  {[]string{"0008NAK\n", "0000"}, []string{"0008NAK\n", "0000"}},
		"five bytes of something else":           {[]string{"PACKx", "0000"}, []string{"PACKx", "0000"}},
		"what git did not finish is passed on":   {[]string{"0006\x01"}, []string{"0006\x01"}},
		"what looks like a head is not kept":     {[]string{"fffff", "fffff"}, []string{"ffffffffff"}},
		"a part of a line that came on its own ": {[]string{"000a\x01", "PA", "CK1"}, []string{"000a\x01PA", "CK1"}},
	} {
		var passed pieces
		w := &answerWriter{w: &passed}
		for _, piece := range tt.written {
			if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Errorf("%s: %d, %v", what, n, err)
			}
		}
		if err := w.finish(); err != nil || !slices.Equal(passed, tt.passed) {
			t.Errorf("%s: %q, %v", what, passed, err)
		}
	}
}
