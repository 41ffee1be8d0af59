package gitserver

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

func TestTheServiceDoesNotSayOfItselfThatItCannotBeReached(t *testing.T) {
	closing := status.Error(codes.Unavailable, "transport is closing")
	err := receive(func(any) error { return closing }, nil, nil)
	require.True(t, errs.Is(err, errs.ReasonUnavailable))
	require.EqualError(t, err, "the connection to the client has ended")
	require.ErrorIs(t, err, closing)

	own := errs.New(errs.ReasonUnavailable, "the service is stopping")
	require.Equal(t, own, receive(func(any) error { return own }, nil, nil))
	require.Equal(t, errs.ReasonCanceled, errs.ReasonOf(receive(func(any) error { return status.Error(codes.Canceled, "x") }, nil, nil)))
	require.True(t, errors.Is(receive(func(any) error { return io.EOF }, nil, nil), io.EOF))
}
