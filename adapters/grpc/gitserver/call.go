package gitserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	optionsv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/options/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/internal/budget"
	"github.com/gitstore-dev/gitstore/internal/requestid"
	"github.com/gitstore-dev/gitstore/ports"
)

const (
	// maxLogged is the most of what a client sent that one attribute of a log line holds, in bytes.
	maxLogged = 256
	// maxCause is the most of an error's cause that a log line holds: it may be what a child process said.
	maxCause = 10 << 10
)

// call is one RPC on its way through the server.
type call struct {
	*Server
	ctx    context.Context
	method *method
	start  time.Time
	// id is the correlation id.
	id string
	// repository is what the request says, if anything.
	repository string
	// receipt is where the effect of a call that changes something is; nil for others.
	receipt *ports.Receipt
	// asked reports that the call asked to be admitted, and lane is where it was; nil if it was not, or need not be.
	asked bool
	lane  *lane
	// pace is that of the client of a stream that may have to give way; nil of others.
	pace *pace
	// place is where the lane is given to others meanwhile; nil if it never is.
	place *place
	// refused is why it was not admitted.
	refused error
	// hold is what a stream takes of the memory for requests: its first message, and what is collected of the others.
	hold budget.Hold
}

func (s *Server) begin(ctx context.Context, fullMethod string) *call {
	c := &call{Server: s, method: s.methods[fullMethod], start: time.Now()}
	c.method.underWay.Add(1)
	if ids := metadata.ValueFromIncomingContext(ctx, requestid.Metadata); len(ids) == 1 && requestid.Valid(ids[0]) {
		c.id = ids[0]
	} else {
		c.id = requestid.New()
	}
	c.ctx = requestid.With(ctx, c.id)
	return c
}

func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	c := s.begin(ctx, info.FullMethod)
	if bad, ok := req.(error); ok {
		return nil, c.end(bad)
	}
	c.sees(req)
	if err := c.enter(); err != nil {
		return nil, c.end(err)
	}
	defer c.leave()
	if err := c.reach(); err != nil {
		return nil, c.end(err)
	}
	resp, err := handler(c.ctx, req)
	if err == nil {
		c.leaveCursor(func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) })
	}
	return resp, c.end(err)
}

func (s *Server) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	c := s.begin(stream.Context(), info.FullMethod)
	if err := c.reach(); err != nil {
		return c.end(err)
	}
	defer c.leave()
	c.hold.Memory = &s.memory
	defer c.hold.Release()
	c.ctx = withHold(c.ctx, &c.hold)
	cs := &callStream{ServerStream: stream, call: c, sending: newStall(stream, s.maxStall), receiving: newStall(stream, s.maxStall)}
	cs.part.Memory = &s.memory
	defer cs.part.Release()
	err := handler(srv, cs)
	if c.refused != nil {
		err = c.refused
	}
	err = breakableOf(stream.Context()).told(stream, err)
	if err == nil {
		c.leaveCursor(stream.SetTrailer)
	}
	return c.end(err)
}

// refusalLog is how often the log says how many calls of a method were refused before they were received.
const refusalLog = time.Second

// refusedEarly accounts for a call that was refused before it was received.
func (s *Server) refusedEarly(ctx context.Context, m *method) {
	m.limiter.rejected.Add(1)
	m.requests[codes.ResourceExhausted].Inc()
	n, last, now := m.refused.Add(1), m.lastRefusal.Load(), time.Now().UnixNano()
	if now-last < int64(refusalLog) || !m.lastRefusal.CompareAndSwap(last, now) {
		return
	}
	m.refused.Add(-n)
	s.logger.LogAttrs(context.WithoutCancel(ctx), slog.LevelWarn, "grpc requests refused before they were received", slog.String("method", m.name),
		slog.String("reason", string(errs.ReasonQueueFull)), slog.Int64("calls", n))
}

// enter has the call admitted by the limiter of its class.
func (c *call) enter() error {
	c.asked = true
	if c.method.limiter == nil {
		return nil
	}
	c.lane, c.refused = c.method.limiter.enterWithin(c.ctx, c.repository, c.method.wait)
	if c.lane != nil && c.method.limiter.long > 0 {
		c.place = newPlace(c.method.limiter, c.lane, c.method.limiter.long)
	}
	return c.refused
}

func (c *call) leave() {
	if c.pace != nil {
		c.method.limiter.release(c.pace)
	}
	switch {
	case c.place != nil:
		c.place.leave()
	case c.lane != nil:
		c.method.limiter.leave(c.lane)
	}
}

