package gitserver_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/requestid"
	"github.com/gitstore-dev/gitstore/ports"
)

func TestAMessageAboveTheLimitIsRefused(t *testing.T) {
	s := start(t, shop(t, nil), gitserver.Options{})
	large := make([]byte, wire.MaxRequest+1)
	t.Run("unary", func(t *testing.T) {
		m := &gitv1.CommitFileRequest{Repository: "shop", File: &gitv1.InlineFileAction{Content: large}}
		_, err := s.commits().CommitFile(t.Context(), m)
		assert.Equal(t, codes.ResourceExhausted, status.Code(err))
		fails(t, err, errs.ReasonMessageTooLarge)
	})
	t.Run("stream", func(t *testing.T) {
		stream, err := s.commits().CommitFiles(t.Context())
		require.NoError(t, err)
		_ = stream.Send(&gitv1.CommitFilesRequest{Payload: &gitv1.CommitFilesRequest_Data{Data: large}})
		_, err = stream.CloseAndRecv()
		fails(t, err, errs.ReasonMessageTooLarge)
	})
}

func TestAMillionRepeatedFieldsAreRefused(t *testing.T) {
	s := start(t, shop(t, nil), gitserver.Options{})
	many := make([][]byte, 1e6)
	_, err := receive(s.content().BatchGetFiles(t.Context(), &gitv1.BatchGetFilesRequest{Repository: "shop", Revision: head(), Paths: many}))
	fails(t, err, errs.ReasonTooManyActions, "paths")
	_, err = receive(s.content().ListFiles(t.Context(), &gitv1.ListFilesRequest{Repository: "shop", Revision: head(), Patterns: many}))
	fails(t, err, errs.ReasonTooManyActions, "patterns")
}

// raw sends bytes for a message.
type raw struct{ encoding.CodecV2 }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (raw) Unmarshal(mem.BufferSlice, any) error { return nil }

func (raw) Name() string { return "proto" }

func TestBytesThatAreNoMessageAreTheClientsFault(t *testing.T) {
	s := start(t, shop(t, map[string]string{"README.md": "hello"}), gitserver.Options{})
	deep := strings.Repeat("\x7b", 20_000)
	for name, m := range map[string]string{
		"cut off":                  "\x0a\xff",
		"10,000 groups deep":       deep,
		"text that is not UTF-8":   "\x0a\x01\xff",
		"wire type that is no one": "\x0f",
	} {
		t.Run(name, func(t *testing.T) {
			err := s.Invoke(t.Context(), gitv1.ContentService_GetFile_FullMethodName, []byte(m), nil, grpc.ForceCodecV2(raw{}))
			fails(t, err, errs.ReasonInvalidArgument)

			desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
			for _, method := range []string{gitv1.ContentService_ReadTree_FullMethodName, gitv1.CommitService_CommitFiles_FullMethodName} {
				stream, err := s.NewStream(t.Context(), desc, method, grpc.ForceCodecV2(raw{}))
				require.NoError(t, err)
				require.NoError(t, stream.SendMsg([]byte(m)))
				require.NoError(t, stream.CloseSend())
				fails(t, stream.RecvMsg(nil), errs.ReasonInvalidArgument)
			}
		})
	}
	assert.Contains(t, s.log.String(), "method=gitstore.git.v1.ContentService/GetFile code=InvalidArgument", "the log skips what cannot be read")
}

func TestFieldsThatNobodyKnowsAreIgnored(t *testing.T) {
	s := start(t, shop(t, map[string]string{"README.md": "hello"}), gitserver.Options{})
	m := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte("shop"))
	m = protowire.AppendBytes(protowire.AppendTag(m, 1000, protowire.BytesType), []byte("of a later version"))
	err := s.Invoke(t.Context(), gitv1.RepositoryService_GetRepository_FullMethodName, m, nil, grpc.ForceCodecV2(raw{}))
	assert.NoError(t, err)
}

func TestUnsetChoicesAndUnknownNumbersAreRefusedByField(t *testing.T) {
	s := start(t, shop(t, map[string]string{"README.md": "hello"}), gitserver.Options{})
	_, err := s.content().GetFile(t.Context(), &gitv1.GetFileRequest{Repository: "shop", Revision: &gitv1.Revision{}, Path: []byte("README.md")})
	fails(t, err, errs.ReasonInvalidRevision, "revision")
	_, err = s.content().GetFile(t.Context(), &gitv1.GetFileRequest{Repository: "shop", Path: []byte("README.md")})
	fails(t, err, errs.ReasonInvalidRevision, "revision")
	_, err = gitv1.NewRepositoryServiceClient(s).CreateRepository(t.Context(), &gitv1.CreateRepositoryRequest{Repository: "other", ObjectFormat: 99})
	fails(t, err, errs.ReasonInvalidArgument, "object_format")
}

