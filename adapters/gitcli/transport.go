package gitcli

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/internal/pktline"
	"github.com/gitstore-dev/gitstore/ports"
)

var _ ports.PackTransport = (*Store)(nil)

// uploadPack returns the command "git upload-pack" for the current directory. Branches and tags are all that it knows of,
// and of filters those that cost no walk for each object (git-config(1): transfer.hideRefs, uploadpackfilter).
func uploadPack(v git.ProtocolVersion, advertise bool) command.Command {
	c := command.Git("upload-pack", "--strict", "--stateless-rpc", ".")
	if advertise {
		c = command.Git("upload-pack", "--strict", "--stateless-rpc", "--http-backend-info-refs", ".")
	}
	return c.Bounded().Banded().WithProtocol(v).WithConfig(
		"transfer.hideRefs=refs", "transfer.hideRefs=!refs/heads", "transfer.hideRefs=!refs/tags",
		"uploadpack.allowFilter=true", "uploadpackfilter.allow=false", "uploadpackfilter.blob:none.allow=true",
		"uploadpackfilter.blob:limit.allow=true", "uploadpackfilter.tree.allow=true", "uploadpackfilter.tree.maxDepth=0",
	)
}

// AdvertiseRefs implements [ports.PackTransport].
func (s *Store) AdvertiseRefs(ctx context.Context, id git.RepositoryID, q ports.AdvertiseRefs, out io.Writer) error {
	ctx, r, end, err := s.serve(ctx, id)
	if err != nil {
		return err
	}
	defer end()
	if q.Service == git.ReceivePackService {
		return advertiseReceive(r, q.Version, out)
	}
	if err := r.certain(ctx); err != nil {
		return err
	}
	return s.exchanged(ctx, r, s.runner.Exchange(ctx, r.dir, uploadPack(q.Version, true), strings.NewReader(""), out))
}

// UploadPack implements [ports.PackTransport].
func (s *Store) UploadPack(ctx context.Context, id git.RepositoryID, v git.ProtocolVersion, in io.Reader, out io.Writer) error {
	ctx, r, end, err := s.serve(ctx, id)
	if err != nil {
		return err
	}
	defer end()
	if err := r.certain(ctx); err != nil {
		return err
	}
	lines := &uploadRequest{in: in, lines: pktline.NewReader(in), left: ports.MaxUploadRequest}
	err = s.runner.Exchange(ctx, r.dir, uploadPack(v, false), lines, out)
	if exit, ended := errors.AsType[*command.ExitError](err); ended {
		if exit.Refused {
			return nil
		}
		if noHistory.MatchString(exit.Said) {
			_, err = out.Write(pktline.Append(nil, "ERR no commit is within the limits of the shallow history: "+
				"--shallow-since needs an earlier date, --shallow-exclude the name of one branch or tag\n"))
		}
	}
	return s.exchanged(ctx, r, err)
}

// certain fails, with UNAVAILABLE as a write does, while the refs that git finds in the directory may not be on the disk, after it was tried to put them
// there: clients of git are shown no more than other readers.
func (r *repo) certain(ctx context.Context) error {
	if !r.writer.unfinished.Load() {
		return nil
	}
	return r.writer.do(ctx, nil, func(context.Context, *draft) ([]repository.RefChange, error) { return nil, nil })
}

// serve opens the repository for a call that runs git in it, whose context ends when the store is closed. Close waits for
// the call until end.
func (s *Store) serve(ctx context.Context, id git.RepositoryID) (_ context.Context, r *repo, end func(), err error) {
	done, err := s.begin()
	if err != nil {
		return nil, nil, nil, err
	}
	if r, err = s.repo(ctx, id); err != nil {
		done()
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(errDraining) })
	return ctx, r, func() {
		stop()
		cancel(nil)
		done()
	}, nil
}

// refusals are the beginnings of what git says on its standard error of requests that are not of the protocol, and not of
// what is wrong here, of which upload-pack speaks in much the same words.
var refusals = regexp.MustCompile(`(?m)^fatal: (?:protocol error|(?:git )?upload-pack: (?:not our ref |protocol error|expected |deepen |filtering )|` +
	`expected (?:flush |something |'tree)|unexpected line|unknown (?:capability|object format|ref|command)|command '|no command requested|(?:bad|invalid|malformed) (?:shallow|unshallow|filter|command|want|deepen)|` +
	`Invalid deepen|deepen |filter |multiple filter-specs |must escape |garbage |negative |the remote end hung up|object-info: |object-format |mismatched object format|promisor remote)`)

// noHistory is what git says on its standard error alone of a request for a shallow history of which nothing is left, or whose
// limit is not a ref. git clients make such requests. The answer may have begun by then, with whole lines.
var noHistory = regexp.MustCompile(`(?m)^fatal: (?:no commits selected for shallow requests|(?:git )?upload-pack: (?:ambiguous deepen-not|deepen-not is not a ref))`)

// exchanged returns the error of a call that a client had with git.
func (s *Store) exchanged(ctx context.Context, r *repo, err error) error {
	exit, ended := errors.AsType[*command.ExitError](err)
	switch {
	case err == nil:
		return nil
	case !ended:
		return errs.From(err)
	case refusals.MatchString(exit.Said):
		return errs.Wrap(err, errs.ReasonInvalidArgument, "the request is not one of Git's pack protocol: use a git client")
	case errs.ReasonOf(err) == errs.ReasonPackTooLarge:
		s.logger.WarnContext(ctx, "a client asked for more than git is given for it", "repository", r.id.String(), "error", err, "stderr", exit.Said)
		return errs.From(err)
	}
	s.logger.ErrorContext(ctx, "git failed to serve a client", "repository", r.id.String(), "error", err, "stderr", exit.Said)
	return errs.From(err)
}

// uploadRequest passes on a request line by line. It fails where that is too long, and with what is no line: git takes one
// that is cut off for none.
type uploadRequest struct {
	in    io.Reader
	lines *pktline.Reader
	left  int64
	line  []byte
}

// Stop implements [ports.Stopper].
func (u *uploadRequest) Stop() {
	if s, ok := u.in.(ports.Stopper); ok {
		s.Stop()
	}
}

// Read implements io.Reader.
func (u *uploadRequest) Read(b []byte) (int, error) {
	for len(u.line) == 0 {
		kind, data, err := u.lines.Next()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, notALine(err)
		}
		if kind == pktline.ResponseEnd { // git takes it for a mistake of its own, and aborts
			return 0, notGitProtocol("it has a line that ends an answer")
		}
		u.line = pktline.AppendLine(u.line[:0], kind, data)
		if u.left -= int64(len(u.line)); u.left < 0 {
			return 0, errs.New(errs.ReasonBodyTooLarge, "the request is larger than "+strconv.Itoa(ports.MaxUploadRequest)+" bytes: fetch less at once")
		}
	}
	n := copy(b, u.line)
	u.line = u.line[n:]
	return n, nil
}
