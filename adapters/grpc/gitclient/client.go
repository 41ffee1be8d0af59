// Package gitclient is a [ports.RepositoryStore] over gRPC: what gitserver serves, as if it were here.
package gitclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	optionsv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/options/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/requestid"
	"github.com/gitstore-dev/gitstore/ports"
)

// The limits of a connection. A dead one is noticed after pingTime and pingWait, and replaced within maxBackoff.
const (
	pingTime       = 10 * time.Second
	pingWait       = 5 * time.Second
	connectTimeout = 5 * time.Second
	minBackoff     = 100 * time.Millisecond
	maxHeaderBytes = 128 << 10
	streamWindow   = 1 << 20
	connWindow     = 4 << 20
	// maxBackoff is less than the time for which reads are repeated: when a service that was away has one of the connections again,
	// what that leads to, such as the loads of catalogs, asks over the others.
	maxBackoff = 250 * time.Millisecond
)

// Options of a [Store].
type Options struct {
	// UserAgent names the program and its version; it goes before gRPC's own.
	UserAgent string
	// Credentials secure the connections; nil is plain text, for a service on the same host.
	Credentials credentials.TransportCredentials
	// DialOptions are applied after the store's own.
	DialOptions []grpc.DialOption
}

// Store is a [ports.RepositoryStore] that lives in another process. Beside the errors of the port its methods fail with
// UNAVAILABLE when the service cannot be reached, which they tell within the time of the call, and MESSAGE_TOO_LARGE.
// Reads that fail with UNAVAILABLE are repeated a few times with backoff, and so are commits of one small file and
// releases that have a request id. Nothing else is: QUEUE_FULL and other limits are told at once, and whoever asked knows
// whether it is still worth the load when [errs.Reason.RetryAfter] is over. A call without a deadline gets the one of its operation.
type Store struct {
	connections  *connections
	health       grpc_health_v1.HealthClient
	repositories gitv1.RepositoryServiceClient
	refs         gitv1.RefServiceClient
	content      gitv1.ContentServiceClient
	commits      gitv1.CommitServiceClient
	history      gitv1.HistoryServiceClient
	events       gitv1.EventServiceClient
	packs        gitv1.TransportServiceClient
}

// Dial returns the store behind address, a host and port or any gRPC target. It does no I/O: each cost class of the
// contract has a connection of its own, which is made by its first call, and so has [Store.Ready]. It fails only if address or an option is malformed. The caller closes the store.
func Dial(address string, opts Options) (*Store, error) {
	cs, err := newConnections(address, append(dialOptions(opts), opts.DialOptions...))
	if err != nil {
		return nil, errs.Wrap(err, errs.ReasonInvalidArgument, fmt.Sprintf("the address %q of the git service is invalid: use host:port", address))
	}
	return &Store{
		connections: cs,
		health:      grpc_health_v1.NewHealthClient(cs.health), repositories: gitv1.NewRepositoryServiceClient(cs),
		refs: gitv1.NewRefServiceClient(cs), content: gitv1.NewContentServiceClient(cs),
		commits: gitv1.NewCommitServiceClient(cs), history: gitv1.NewHistoryServiceClient(cs),
		events: gitv1.NewEventServiceClient(cs), packs: gitv1.NewTransportServiceClient(cs),
	}, nil
}

func dialOptions(opts Options) []grpc.DialOption {
	creds := opts.Credentials
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	return []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithUserAgent(opts.UserAgent),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultServiceConfig(serviceConfig()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingTime, Timeout: pingWait, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: minBackoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxBackoff},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithMaxHeaderListSize(maxHeaderBytes),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(wire.Codec()), grpc.MaxCallRecvMsgSize(wire.MaxAnswer), grpc.MaxCallSendMsgSize(wire.MaxRequest)),
		grpc.WithUnaryInterceptor(unary),
		grpc.WithStreamInterceptor(stream),
	}
}

// Retries of a call that failed with UNAVAILABLE.
const (
	maxAttempts    = 4
	retryBackoff   = 100 * time.Millisecond
	maxRetryDelay  = time.Second
	retryFactor    = 2
	retryTokens    = 100
	retryTokenGain = 0.1
)

// serviceConfig lets gRPC repeat what the contract says may be repeated. Once a stream has given its first message it is
// not begun again. RESOURCE_EXHAUSTED is not for it to repeat: that would be more load where there is too much, and keep
// the refusal from whoever asked. When most calls fail, retries stop, so that they do not keep a service down.
func serviceConfig() string {
	type name struct {
		Service string `json:"service"`
		Method  string `json:"method"`
	}
	var safe []name
	for _, op := range wire.Operations() {
		if op.Retry == optionsv1.OperationRetry_OPERATION_RETRY_SAFE {
			safe = append(safe, name{op.Service, op.Method})
		}
	}
	config := map[string]any{
		"methodConfig": []any{map[string]any{"name": safe, "retryPolicy": map[string]any{
			"maxAttempts": maxAttempts, "initialBackoff": seconds(retryBackoff), "maxBackoff": seconds(maxRetryDelay),
			"backoffMultiplier": retryFactor, "retryableStatusCodes": []string{"UNAVAILABLE"},
		}}},
		"retryThrottling": map[string]any{"maxTokens": retryTokens, "tokenRatio": retryTokenGain},
	}
	b, err := json.Marshal(config)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	return string(b)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%gs", d.Seconds()) }

// unary gives a call its deadline and metadata, and takes its receipt.
func unary(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if _, ok := ctx.Deadline(); !ok {
		if op, ok := wire.OperationOf(method); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, op.Timeout())
			defer cancel()
		}
	}
	receipt := ports.ReceiptOf(ctx)
	if receipt == nil {
		return sent(invoke(outgoing(ctx, req), method, req, reply, conn, opts...))
	}
	var trailer metadata.MD
	err := invoke(outgoing(ctx, req), method, req, reply, conn, append(opts, grpc.Trailer(&trailer))...)
	fill(receipt, trailer)
	return sent(err)
}