// callStream is the stream of a call, which is admitted when its first message says of which repository it is: before
// that it costs a goroutine.
type callStream struct {
	grpc.ServerStream
	call *call
	// sending and receiving are at work at once where a client takes an answer while it asks.
	sending, receiving *stall
	// part is what the message takes of the memory for requests that was received last, if it was not the first.
	part budget.Hold
}

func (s *callStream) Context() context.Context { return s.call.ctx }

func (s *callStream) RecvMsg(m any) error {
	if err := s.receive(m); err != nil {
		return err
	}
	if s.call.repository == "" {
		s.call.sees(m)
	}
	if s.call.asked {
		return nil
	}
	if err := s.call.enter(); err != nil {
		return err
	}
	if b, l := breakableOf(s.call.ctx), s.call.method.limiter; b != nil && l != nil && l.minPace > 0 {
		s.call.pace = newPace(s.call.lane, l.period, func() { b.breakOff(s.ServerStream, l.gaveWay()) })
		l.hold(s.call.pace)
	}
	return nil
}

// receive receives a message. A client that is to send a commit, a push or what it wants has to go on with it.
func (s *callStream) receive(m any) error {
	hold := s.holdOfNext()
	if cost := s.call.method.op.Cost; cost == optionsv1.OperationCost_OPERATION_COST_WRITE || cost == optionsv1.OperationCost_OPERATION_COST_PACK {
		s.receiving.begin()
		defer s.receiving.end()
	}
	if s.call.method.op.Cost == optionsv1.OperationCost_OPERATION_COST_WRITE {
		s.call.place.begin()
		defer s.call.place.end()
	}
	p := s.call.pace
	if p == nil {
		return receive(s.ServerStream.RecvMsg, m, hold)
	}
	p.wait(&p.receiving)
	err := receive(s.ServerStream.RecvMsg, m, hold)
	p.wentOn(&p.receiving, dataIn(m), errors.Is(err, io.EOF))
	return err
}

// holdOfNext returns where the next message counts, which takes the place of the last one; nil if it does not: those of packs come
// in pieces, and their receiver may outlast the call.
func (s *callStream) holdOfNext() *budget.Hold {
	switch {
	case !s.call.asked:
		return &s.call.hold
	case s.call.method.op.Cost == optionsv1.OperationCost_OPERATION_COST_WRITE:
		s.part.Release()
		return &s.part
	}
	return nil
}

func (s *callStream) SendMsg(m any) error {
	s.sending.begin()
	defer s.sending.end()
	if p := s.call.pace; p != nil {
		p.wait(&p.sending)
		defer p.wentOn(&p.sending, dataIn(m), false)
	}
	s.call.place.begin()
	defer s.call.place.end()
	return ofClient(s.ServerStream.SendMsg(m))
}

// dataIn is how many bytes of a client a message holds: contents, and in a commit what is to be done as well.
func dataIn(m any) int {
	if d, ok := m.(interface{ GetData() []byte }); ok && len(d.GetData()) > 0 {
		return len(d.GetData())
	}
	if p, ok := m.(proto.Message); ok {
		return proto.Size(p)
	}
	return 0
}

func (c *call) sees(req any) {
	if r, ok := req.(interface{ GetRepository() string }); ok {
		c.repository = r.GetRepository()
	}
}

// codec is gRPC's for protobuf. gRPC takes bytes that are no message for an internal error and ends the call at once: so
// the codec notes such an error in [received] instead, and what it refuses to decode.
type codec struct{ encoding.CodecV2 }

// received stands for the message to decode into.
type received struct {
	message any
	// hold is where the message counts; nil if it does not.
	hold         *budget.Hold
	err, refused error
}

// Unmarshal implements [encoding.CodecV2].
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*received)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	if r.refused = takeMessage(r.hold, data, r.message); r.refused == nil {
		r.err = c.CodecV2.Unmarshal(data, r.message)
	}
	return nil
}

// receive receives a message, and counts it in hold if that is not nil; bytes that are none are the client's fault.
func receive(from func(any) error, m any, hold *budget.Hold) error {
	r := received{message: m, hold: hold}
	if err := from(&r); errors.Is(err, io.EOF) {
		return err
	} else if err != nil {
		return ofClient(err) // for whoever adds to it, and knows nothing of gRPC
	}
	if r.refused != nil {
		return r.refused
	}
	if r.err != nil {
		return errs.Wrap(r.err, errs.ReasonInvalidArgument, "the request is not a message of this call: it is cut off, not UTF-8 where text is due, or nested too deep")
	}
	return nil
}