func TestReflectionAndHealth(t *testing.T) {
	ask := func(t *testing.T, s service) error {
		stream, err := grpc_reflection_v1.NewServerReflectionClient(s).ServerReflectionInfo(t.Context())
		require.NoError(t, err)
		list := &grpc_reflection_v1.ServerReflectionRequest_ListServices{}
		_ = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: list}) // Recv tells why it fails
		_, err = stream.Recv()
		_ = stream.CloseSend()
		return err
	}
	t.Run("reflection is off by default", func(t *testing.T) {
		fails(t, ask(t, start(t, shop(t, nil), gitserver.Options{})), errs.ReasonMethodNotFound)
	})
	t.Run("reflection is an option", func(t *testing.T) {
		assert.NoError(t, ask(t, start(t, shop(t, nil), gitserver.Options{Reflection: true})))
	})
	t.Run("health is always on and can be switched", func(t *testing.T) {
		s := start(t, shop(t, nil), gitserver.Options{})
		for _, want := range []grpc_health_v1.HealthCheckResponse_ServingStatus{1, 2, 1} {
			s.server.SetServing(want == grpc_health_v1.HealthCheckResponse_SERVING)
			got, err := grpc_health_v1.NewHealthClient(s).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
			require.NoError(t, err)
			assert.Equal(t, want, got.GetStatus())
		}
	})
}

func TestEveryCallHasADeadlineWithinTheTimeOfItsOperation(t *testing.T) {
	var left time.Duration
	store := odd{getFile: func(ctx context.Context) (ports.FileContent, error) {
		deadline, ok := ctx.Deadline()
		if !ok {
			return ports.FileContent{}, errors.New("no deadline")
		}
		left = time.Until(deadline)
		return ports.FileContent{}, nil
	}}
	s := start(t, store, gitserver.Options{})
	op, _ := wire.OperationOf(gitv1.ContentService_GetFile_FullMethodName)
	for name, tt := range map[string]struct{ asked, least, most time.Duration }{
		"no deadline":               {0, op.Timeout() / 2, op.Timeout()},
		"a deadline in ten years":   {10 * 365 * 24 * time.Hour, op.Timeout() / 2, op.Timeout()},
		"a deadline in ten seconds": {10 * time.Second, time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if tt.asked > 0 {
				ctx, cancel = context.WithTimeout(ctx, tt.asked)
			}
			defer cancel()
			_, err := s.content().GetFile(ctx, readme())
			require.NoError(t, err)
			assert.Greater(t, left, tt.least)
			assert.LessOrEqual(t, left, tt.most)
		})
	}
}

func TestACallWhoseDeadlineHasPassedIsNotMade(t *testing.T) {
	s := start(t, odd{getFile: func(context.Context) (ports.FileContent, error) {
		return ports.FileContent{}, errors.New("it was made")
	}}, gitserver.Options{})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "grpc-timeout", "0n")
	ctx, cancel := context.WithTimeout(ctx, 0)
	defer cancel()
	_, err := s.content().GetFile(ctx, readme())
	fails(t, err, errs.ReasonDeadlineExceeded)
}

