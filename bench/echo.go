package main

import (
	"context"
	"errors"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// echo is a gRPC service that returns bytes and does nothing: what the transport itself takes. Its messages are the
// smallest that hold bytes.
type echo struct {
	server *grpc.Server
	conn   *grpc.ClientConn
	small  *wrapperspb.BytesValue
	large  *wrapperspb.BytesValue
}

const (
	// smallEcho is the size of a file of the catalog.
	smallEcho = 1500
	// largeEcho is the size of a message of a stream of small files.
	largeEcho = 99 << 10
)

// echoServer is what grpc wants a service's handler to be.
type echoServer any

var echoService = grpc.ServiceDesc{
	ServiceName: "bench.Echo",
	HandlerType: (*echoServer)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: unaryEcho}},
	Streams:     []grpc.StreamDesc{{StreamName: "Stream", Handler: streamEcho, ServerStreams: true}},
}

//nolint:revive // the order of the parameters is that of grpc
func unaryEcho(srv any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var request wrapperspb.StringValue
	if err := decode(&request); err != nil {
		return nil, err
	}
	return srv.(*echo).small, nil
}

func streamEcho(srv any, s grpc.ServerStream) error {
	var messages wrapperspb.Int32Value
	if err := s.RecvMsg(&messages); err != nil {
		return err
	}
	for range messages.GetValue() {
		if err := s.SendMsg(srv.(*echo).large); err != nil {
			return err
		}
	}
	return nil
}

func startEcho() (*echo, error) {
	e := &echo{
		server: grpc.NewServer(),
		small:  wrapperspb.Bytes(make([]byte, smallEcho)),
		large:  wrapperspb.Bytes(make([]byte, largeEcho)),
	}
	e.server.RegisterService(&echoService, e)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() { _ = e.server.Serve(l) }()
	e.conn, err = grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	return e, err
}

func (e *echo) close() error {
	err := e.conn.Close()
	e.server.Stop()
	return err
}

// unary makes a call that asks as much as a read does.
func (e *echo) unary(ctx context.Context) error {
	var response wrapperspb.BytesValue
	return e.conn.Invoke(ctx, "/bench.Echo/Unary", wrapperspb.String("catalog refs/heads/main products/category-000/product-00.md"), &response)
}

// stream receives messages of 99 KiB.
func (e *echo) stream(ctx context.Context, messages int) error {
	s, err := e.conn.NewStream(ctx, &echoService.Streams[0], "/bench.Echo/Stream")
	if err != nil {
		return err
	}
	if err := s.SendMsg(wrapperspb.Int32(int32(messages))); err != nil {
		return err
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	for {
		var response wrapperspb.BytesValue
		if err := s.RecvMsg(&response); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