// ofClient is [wire.DecodeError] for what a stream fails with on this end, where it is not the service that cannot be reached.
func ofClient(err error) error {
	if _, known := errors.AsType[*errs.Error](err); !known && status.Code(err) == codes.Unavailable {
		return errs.Wrap(err, errs.ReasonUnavailable, "the connection to the client has ended")
	}
	return wire.DecodeError(err)
}

// receiveRequests returns the service with unary methods whose request comes from [receive] and counts in the memory until the call
// ends, and whose interceptors see the calls that fail there, with the error for their request.
func receiveRequests(service *grpc.ServiceDesc, memory *budget.Memory) *grpc.ServiceDesc {
	told := *service
	told.Methods = make([]grpc.MethodDesc, len(service.Methods))
	for i, m := range service.Methods {
		info := &grpc.UnaryServerInfo{FullMethod: "/" + service.ServiceName + "/" + m.MethodName}
		told.Methods[i] = grpc.MethodDesc{MethodName: m.MethodName, Handler: func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			var bad error
			hold := budget.Hold{Memory: memory}
			defer hold.Release()
			resp, err := m.Handler(srv, ctx, func(in any) error { bad = receive(decode, in, &hold); return bad }, interceptor)
			if bad == nil {
				return resp, err
			}
			return interceptor(ctx, bad, info, func(context.Context, any) (any, error) { return nil, bad })
		}}
	}
	return &told
}

// panicked turns a panic into an error that says where to find it.
func (s *Server) panicked(ctx context.Context, v any) error {
	incident := requestid.New()
	s.logger.LogAttrs(ctx, slog.LevelError, "panic in a gRPC handler", slog.String("incident", incident),
		slog.String("request_id", requestid.From(ctx)), slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
	return errs.New(errs.ReasonInternal, "panic", errs.MetaIncident, incident)
}

// end accounts for the call and returns its status.
func (c *call) end(err error) error {
	c.method.underWay.Add(-1)
	took := time.Since(c.start)
	if err == nil {
		c.method.observe(codes.OK, took)
		c.log(nil, codes.OK, took)
		return nil
	}
	e := errs.From(wire.DecodeError(err))
	sent := e
	if e.Kind == errs.Internal {
		sent = conceal(e)
		e = e.WithMeta(errs.MetaIncident, sent.Meta[errs.MetaIncident])
	}
	failed := wire.EncodeError(sent)
	c.method.observe(status.Code(failed), took)
	c.log(e, status.Code(failed), took)
	return failed
}

// conceal returns what a client may know of an internal error: under which incident the log has it.
func conceal(e *errs.Error) *errs.Error {
	incident := e.Meta[errs.MetaIncident]
	if incident == "" {
		incident = requestid.New()
	}
	return errs.New(errs.ReasonInternal, "internal error: the log has it under incident "+incident, errs.MetaIncident, incident)
}

func (c *call) log(e *errs.Error, code codes.Code, took time.Duration) {
	level := c.level(e)
	if !c.logger.Enabled(c.ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", c.id), slog.String("method", c.method.name), slog.String("code", code.String()),
		slog.Duration("duration", took), slog.String("repository", clip(c.repository, maxLogged)),
	}
	if p, ok := peer.FromContext(c.ctx); ok && p.Addr != nil {
		attrs = append(attrs, slog.String("peer", p.Addr.String()))
	}
	if e != nil {
		attrs = append(attrs, failure(e)...)
	}
	c.logger.LogAttrs(context.WithoutCancel(c.ctx), level, "grpc request", attrs...)
}

func failure(e *errs.Error) []slog.Attr {
	attrs := []slog.Attr{slog.String("reason", string(e.Reason)), slog.String("error", clip(e.Error(), maxLogged))}
	if incident := e.Meta[errs.MetaIncident]; incident != "" {
		attrs = append(attrs, slog.String("incident", incident))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("cause", clip(e.Err.Error(), maxCause)))
	}
	return attrs
}

// level keeps the log of a service at work to what was changed and what an operator should know.
func (c *call) level(e *errs.Error) slog.Level {
	if e == nil {
		if c.method.op.Kind == optionsv1.OperationKind_OPERATION_KIND_MUTATOR {
			return slog.LevelInfo
		}
		return slog.LevelDebug
	}
	switch e.Kind {
	case errs.Internal, errs.Corrupt:
		return slog.LevelError
	case errs.Exhausted, errs.Unavailable, errs.Deadline:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

func clip(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