func TestACanceledCallEndsTheStores(t *testing.T) {
	called, ended := make(chan struct{}), make(chan error, 1)
	wait := func(ctx context.Context) error {
		close(called)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	}
	for name, call := range map[string]func(context.Context, service) error{
		"read": func(ctx context.Context, s service) error {
			_, err := s.content().GetFile(ctx, readme())
			return err
		},
		"list": func(ctx context.Context, s service) error {
			_, err := receive(s.content().ListFiles(ctx, &gitv1.ListFilesRequest{Repository: "shop", Revision: head()}))
			return err
		},
		"commit": func(ctx context.Context, s service) error {
			_, err := s.commits().CommitFile(ctx, &gitv1.CommitFileRequest{Repository: "shop", File: &gitv1.InlineFileAction{
				Action: &gitv1.FileAction{Path: []byte("a"), Kind: gitv1.FileActionKind_FILE_ACTION_KIND_DELETE},
			}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			called = make(chan struct{})
			s := start(t, odd{
				getFile: func(ctx context.Context) (ports.FileContent, error) { return ports.FileContent{}, wait(ctx) },
				listFiles: func(ctx context.Context) iter.Seq2[ports.FileInfo, error] {
					return func(yield func(ports.FileInfo, error) bool) { yield(ports.FileInfo{}, wait(ctx)) }
				},
				commit: func(ctx context.Context, _ iter.Seq2[git.Change, error]) error { return wait(ctx) },
			}, gitserver.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-called
				cancel()
			}()
			fails(t, call(ctx, s), errs.ReasonCanceled)
			assert.ErrorIs(t, <-ended, context.Canceled)
		})
	}
}

func TestAPanicIsAnInternalErrorWithAnIncidentAndTheServerLives(t *testing.T) {
	store := odd{
		getFile:   func(context.Context) (ports.FileContent, error) { panic("secret state") },
		listFiles: func(context.Context) iter.Seq2[ports.FileInfo, error] { panic("secret state") },
	}
	s := start(t, store, gitserver.Options{})
	for name, call := range map[string]func() error{
		"unary": func() error { _, err := s.content().GetFile(t.Context(), readme()); return err },
		"stream": func() error {
			_, err := receive(s.content().ListFiles(t.Context(), &gitv1.ListFilesRequest{Repository: "shop"}))
			return err
		},
	} {
		for range 2 {
			err := call()
			fails(t, err, errs.ReasonInternal)
			e := told(err)
			incident := e.Meta[errs.MetaIncident]
			require.NotEmpty(t, incident, name)
			assert.Contains(t, e.Error(), incident)
			assert.NotContains(t, e.Error(), "secret")
			log := s.log.String()
			assert.Contains(t, log, "incident="+incident)
			assert.Contains(t, log, "secret state")
			assert.Contains(t, log, "call_test.go", "no stack")
		}
	}
}

func TestWhatWentWrongInsideIsLoggedAndNotSent(t *testing.T) {
	const secret = "/var/lib/gitstore/repositories/ab: fatal: bad object"
	for name, inside := range map[string]error{
		"an error that nobody classified": errors.New(secret),
		"an internal error":               errs.Wrap(errors.New("exit status 128"), errs.ReasonInternal, secret),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, odd{getFile: func(context.Context) (ports.FileContent, error) { return ports.FileContent{}, inside }}, gitserver.Options{})
			_, err := s.content().GetFile(t.Context(), readme())
			fails(t, err, errs.ReasonInternal)
			e := told(err)
			st, _ := status.FromError(err)
			assert.NotContains(t, st.Proto().String(), "fatal")
			assert.Contains(t, s.log.String(), secret)
			assert.Contains(t, s.log.String(), e.Meta[errs.MetaIncident])
		})
	}
}

func TestTheCauseOfACorruptionIsLoggedAndNotSent(t *testing.T) {
	inside := errs.Wrap(errors.New("fatal: /var/lib"), errs.ReasonRepositoryCorrupt, "object 0a is missing")
	s := start(t, odd{getFile: func(context.Context) (ports.FileContent, error) { return ports.FileContent{}, inside }}, gitserver.Options{})
	_, err := s.content().GetFile(t.Context(), readme())
	fails(t, err, errs.ReasonRepositoryCorrupt)
	e := told(err)
	assert.Equal(t, "object 0a is missing", e.Error())
	assert.Contains(t, s.log.String(), "fatal: /var/lib")
	assert.Contains(t, s.log.String(), "level=ERROR")
}

func TestTheCorrelationIDReachesStoreAndLog(t *testing.T) {
	var seen string
	s := start(t, odd{getFile: func(ctx context.Context) (ports.FileContent, error) {
		seen = requestid.From(ctx)
		return ports.FileContent{}, nil
	}}, gitserver.Options{})
	for name, tt := range map[string]struct {
		sent []string
		kept bool
	}{
		"one":            {[]string{"id-42"}, true},
		"none":           {nil, false},
		"two":            {[]string{"a", "b"}, false},
		"with a space":   {[]string{"a b"}, false},
		"of 10 KB":       {[]string{strings.Repeat("a", 10<<10)}, false},
		"one that lasts": {[]string{strings.Repeat("a", 128)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{requestid.Metadata: tt.sent})
			_, err := s.content().GetFile(ctx, readme())
			require.NoError(t, err)
			if tt.kept {
				assert.Equal(t, tt.sent[0], seen)
			} else {
				assert.Len(t, seen, 32)
			}
			assert.Contains(t, s.log.String(), "request_id="+seen)
		})
	}
}

