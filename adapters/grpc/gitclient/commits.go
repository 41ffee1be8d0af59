package gitclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// largeAnswer allows for the answer of a commit of very many files.
var largeAnswer = grpc.MaxCallRecvMsgSize(wire.MaxResult)

// CommitFiles implements [ports.Committer]. A commit of one small change is one message and is repeated after
// UNAVAILABLE if it has a RequestID; any other is a stream, which is not.
func (r repository) CommitFiles(ctx context.Context, req ports.CommitFiles, changes iter.Seq2[git.Change, error]) (ports.CommitResult, error) {
	c := &commit{repository: r, req: req, cancel: func() {}}
	defer func() { c.cancel() }() // the service makes no commit of a stream that was broken off
	for change, err := range changes {
		if err == nil {
			err = c.add(ctx, change)
		}
		if err != nil {
			return ports.CommitResult{}, errs.From(err)
		}
	}
	return c.finish(ctx)
}

// commit is a commit on its way to the service.
type commit struct {
	repository
	req ports.CommitFiles
	// only is the first change, if it is small, until a second one comes.
	only *gitv1.InlineFileAction
	// stream is nil until it is needed; cancel ends it.
	stream grpc.ClientStreamingClient[gitv1.CommitFilesRequest, gitv1.CommitFilesResponse]
	cancel context.CancelFunc
	chunk  []byte
}

func (c *commit) add(ctx context.Context, change git.Change) error {
	if c.stream == nil && c.only == nil {
		head, whole, err := readHead(change.Content)
		if err != nil {
			return err
		}
		if whole {
			c.only = wire.EncodeInlineAction(change, head)
			return nil
		}
		change.Content = io.MultiReader(bytes.NewReader(head), change.Content)
	}
	if err := c.begin(ctx); err != nil {
		return err
	}
	return c.sendAction(wire.EncodeAction(change), change.Content)
}

// readHead reads up to [wire.MaxInline] bytes of a content, which may be nil, and reports whether that is all.
func readHead(content io.Reader) ([]byte, bool, error) {
	if content == nil {
		return nil, true, nil
	}
	head, err := io.ReadAll(io.LimitReader(content, wire.MaxInline+1))
	return head, len(head) <= wire.MaxInline, err
}

// begin opens the stream, if it is not open, and sends the header and the change that waits.
func (c *commit) begin(ctx context.Context) error {
	if c.stream != nil {
		return nil
	}
	ctx, c.cancel = withDeadline(ctx, gitv1.CommitService_CommitFiles_FullMethodName)
	first := &gitv1.CommitFilesRequest{Repository: c.id.String(), Payload: &gitv1.CommitFilesRequest_Header{Header: wire.EncodeCommitHeader(c.req)}}
	var err error
	if c.stream, err = c.commits.CommitFiles(ofRepository(ctx, first), largeAnswer); err != nil {
		return wire.DecodeError(err)
	}
	c.chunk = make([]byte, wire.Chunk)
	if err := c.send(first); err != nil || c.only == nil {
		return err
	}
	return c.sendAction(c.only.GetAction(), bytes.NewReader(c.only.GetContent()))
}

