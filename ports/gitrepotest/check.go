package gitrepotest

import (
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// ok ends the case if err is one.
func (c *tc) ok(err error) {
	c.Helper()
	if err != nil {
		c.Fatalf("unexpected error: %s", describe(err))
	}
}

func describe(err error) string {
	e := errs.From(err)
	text := string(e.Reason) + ": " + e.Error()
	if cause := errors.Unwrap(e); cause != nil {
		text += " (" + cause.Error() + ")"
	}
	return text
}

var compareOptions = cmp.Options{
	cmpopts.EquateComparable(git.ObjectID{}, git.RefName{}, git.TreePath{}, git.RepositoryID{}, git.Revision{}),
	cmpopts.EquateEmpty(),
	// Two signatures are equal if git writes the same line for both: to the second, the zone included.
	cmp.Comparer(func(a, b time.Time) bool { return a.Unix() == b.Unix() && a.Format("-0700") == b.Format("-0700") }),
}

// equal reports it if got is not want.
func (c *tc) equal(what string, got, want any) {
	c.Helper()
	if diff := cmp.Diff(want, got, compareOptions); diff != "" {
		c.Errorf("%s is not as expected (-want +got):\n%s", what, diff)
	}
}

// fails reports it if err is not an error of the reason with the metadata, given as keys and values in turn.
func (c *tc) fails(err error, reason errs.Reason, meta ...string) {
	c.Helper()
	if err == nil {
		c.Errorf("no error, want %s", reason)
		return
	}
	var e *errs.Error
	if !errors.As(err, &e) {
		c.Errorf("error %q (%T) is no *errs.Error, want %s", err, err, reason)
		return
	}
	if e.Reason != reason || e.Kind != reason.Kind() {
		c.Errorf("error is %s (%s), want %s (%s)", describe(err), e.Kind, reason, reason.Kind())
		return
	}
	for i := 0; i+1 < len(meta); i += 2 {
		if got, ok := e.Meta[meta[i]]; !ok || got != meta[i+1] {
			c.Errorf("error %s has %q for %q, want %q", describe(err), got, meta[i], meta[i+1])
		}
	}
	c.fitForCallers(e)
}

// fitForCallers reports it if the error's message is not one to be shown to a caller.
func (c *tc) fitForCallers(e *errs.Error) {
	c.Helper()
	text := e.Error()
	switch {
	case strings.TrimSpace(e.Msg) == "":
		c.Errorf("error %s has no message", e.Reason)
	case strings.HasSuffix(text, "."), strings.ContainsAny(text, "\n\r\x00"):
		c.Errorf("message %q is not one line without a period", text)
	}
	for _, leak := range []string{"fatal:", "exit status", "/tmp/", "objects/pack", "rpc error", "goroutine "} {
		if strings.Contains(text, leak) {
			c.Errorf("message %q shows %q, which is nothing for callers", text, leak)
		}
	}
}

// failsWithin reports it if err is of none of the reasons.
func (c *tc) failsWithin(err error, reasons ...errs.Reason) {
	c.Helper()
	if !errs.Is(err, reasons...) {
		c.Errorf("error is %v, want one of %v", err, reasons)
	}
}

// all returns the items of an iterator that ends without error.
func all[T any](c *tc, seq iter.Seq2[T, error], err error) []T {
	c.Helper()
	c.ok(err)
	items, err := drain(seq)
	c.ok(err)
	return items
}

// drain returns the items of an iterator up to its error. It reports no error that was followed by another item.
func drain[T any](seq iter.Seq2[T, error]) (items []T, err error) {
	for item, itemErr := range seq {
		if err != nil {
			return items, errors.New("the iteration went on behind the error " + err.Error())
		}
		if itemErr != nil {
			err = itemErr
			continue
		}
		items = append(items, item)
	}
	return items, err
}

// content reads all of r.
func (c *tc) content(r io.Reader) string {
	c.Helper()
	if r == nil {
		c.Fatal("there is no content")
	}
	b, err := io.ReadAll(r)
	c.ok(err)
	return string(b)
}

// state is all that a write can change.
type state struct {
	Info ports.RepositoryInfo
	Refs []git.Ref
}

func (r *repo) state() state {
	r.c.Helper()
	info, err := r.Info(r.c.ctx)
	r.c.ok(err)
	info.SizeBytes = 0
	return state{info, r.refs(ports.RefQuery{})}
}

// unchanged reports it if do changes the repository.
func (r *repo) unchanged(do func()) {
	r.c.Helper()
	before := r.state()
	do()
	r.c.equal("the repository", r.state(), before)
}
