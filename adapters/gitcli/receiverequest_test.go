package gitcli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/internal/pktline"
)

// A git client takes a minute to say so much over HTTP.
func TestAPushMovesSoManyRefsAndNoMore(t *testing.T) {
	for n, want := range map[int]errs.Reason{repository.MaxPushedRefs: "", repository.MaxPushedRefs + 1: errs.ReasonTooManyActions} {
		var b []byte
		for i := range n {
			b = pktline.Append(b, fmt.Sprintf("%s %s refs/heads/many%d", strings.Repeat("0", 40), strings.Repeat("1", 40), i))
		}
		req, err := readReceiveRequest(bytes.NewReader(pktline.AppendLine(b, pktline.FlushLine, nil)), git.SHA1, nil)
		if want != "" {
			assert.Equal(t, want, errs.ReasonOf(err))
			continue
		}
		require.NoError(t, err)
		assert.Len(t, req.commands, n)
	}
}