func (c *commit) sendAction(action *gitv1.FileAction, content io.Reader) error {
	if err := c.send(&gitv1.CommitFilesRequest{Payload: &gitv1.CommitFilesRequest_Action{Action: action}}); err != nil || content == nil {
		return err
	}
	for {
		n, err := io.ReadFull(content, c.chunk)
		if n > 0 {
			data := &gitv1.CommitFilesRequest_Data{Data: c.chunk[:n]}
			if err := c.send(&gitv1.CommitFilesRequest{Payload: data}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// send sends a message. If the service has ended the stream, gRPC says io.EOF here and why to the one who receives.
func (c *commit) send(m *gitv1.CommitFilesRequest) error {
	err := c.stream.Send(m)
	if errors.Is(err, io.EOF) {
		_, err = c.stream.CloseAndRecv()
	}
	return wire.DecodeError(err)
}

func (c *commit) finish(ctx context.Context) (ports.CommitResult, error) {
	if c.stream == nil && c.only != nil {
		return c.commitOne(ctx)
	}
	if err := c.begin(ctx); err != nil {
		return ports.CommitResult{}, err
	}
	if ctx.Err() != nil { // of which gRPC may not have told the service: the end of the stream would make the commit
		return ports.CommitResult{}, errs.From(ctx.Err())
	}
	m, err := c.stream.CloseAndRecv()
	if err == nil {
		fill(ports.ReceiptOf(ctx), c.stream.Trailer())
	}
	return answer(m.GetResult(), err, wire.DecodeCommitResult)
}

func (c *commit) commitOne(ctx context.Context) (ports.CommitResult, error) {
	ctx, cancel := withDeadline(ctx, gitv1.CommitService_CommitFile_FullMethodName)
	defer cancel()
	m, err := repeated(ctx, c.req.RequestID, func() (*gitv1.CommitFileResponse, error) {
		return c.commits.CommitFile(ctx, wire.EncodeCommitFile(c.id, c.req, c.only))
	})
	return answer(m.GetResult(), err, wire.DecodeCommitResult)
}

// repeated makes a call that its request id makes safe to repeat, and repeats it while it fails with UNAVAILABLE: gRPC's own retries
// would repeat calls without an id as well. The context has the deadline that all attempts share.
func repeated[M any](ctx context.Context, requestID string, call func() (M, error)) (M, error) {
	for attempt := 1; ; attempt++ {
		m, err := call()
		if err == nil || requestID == "" || attempt == maxAttempts || errs.KindOf(wire.DecodeError(err)) != errs.Unavailable {
			return m, err
		}
		select {
		case <-time.After(rand.N(min(retryBackoff<<(attempt-1), maxRetryDelay))): //nolint:gosec // jitter is no secret
		case <-ctx.Done():
			return m, err
		}
	}
}

// PublishRelease implements [ports.Committer]. The changes travel in one message: more than fits is MESSAGE_TOO_LARGE.
func (r repository) PublishRelease(ctx context.Context, req ports.PublishRelease, changes iter.Seq2[git.Change, error]) (ports.ReleaseResult, error) {
	actions, err := inlineActions(changes)
	if err != nil {
		return ports.ReleaseResult{}, errs.From(err)
	}
	ctx, cancel := withDeadline(ctx, gitv1.CommitService_PublishRelease_FullMethodName)
	defer cancel()
	m, err := repeated(ctx, req.RequestID, func() (*gitv1.PublishReleaseResponse, error) {
		return r.commits.PublishRelease(ctx, wire.EncodePublishRelease(r.id, req, actions), largeAnswer)
	})
	return answer(m, err, wire.DecodeReleaseResult)
}

func inlineActions(changes iter.Seq2[git.Change, error]) ([]*gitv1.InlineFileAction, error) {
	var actions []*gitv1.InlineFileAction
	left := int64(wire.MaxRequest)
	for change, err := range changes {
		if err != nil {
			return nil, err
		}
		var content []byte
		if change.Content != nil {
			if content, err = io.ReadAll(io.LimitReader(change.Content, left+1)); err != nil {
				return nil, err
			}
		}
		left -= int64(len(content) + len(change.Path.String()) + len(change.From.String()))
		if len(actions) == ports.MaxActions {
			return nil, errs.InvalidField(errs.ReasonTooManyActions, "actions", "the commit has more than %d actions: split it", ports.MaxActions)
		}
		if left < 0 {
			return nil, errs.InvalidField(errs.ReasonMessageTooLarge, "actions",
				"the changes of a release have to fit %d bytes: commit them with CommitFiles, then publish the release without changes", wire.MaxRequest)
		}
		actions = append(actions, wire.EncodeInlineAction(change, content))
	}
	return actions, nil
}
