package gitserver_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
)

// peer is a client that speaks HTTP/2 as it likes.
type peer struct {
	t    *testing.T
	conn net.Conn
	*http2.Framer
	settings map[http2.SettingID]uint32
}

// connect makes a connection and exchanges settings.
func (s service) connect(t *testing.T) *peer {
	t.Helper()
	conn, err := s.lis.DialContext(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	p := &peer{t: t, conn: conn, Framer: http2.NewFramer(conn, conn), settings: map[http2.SettingID]uint32{}}
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err = io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	require.NoError(t, p.WriteSettings())
	settings, ok := p.next().(*http2.SettingsFrame)
	require.True(t, ok)
	require.NoError(t, settings.ForeachSetting(func(s http2.Setting) error {
		p.settings[s.ID] = s.Val
		return nil
	}))
	require.NoError(t, p.WriteSettingsAck())
	return p
}

func (p *peer) next() http2.Frame {
	p.t.Helper()
	f, err := p.ReadFrame()
	require.NoError(p.t, err)
	return f
}

// fields encodes the header of a call, overridden or extended by pairs of names and values.
func fields(pairs ...string) []byte {
	header := [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", grpc_health_v1.Health_Check_FullMethodName}, {":authority", "test"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		found := false
		for j := range header {
			if header[j][0] == pairs[i] {
				header[j][1], found = pairs[i+1], true
			}
		}
		if !found {
			header = append(header, [2]string{pairs[i], pairs[i+1]})
		}
	}
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, f := range header {
		_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	return b.Bytes()
}

// call begins a stream.
func (p *peer) call(stream uint32, end bool, pairs ...string) error {
	return p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: fields(pairs...), EndHeaders: true, EndStream: end})
}

// message frames a message as gRPC does.
func framed(m proto.Message) []byte {
	b, _ := proto.Marshal(m)
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(b))), b...)
}

// trailer reads until the stream's header frame with a status, and returns that.
func (p *peer) status(stream uint32) string {
	p.t.Helper()
	for {
		f, ok := p.next().(*http2.MetaHeadersFrame)
		if !ok || f.StreamID != stream {
			continue
		}
		for _, field := range f.Fields {
			if field.Name == "grpc-status" {
				return field.Value
			}
		}
	}
}

// goAway reads until the server gives the connection up.
func (p *peer) goAway() (http2.ErrCode, string) {
	p.t.Helper()
	for {
		if f, ok := p.next().(*http2.GoAwayFrame); ok {
			return f.ErrCode, string(f.DebugData())
		}
	}
}

// alive checks that the server answers somebody else.
func (s service) alive(t *testing.T) {
	t.Helper()
	conn := s.dial()
	defer func() { _ = conn.Close() }()
	_, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	assert.NoError(t, err, "the server does not answer others any more")
}

func TestAWellBehavedPeerIsAnswered(t *testing.T) {
	p := start(t, shop(t, nil), gitserver.Options{}).connect(t)
	require.NoError(t, p.call(1, false))
	require.NoError(t, p.WriteData(1, true, framed(&grpc_health_v1.HealthCheckRequest{})))
	assert.Equal(t, "0", p.status(1))
}

func TestAConnectionHas1024StreamsAtATime(t *testing.T) {
	s := start(t, shop(t, nil), gitserver.Options{})
	p := s.connect(t)
	assert.EqualValues(t, 1024, p.settings[http2.SettingMaxConcurrentStreams])
	const tried = 1200
	go func() {
		for i := range uint32(tried) {
			if p.call(2*i+1, false) != nil {
				return
			}
		}
	}()
	for refused := 0; refused < tried-1024; {
		if f, ok := p.next().(*http2.RSTStreamFrame); ok {
			assert.Equal(t, http2.ErrCodeRefusedStream, f.ErrCode)
			assert.Greater(t, f.StreamID, uint32(2*1024))
			refused++
		}
	}
	s.alive(t)
}

func TestStreamsThatAreResetAtOnceDoNoHarm(t *testing.T) {
	s := start(t, shop(t, nil), gitserver.Options{})
	p := s.connect(t)
	go func() { _, _ = io.Copy(io.Discard, p.conn) }()
	for i := range uint32(5_000) {
		if p.call(2*i+1, false) != nil || p.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
			break // the server may give such a peer up
		}
	}
	s.alive(t)
}

