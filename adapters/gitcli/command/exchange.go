package command

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/internal/panics"
)

// ExitError is a command that ended by itself with another status than 0.
type ExitError struct {
	// Said is the end of what git said on its standard error. It may name directories: it is not for clients as it is.
	Said string
	// Refused reports that a command that is [Command.Banded] has told its client why it fails, on a line "ERR" (gitprotocol-pack(5)).
	Refused bool
	// err is what [Runner.Output] would have returned.
	err error
}

// Error implements error.
func (e *ExitError) Error() string { return e.err.Error() }

// Unwrap returns the error that [Runner.Output] would have returned.
func (e *ExitError) Unwrap() error { return e.err }

// Exchange runs the command in the bare repository dir to its end: feeds it what in has and passes what it prints on to
// out, neither faster than the other side takes it. It reads in from this goroutine, up to its end or that of the command,
// and writes out from another one. If in has a method Stop, as a [ports.Stopper] has, a Read that waits when the command has ended
// is stopped; else Exchange waits for it. It fails with what in or out fails with, with CANCELED or DEADLINE_EXCEEDED if the
// context ends, and with an [*ExitError]; whichever is first ends the command. One that somebody else killed fails as in
// [Runner.Output].
func (r *Runner) Exchange(ctx context.Context, dir string, c Command, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := r.Start(dir, c)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()

	var written error
	var writing sync.WaitGroup
	bands := &bandWriter{w: out}
	if c.banded {
		out = bands
	}
	var ended atomic.Bool
	writing.Go(func() {
		if written = panics.Caught(func() error { return p.pass(out) }); written != nil {
			p.Kill()
		}
		if s, ok := in.(interface{ Stop() }); ok {
			ended.Store(true)
			s.Stop()
		}
	})
	read := p.feed(in)
	if ended.Load() {
		read = nil // nothing more was wanted of it
	}
	if read != nil {
		p.Kill()
	}
	_ = p.Stdin.Close()
	writing.Wait()
	exited := p.child.wait()
	_, _ = p.child.said.Write(bands.said.b)
	switch {
	case read != nil:
		return read
	case written != nil:
		return written
	case ctx.Err() != nil:
		return errs.From(context.Cause(ctx))
	case exited == nil:
		if len(bands.said.b) > 0 {
			r.logger.WarnContext(ctx, "git complained to a client", "subcommand", c.args[0], "stderr", p.child.said.String())
		}
		return nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](exited); !ok || !exit.Exited() {
		return r.failure(ctx, c, exited, p.child)
	}
	return &ExitError{Said: p.child.said.String(), Refused: bands.refused, err: r.describe(c, exited, p.child)}
}

// feed writes what in has to the standard input of the process, and returns what in fails with. A process that has ended
// takes no more; why it did is told by how it ended.
func (p *Process) feed(in io.Reader) error {
	w := &inputWriter{w: p.Stdin}
	_, err := io.CopyBuffer(w, onlyReader{in}, make([]byte, copyBuffer))
	if w.failed {
		return nil
	}
	return err
}

const copyBuffer = 128 << 10

// gathering is how long what the process printed waits for more, to go along with it. A pack comes in pieces of 8 KiB, each
// with a write of its own for the five bytes before it (hashfd_throughput and send_sideband in git's sources). Each piece
// would be a message of gRPC and a chunk of HTTP, and passing those on cost more than making the pack.
const gathering = 2 * time.Millisecond

// pass writes to out what the process prints, up to its end.
func (p *Process) pass(out io.Writer) error {
	piece := make([]byte, copyBuffer)
	for {
		n, err := gather(p.Stdout, piece, gathering)
		if n > 0 {
			if _, err := out.Write(piece[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// gather reads what there is, and what comes within a moment after it while there is room.
func gather(r *os.File, b []byte, moment time.Duration) (n int, err error) {
	if n, err = r.Read(b); err != nil {
		return n, err
	}
	if err = r.SetReadDeadline(time.Now().Add(moment)); err != nil {
		return n, err
	}
	for n < len(b) && err == nil {
		var more int
		more, err = r.Read(b[n:])
		n += more
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, errors.Join(err, r.SetReadDeadline(time.Time{}))
}

// inputWriter tells failures to write from failures to read.
type inputWriter struct {
	w      io.Writer
	failed bool
}

var errInput = errors.New("the process takes no more input")

func (w *inputWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	if err != nil {
		w.failed = true
		err = errInput
	}
	return n, err
}

// onlyReader keeps io.CopyBuffer from asking the reader to write, and so from another size of buffer.
type onlyReader struct{ io.Reader }