// sent returns what came of sending the one request of a call. When each of its attempts lost the connection before the
// request was written, gRPC returns an io.EOF that is no status.
func sent(err error) error {
	if _, ok := status.FromError(err); !ok && errors.Is(err, io.EOF) {
		return status.Error(codes.Unavailable, err.Error())
	}
	return err
}

// fill puts the cursor that the service left behind the call into the receipt; one that is none counts for none.
func fill(receipt *ports.Receipt, trailer metadata.MD) {
	if left := trailer.Get(wire.CursorMetadata); receipt != nil && len(left) == 1 {
		receipt.Cursor, _ = event.ParseCursor(left[0])
	}
}

// stream gives a stream its metadata; its deadline is set where its end is known, and so is its repository ([ofRepository]).
func stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(outgoing(ctx, nil), desc, conn, method, opts...)
	if err != nil || desc.ClientStreams {
		return s, err
	}
	return oneRequest{s}, nil
}

// oneRequest is a stream of answers to one request.
type oneRequest struct{ grpc.ClientStream }

func (s oneRequest) SendMsg(m any) error { return sent(s.ClientStream.SendMsg(m)) }

// outgoing returns the context with what a call takes along: its correlation id, its caller, the cursor to have reached, and the
// repository of the request; nil if that is not there yet.
func outgoing(ctx context.Context, req any) context.Context {
	pairs := repositoryOf(req)
	if id := requestid.From(ctx); requestid.Valid(id) {
		pairs = append(pairs, requestid.Metadata, id)
	}
	if who := ports.Caller(ctx); requestid.Valid(who) {
		pairs = append(pairs, wire.CallerMetadata, who)
	}
	if least := ports.MinCursor(ctx); !least.IsZero() {
		pairs = append(pairs, wire.MinCursorMetadata, least.String())
	}
	if pairs == nil {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// ofRepository returns the context with the repository of a stream's first request, which the stream does not have when it begins.
func ofRepository(ctx context.Context, req any) context.Context {
	return metadata.AppendToOutgoingContext(ctx, repositoryOf(req)...)
}

func repositoryOf(req any) []string {
	if r, ok := req.(interface{ GetRepository() string }); ok && requestid.Valid(r.GetRepository()) {
		return []string{wire.RepositoryMetadata, r.GetRepository()}
	}
	return nil
}

// Close ends the connections and every call under way.
func (s *Store) Close() error { return s.connections.close() }

// Ready reports whether the service is there and serves, and the connections that are in use are made, however many calls
// are under way. It fails with UNAVAILABLE, CANCELED and DEADLINE_EXCEEDED.
func (s *Store) Ready(ctx context.Context) error {
	answer, err := s.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return wire.DecodeError(err)
	}
	if answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return errs.New(errs.ReasonUnavailable, "the git service is starting or shutting down: try again shortly")
	}
	return s.connections.ready(ctx)
}

// CreateRepository implements [ports.RepositoryStore].
func (s *Store) CreateRepository(ctx context.Context, req ports.CreateRepository) (ports.RepositoryInfo, error) {
	m, err := s.repositories.CreateRepository(ctx, wire.EncodeCreateRepository(req))
	return answer(m.GetRepository(), err, wire.DecodeRepository)
}

// ListRepositories implements [ports.RepositoryStore].
func (s *Store) ListRepositories(ctx context.Context, page ports.Page) (ports.RepositoryPage, error) {
	m, err := s.repositories.ListRepositories(ctx, wire.EncodeListRepositories(page))
	return answer(m, err, wire.DecodeRepositoryPage)
}

// DeleteRepository implements [ports.RepositoryStore].
func (s *Store) DeleteRepository(ctx context.Context, id git.RepositoryID) error {
	_, err := s.repositories.DeleteRepository(ctx, &gitv1.DeleteRepositoryRequest{Repository: id.String()})
	return wire.DecodeError(err)
}

// Policy implements [ports.RepositoryStore].
func (s *Store) Policy(ctx context.Context, id git.RepositoryID) (ports.PolicyInfo, error) {
	m, err := s.repositories.GetRepositoryPolicy(ctx, &gitv1.GetRepositoryPolicyRequest{Repository: id.String()})
	return answer(m, err, wire.DecodePolicyInfo)
}

// SetPolicy implements [ports.RepositoryStore].
func (s *Store) SetPolicy(ctx context.Context, id git.RepositoryID, policy *ports.Policy) error {
	_, err := s.repositories.SetRepositoryPolicy(ctx, wire.EncodeSetPolicy(id, policy))
	return wire.DecodeError(err)
}

// Repository implements [ports.RepositoryStore].
func (s *Store) Repository(id git.RepositoryID) ports.GitRepository { return repository{s, id} }

// answer decodes the answer of a call, or its error.
func answer[M, T any](m M, err error, decode func(M) (T, error)) (T, error) {
	if err != nil {
		var none T
		return none, wire.DecodeError(err)
	}
	v, err := decode(m)
	return v, wire.BadAnswer(err)
}

var _ ports.RepositoryStore = (*Store)(nil)
