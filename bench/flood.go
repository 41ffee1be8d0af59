package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
)

// flooder makes calls over one connection at a rate that does not depend on the answers. gRPC's own client takes as much
// of a core for a call as the service does to refuse it: on as many cores it would be the first to be overloaded, and
// its queue would count as the service's. This one writes frames (RFC 9113) that are mostly prepared, and looks at the status
// of an answer (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
type flooder struct {
	conn    net.Conn
	out     *bufio.Writer
	headers []byte
	// ended counts calls that ended, whose streams are free again, and window is how many bytes the service still takes.
	ended, window atomic.Int64
	// begun is when the call of a stream was made; streams are odd.
	mu    sync.Mutex
	begun map[uint32]time.Time
	// write keeps frames of the reader and the writer apart.
	write  sync.Mutex
	framer *http2.Framer
	// answer is called with the status of each call, and what it took.
	answer func(st *status.Status, took time.Duration)
}

// floodStreams is how many calls a connection has under way at most; the service allows more.
const floodStreams = 1000

func newFlooder(ctx context.Context, address, method, repository string, answer func(*status.Status, time.Duration)) (*flooder, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	f := &flooder{conn: conn, out: bufio.NewWriterSize(conn, 256<<10), begun: map[uint32]time.Time{}, answer: answer}
	f.framer = http2.NewFramer(f.out, bufio.NewReaderSize(conn, 64<<10))
	f.framer.SetReuseFrames()
	f.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.window.Store(65_535) // RFC 9113, section 6.9.2
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0) // the same bytes for every call
	for _, h := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", address}, {"content-type", "application/grpc"},
		{"te", "trailers"}, {"grpc-timeout", fmt.Sprintf("%dm", overloadTimeout.Milliseconds())}, {wire.RepositoryMetadata, repository},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	f.headers = block.Bytes()
	_, _ = f.out.WriteString(http2.ClientPreface) // Flush tells
	err = errors.Join(
		f.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: math.MaxInt32}, http2.Setting{ID: http2.SettingEnablePush}),
		f.framer.WriteWindowUpdate(0, math.MaxInt32-65_535), f.out.Flush(),
	)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return f, nil
}

// flood makes perSecond calls a second until lasts has passed, with messages from request, and returns how many it made: fewer
// if as many as the connection takes are under way. Then it waits until all were answered.
func (f *flooder) flood(ctx context.Context, perSecond float64, lasts time.Duration, request func() proto.Message) (made int, err error) {
	defer func() { err = errors.Join(err, f.conn.Close()) }()
	stop := context.AfterFunc(ctx, func() { _ = f.conn.Close() })
	defer stop()
	var reading sync.WaitGroup
	var readErr error
	all := make(chan struct{})
	var total atomic.Int64
	total.Store(math.MaxInt64)
	reading.Go(func() {
		defer close(all)
		for f.ended.Load() < total.Load() {
			if readErr = f.read(); readErr != nil {
				return
			}
		}
	})
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	begin, due := time.Now(), 0
	for passed := time.Duration(0); passed < lasts && err == nil; passed = time.Since(begin) {
		for ; float64(due) < perSecond*passed.Seconds() && err == nil; due++ {
			var sent bool
			if sent, err = f.call(uint32(2*made+1), request); sent {
				made++
			}
		}
		f.write.Lock()
		err = errors.Join(err, f.out.Flush())
		f.write.Unlock()
		select {
		case <-all:
			reading.Wait()
			return made, errors.Join(readErr, err)
		case <-tick.C:
		}
	}
	total.Store(int64(made))
	if f.ended.Load() < int64(made) && err == nil {
		// A ping has the reader look at the total once more, if the last answer came before it was stored.
		f.write.Lock()
		err = errors.Join(f.framer.WritePing(false, [8]byte{}), f.out.Flush())
		f.write.Unlock()
		select {
		case <-all:
		case <-time.After(2 * overloadTimeout):
			err = errors.Join(err, errors.New("the service left calls without an answer"))
		}
	}
	err = errors.Join(err, f.conn.SetReadDeadline(time.Now()))
	reading.Wait()
	if f.ended.Load() >= int64(made) {
		readErr = nil
	}
	return made, errors.Join(err, readErr)
}

// call makes the call of a stream, unless the connection has no room for it.
func (f *flooder) call(stream uint32, request func() proto.Message) (bool, error) {
	if int64(stream/2)-f.ended.Load() >= floodStreams {
		return false, nil
	}
	message, err := proto.Marshal(request())
	if err != nil {
		return false, err
	}
	data := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	data = append(data, message...)
	if f.window.Add(-int64(len(data))) < 0 {
		f.window.Add(int64(len(data)))
		return false, nil
	}
	f.mu.Lock()
	f.begun[stream] = time.Now()
	f.mu.Unlock()
	f.write.Lock()
	defer f.write.Unlock()
	return true, errors.Join(
		f.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.headers, EndHeaders: true}),
		f.framer.WriteData(stream, true, data),
	)
}

// read takes the next frame.
func (f *flooder) read() error {
	frame, err := f.framer.ReadFrame()
	if err != nil {
		return err
	}
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			return f.reply(f.framer.WriteSettingsAck)
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			return f.reply(func() error { return f.framer.WritePing(true, frame.Data) })
		}
	case *http2.WindowUpdateFrame:
		if frame.StreamID == 0 {
			f.window.Add(int64(frame.Increment))
		}
	case *http2.MetaHeadersFrame:
		if frame.StreamEnded() {
			st, err := statusOf(frame)
			if err != nil {
				return err
			}
			f.end(frame.StreamID, st)
		}
	case *http2.RSTStreamFrame:
		f.end(frame.StreamID, status.Newf(codes.Internal, "the stream was reset: %v", frame.ErrCode))
	case *http2.GoAwayFrame:
		return fmt.Errorf("the service closes the connection: %v", frame.ErrCode)
	}
	return nil
}

func (f *flooder) reply(write func() error) error {
	f.write.Lock()
	defer f.write.Unlock()
	return errors.Join(write(), f.out.Flush())
}

func (f *flooder) end(stream uint32, st *status.Status) {
	f.mu.Lock()
	asked, ok := f.begun[stream]
	delete(f.begun, stream)
	f.mu.Unlock()
	if ok { // a stream that ended may be reset as well
		f.answer(st, time.Since(asked))
		f.ended.Add(1)
	}
}

func statusOf(frame *http2.MetaHeadersFrame) (*status.Status, error) {
	p := &spb.Status{Code: int32(codes.Unknown)}
	for _, h := range frame.Fields {
		switch h.Name {
		case "grpc-status":
			var code codes.Code
			if err := code.UnmarshalJSON([]byte(h.Value)); err != nil {
				return nil, err
			}
			p.Code = int32(code)
		case "grpc-message":
			p.Message = h.Value
		case "grpc-status-details-bin":
			b, err := base64.RawStdEncoding.DecodeString(h.Value)
			if err == nil {
				err = proto.Unmarshal(b, p)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return status.FromProto(p), nil
}