func TestTheLogHasALineForEachCall(t *testing.T) {
	s := start(t, shop(t, map[string]string{"README.md": "hello"}), gitserver.Options{})
	_, err := s.content().GetFile(t.Context(), readme())
	require.NoError(t, err)
	_, err = s.content().GetFile(t.Context(), &gitv1.GetFileRequest{Repository: strings.Repeat("x", 5000) + "\nlevel=ERROR", Revision: head()})
	fails(t, err, errs.ReasonInvalidRepositoryID)
	_, err = receive(s.content().ListFiles(t.Context(), &gitv1.ListFilesRequest{Repository: "shop", Revision: head()}))
	require.NoError(t, err)
	_, err = gitv1.NewRepositoryServiceClient(s).CreateRepository(t.Context(), &gitv1.CreateRepositoryRequest{Repository: "other"})
	require.NoError(t, err)

	lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	require.Len(t, lines, 4)
	for i, want := range []string{
		"level=DEBUG", "level=INFO", "level=DEBUG", "level=INFO",
	} {
		assert.Contains(t, lines[i], want)
		assert.Contains(t, lines[i], "duration=")
		assert.Less(t, len(lines[i]), 1500)
	}
	assert.Contains(t, lines[0], "method=gitstore.git.v1.ContentService/GetFile code=OK")
	assert.Contains(t, lines[0], "repository=shop")
	assert.Contains(t, lines[1], "reason=INVALID_REPOSITORY_ID")
	assert.Contains(t, lines[2], "repository=shop")
}

func TestCallsAreCountedByMethodAndCode(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := start(t, shop(t, map[string]string{"README.md": "hello"}), gitserver.Options{Registerer: reg})
	for range 3 {
		_, err := s.content().GetFile(t.Context(), readme())
		require.NoError(t, err)
	}
	_, err := s.content().GetFile(t.Context(), &gitv1.GetFileRequest{Repository: "other", Revision: head()})
	fails(t, err, errs.ReasonRepositoryNotFound)
	assert.Equal(t, 3.0, metric(t, reg, "gitstore_grpc_requests_total", "gitstore.git.v1.ContentService/GetFile", "OK"))
	assert.Equal(t, 1.0, metric(t, reg, "gitstore_grpc_requests_total", "gitstore.git.v1.ContentService/GetFile", "NotFound"))
	assert.Equal(t, 0.0, metric(t, reg, "gitstore_grpc_requests_total", "gitstore.git.v1.RefService/ListRefs", "OK"))
	assert.Equal(t, 4.0, metric(t, reg, "gitstore_grpc_request_duration_seconds", "gitstore.git.v1.ContentService/GetFile"))
}

// metric returns a counter, a gauge, or the count of a histogram, by its label values.
func metric(t *testing.T, reg *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == name && sameSet(values, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return math.NaN()
}

func sameSet(a, b []string) bool {
	seen := map[string]bool{}
	for _, s := range a {
		seen[s] = true
	}
	for _, s := range b {
		if !seen[s] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestShutdownDoesNotWaitForACallThatGoesOnWhenItIsBrokenOff(t *testing.T) {
	called, release := make(chan struct{}), make(chan struct{})
	s := start(t, odd{getFile: func(context.Context) (ports.FileContent, error) {
		close(called)
		<-release
		return ports.FileContent{}, nil
	}}, gitserver.Options{})
	answer := make(chan error, 1)
	go func() { _, err := s.content().GetFile(t.Context(), readme()); answer <- err }()
	<-called
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.server.Shutdown(ctx)
	close(release)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "gitstore.git.v1.ContentService/GetFile")
	fails(t, <-answer, errs.ReasonUnavailable)
}

func TestShutdownWaitsForCallsAndThenBreaksThemOff(t *testing.T) {
	called := make(chan struct{}, 2)
	release := make(chan struct{})
	s := start(t, odd{getFile: func(ctx context.Context) (ports.FileContent, error) {
		called <- struct{}{}
		select {
		case <-release:
			return ports.FileContent{}, nil
		case <-ctx.Done():
			return ports.FileContent{}, ctx.Err()
		}
	}}, gitserver.Options{})
	answers := make(chan error, 2)
	call := func() { _, err := s.content().GetFile(t.Context(), readme()); answers <- err }
	go call()
	go call()
	<-called
	<-called
	ctx, cancel := context.WithCancel(t.Context())
	shut := make(chan error, 1)
	go func() { shut <- s.server.Shutdown(ctx) }()
	release <- struct{}{}
	assert.NoError(t, <-answers, "a call under way was not waited for")
	cancel()
	assert.ErrorIs(t, <-shut, context.Canceled)
	fails(t, <-answers, errs.ReasonUnavailable)
}
