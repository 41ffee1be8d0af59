package panics_test

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/panics"
)

func beyond(list []int) int { return list[len(list)] }

func TestAPanicIsAnErrorThatSaysWhereItWas(t *testing.T) {
	err := panics.Caught(func() error {
		beyond(nil)
		return nil
	})
	_, ok := errors.AsType[*panics.Error](err)
	require.True(t, ok)
	require.ErrorContains(t, err, "index out of range")
	require.ErrorContains(t, err, "panics_test.beyond")
}

func TestOtherErrorsStayAsTheyAre(t *testing.T) {
	require.NoError(t, panics.Caught(func() error { return nil }))
	require.Equal(t, io.EOF, panics.Caught(func() error { return io.EOF }))
}
