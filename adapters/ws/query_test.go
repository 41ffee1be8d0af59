package ws_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/ws"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

func FuzzParseQuery(f *testing.F) {
	for _, q := range []string{
		"", "repository=shop&repository=other&ref=refs%2Fheads%2F*&type=dev.gitstore.ref.updated.v1&after=0123456789abcdef-42&resync=true",
		"after=0123456789abcdef-42&after=", "token=x", "ref=%5B", "a;b", "%zz", "resync=1", "ref=caf%e9",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		sub, err := ws.ParseQuery(q)
		if err != nil {
			if errs.KindOf(err) != errs.Invalid {
				t.Errorf("%q: %v is %s", q, err, errs.KindOf(err))
			}
			return
		}
		again, err := ws.ParseQuery(ws.FormatQuery(sub))
		require.NoError(t, err)
		require.Equal(t, sub.After, again.After)
		require.Equal(t, ws.FormatQuery(sub), ws.FormatQuery(again))
	})
}