func TestHeadersAbove16KiBAreRefused(t *testing.T) {
	s := start(t, shop(t, nil), gitserver.Options{})
	p := s.connect(t)
	assert.EqualValues(t, 16<<10, p.settings[http2.SettingMaxHeaderListSize])
	var many []string
	for i := range 20 {
		many = append(many, fmt.Sprintf("x-%d", i), strings.Repeat("a", 1<<10))
	}
	require.NoError(t, p.call(1, true, many...))
	for {
		f := p.next()
		if rst, ok := f.(*http2.RSTStreamFrame); ok {
			assert.Equal(t, http2.ErrCodeFrameSize, rst.ErrCode)
			break
		}
		if h, ok := f.(*http2.MetaHeadersFrame); ok {
			t.Fatalf("it was answered: %v", h.Fields)
		}
	}
	require.NoError(t, p.call(3, true, "x-large", strings.Repeat("a", 20<<10)))
	for {
		f, err := p.ReadFrame()
		if err != nil {
			break // a single field of this size ends the connection
		}
		if h, ok := f.(*http2.MetaHeadersFrame); ok {
			t.Fatalf("it was answered: %v", h.Fields)
		}
	}
	s.alive(t)
}

func TestAFloodOfContinuationsIsCutOff(t *testing.T) {
	s := start(t, shop(t, nil), gitserver.Options{})
	p := s.connect(t)
	go func() { _, _ = io.Copy(io.Discard, p.conn) }()
	require.NoError(t, p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: fields()}))
	var block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("a", 10<<10)})
	var err error
	for range 10_000 {
		if err = p.WriteContinuation(1, false, block.Bytes()); err != nil {
			break
		}
	}
	assert.Error(t, err, "100 MB of headers were taken")
	s.alive(t)
}

func TestPingsWithoutPauseEndTheConnection(t *testing.T) {
	s := start(t, shop(t, nil), gitserver.Options{})
	p := s.connect(t)
	go func() {
		for i := range byte(100) {
			if p.WritePing(false, [8]byte{i}) != nil {
				return
			}
		}
	}()
	code, why := p.goAway()
	assert.Equal(t, http2.ErrCodeEnhanceYourCalm, code)
	assert.Equal(t, "too_many_pings", why)
	s.alive(t)
}

func TestAPathOfNoMethodIsUnimplemented(t *testing.T) {
	s := start(t, shop(t, nil), gitserver.Options{})
	p := s.connect(t)
	for i, path := range []string{
		strings.TrimPrefix(gitv1.ContentService_GetFile_FullMethodName, "/"), "x", "/", "//", "/gitstore.git.v1.ContentService",
		"/gitstore.git.v1.ContentService/", "/gitstore.git.v1.ContentService/getFile", "/gitstore.git.v1.TransportService/Clone",
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
	} {
		stream := uint32(2*i + 1)
		require.NoError(t, p.call(stream, true, ":path", path))
		assert.Equal(t, "12", p.status(stream), "%q", path)
	}
	s.alive(t)
}

func TestATimeoutOfNothingIsOver(t *testing.T) {
	s := start(t, odd{}, gitserver.Options{}) // a call would panic
	p := s.connect(t)
	require.NoError(t, p.call(1, false, ":path", gitv1.ContentService_GetFile_FullMethodName, "grpc-timeout", "0n"))
	assert.Equal(t, "4", p.status(1))
	assert.NotContains(t, s.log.String(), "panic")
}

func TestConnectionsAboveTheLimitWait(t *testing.T) {
	s := start(t, shop(t, nil), gitserver.Options{MaxConnections: 1})
	first := s.connect(t)
	connected := make(chan struct{})
	go func() {
		defer close(connected)
		conn := s.dial()
		defer func() { _ = conn.Close() }()
		_, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		assert.NoError(t, err)
	}()
	select {
	case <-connected:
		t.Error("a second connection was served beside the first")
	default:
	}
	require.NoError(t, first.conn.Close())
	<-connected
}
