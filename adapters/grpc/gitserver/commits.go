package gitserver

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/budget"
	"github.com/gitstore-dev/gitstore/ports"
)

type commitService struct {
	gitv1.UnsafeCommitServiceServer
	store ports.RepositoryStore
}

func (s commitService) CommitFiles(stream grpc.ClientStreamingServer[gitv1.CommitFilesRequest, gitv1.CommitFilesResponse]) error {
	first, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if first.GetHeader() == nil {
		return errs.InvalidField(errs.ReasonInvalidArgument, "header", "the first message has to be the header of the commit")
	}
	id, req, err := wire.DecodeCommitHeader(first.GetRepository(), first.GetHeader())
	if err != nil {
		return err
	}
	up := &upload{recv: stream.Recv, hold: holdOf(stream.Context())}
	result, err := s.store.Repository(id).CommitFiles(stream.Context(), req, up.changes())
	if up.err != nil {
		err = up.err // what the store made of it says less
	}
	if err != nil {
		return err
	}
	return stream.SendAndClose(&gitv1.CommitFilesResponse{Result: wire.EncodeCommitResult(result)})
}

// upload reads the actions of a CommitFiles stream, one message at a time: a client sends no faster than its content is
// stored. Its changes and their contents are used by one goroutine.
type upload struct {
	recv func() (*gitv1.CommitFilesRequest, error)
	// action was received and not begun.
	action *gitv1.FileAction
	// takesData reports that the action begun last has content.
	takesData bool
	// data was received and not read.
	data []byte
	// done reports that the client has sent everything.
	done bool
	err  error
	// hold is where what the commit keeps of its actions counts.
	hold *budget.Hold
	// actions counts them, and paths the bytes that the result will say about them, and those of the paths that are moved.
	actions, paths int
}

func (u *upload) changes() iter.Seq2[git.Change, error] {
	return func(yield func(git.Change, error) bool) {
		for {
			u.receiveAction()
			if u.err != nil {
				yield(git.Change{}, u.err)
				return
			}
			if u.action == nil || !yield(u.begin()) || u.err != nil {
				return
			}
		}
	}
}

// receiveAction receives until there is an action, the end or an error. Content that the store did not want is dropped.
func (u *upload) receiveAction() {
	for u.action == nil && !u.done && u.err == nil {
		u.receive()
	}
}

// begin begins the action that was received.
func (u *upload) begin() (git.Change, error) {
	var change git.Change
	change, u.err = wire.DecodeAction(u.action, u)
	u.takesData, u.action, u.data = u.action.GetHasContent(), nil, nil
	if u.err != nil {
		return change, u.err
	}
	u.actions++
	result := len(change.Path.String()) + 2*git.SHA256.Size() + 16
	if u.paths += result + len(change.From.String()); u.paths > wire.MaxResult {
		u.err = errs.InvalidField(errs.ReasonTooManyActions, "actions", "the paths of more than %d such actions are too much for a commit: split it", u.actions-1)
		return change, u.err
	}
	u.err = takeEdit(u.hold, change, result)
	return change, u.err
}

func (u *upload) receive() {
	m, err := u.recv()
	if errors.Is(err, io.EOF) {
		u.done = true
		return
	}
	if err != nil {
		u.err = wire.DecodeError(err)
		return
	}
	switch p := m.GetPayload().(type) {
	case *gitv1.CommitFilesRequest_Action:
		u.action = p.Action
	case *gitv1.CommitFilesRequest_Data:
		if u.data = p.Data; !u.takesData {
			u.fail("data", "data came without an action that has content")
		}
	case *gitv1.CommitFilesRequest_Header:
		u.fail("header", "a second header came: a call makes one commit")
	default:
		u.fail("payload", "a message holds neither action nor data")
	}
	if m.GetRepository() != "" {
		u.fail("repository", "only the first message names the repository")
	}
}

func (u *upload) fail(field, what string) {
	u.err = errs.New(errs.ReasonInvalidArgument, what, errs.MetaField, field)
}

// Read reads the content of the action begun last.
func (u *upload) Read(b []byte) (int, error) {
	for len(u.data) == 0 && u.action == nil && !u.done && u.err == nil {
		u.receive()
	}
	if u.err != nil {
		return 0, u.err
	}
	if len(u.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, u.data)
	u.data = u.data[n:]
	return n, nil
}

func (s commitService) CommitFile(ctx context.Context, m *gitv1.CommitFileRequest) (*gitv1.CommitFileResponse, error) {
	id, req, change, err := wire.DecodeCommitFile(m)
	if err != nil {
		return nil, err
	}
	result, err := s.store.Repository(id).CommitFiles(ctx, req, each(change))
	if err != nil {
		return nil, err
	}
	return &gitv1.CommitFileResponse{Result: wire.EncodeCommitResult(result)}, nil
}

func (s commitService) DeleteFile(ctx context.Context, m *gitv1.DeleteFileRequest) (*gitv1.DeleteFileResponse, error) {
	id, req, change, err := wire.DecodeDeleteFile(m)
	if err != nil {
		return nil, err
	}
	result, err := s.store.Repository(id).CommitFiles(ctx, req, each(change))
	if err != nil {
		return nil, err
	}
	return &gitv1.DeleteFileResponse{Result: wire.EncodeCommitResult(result)}, nil
}

func (s commitService) PublishRelease(ctx context.Context, m *gitv1.PublishReleaseRequest) (*gitv1.PublishReleaseResponse, error) {
	id, req, changes, err := wire.DecodePublishRelease(m)
	if err != nil {
		return nil, err
	}
	result, err := s.store.Repository(id).PublishRelease(ctx, req, each(changes...))
	if err != nil {
		return nil, err
	}
	return wire.EncodeReleaseResult(result), nil
}

func each(changes ...git.Change) iter.Seq2[git.Change, error] {
	return func(yield func(git.Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}
