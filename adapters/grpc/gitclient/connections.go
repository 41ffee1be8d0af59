package gitclient

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	optionsv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/options/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

// connections are those to one service: one for the calls of each cost, and one to ask for its health. gRPC lets what is above the
// streams of a connection wait in the order it came, whatever it costs and whoever asks, and all answers on a connection share its
// window. So the calls of a class wait for each other alone, and the service decides who goes first among them. Each is made by its
// first call. They are safe for concurrent use.
type connections struct {
	calls  map[optionsv1.OperationCost]*grpc.ClientConn
	health *grpc.ClientConn
}

func newConnections(address string, options []grpc.DialOption) (*connections, error) {
	cs := &connections{calls: map[optionsv1.OperationCost]*grpc.ClientConn{}}
	var err error
	if cs.health, err = grpc.NewClient(address, options...); err != nil {
		return nil, err
	}
	for _, op := range wire.Operations() {
		if cs.calls[op.Cost] != nil {
			continue
		}
		conn, err := grpc.NewClient(address, options...)
		if err != nil {
			return nil, errors.Join(err, cs.close())
		}
		cs.calls[op.Cost] = conn
	}
	return cs, nil
}

// ready waits for the connections of calls that are in use: after the service was away the next attempt of each may be a backoff from
// now, and until then its calls would fail at once though the service is there. One that is idle is made by the next call, which
// waits for it.
func (cs *connections) ready(ctx context.Context) error {
	attempt, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for _, conn := range cs.calls {
		for state := conn.GetState(); state != connectivity.Ready && state != connectivity.Idle; state = conn.GetState() {
			if state == connectivity.Shutdown || !conn.WaitForStateChange(attempt, state) {
				if ctx.Err() != nil {
					return wire.DecodeError(status.FromContextError(ctx.Err()).Err())
				}
				return errs.New(errs.ReasonUnavailable, "the git service cannot be reached: try again shortly")
			}
		}
	}
	return nil
}

func (cs *connections) close() error {
	failed := []error{cs.health.Close()}
	for _, conn := range cs.calls {
		failed = append(failed, conn.Close())
	}
	return errors.Join(failed...)
}

// of returns the connection of a call.
func (cs *connections) of(method string) (*grpc.ClientConn, error) {
	op, ok := wire.OperationOf(method)
	if !ok {
		return nil, status.Errorf(codes.Unimplemented, "the contract has no method %s", method)
	}
	return cs.calls[op.Cost], nil
}

// Invoke implements [grpc.ClientConnInterface].
func (cs *connections) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	conn, err := cs.of(method)
	if err != nil {
		return err
	}
	return conn.Invoke(ctx, method, args, reply, opts...)
}

// NewStream implements [grpc.ClientConnInterface].
func (cs *connections) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	conn, err := cs.of(method)
	if err != nil {
		return nil, err
	}
	return conn.NewStream(ctx, desc, method, opts...)
}

var _ grpc.ClientConnInterface = (*connections)(nil)
