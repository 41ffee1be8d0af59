package gitcli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/internal/pktline"
)

// maxCommands bounds the lines before a pack together, in bytes.
const maxCommands = 8 << 20

// receiveRequest is what a client that pushes says before the pack (gitprotocol-pack(5), "Reference Update Request").
type receiveRequest struct {
	commands []receiveCommand
	// report, sideBand and atomic are capabilities that the client asks for.
	report, sideBand, atomic bool
	// wantsOptions reports that push options follow the commands; options are those.
	wantsOptions bool
	options      []string
	// shallow reports that the client's own history is not whole.
	shallow bool
}

// receiveCommand is one ref that is to move.
type receiveCommand struct {
	// name is as the client spells it, for the report.
	name   string
	update git.RefUpdate
	// refused is why the command cannot be; nil if nothing is wrong with it so far.
	refused error
}

// wantsPack reports whether a pack follows: not if refs are only deleted.
func (r *receiveRequest) wantsPack() bool {
	return slices.ContainsFunc(r.commands, func(c receiveCommand) bool { return !c.update.New.IsZero() })
}

// notALine returns what a failure to read a line of a request is.
func notALine(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return notGitProtocol("it ends too early")
	case errors.Is(err, pktline.ErrMalformed):
		return notGitProtocol(err.Error())
	}
	return err
}

func notGitProtocol(what string) error {
	return errs.New(errs.ReasonInvalidArgument, "the request is not one of Git's pack protocol: "+what)
}

// readReceiveRequest reads up to the pack. No command at all is how a client asks whether it may send a large request.
// allowed are the names of push options that are taken.
func readReceiveRequest(in io.Reader, f git.ObjectFormat, allowed []string) (*receiveRequest, error) {
	req := &receiveRequest{}
	lines := pktline.NewReader(in)
	left := maxCommands
	err := eachLine(lines, func(line []byte) error {
		if left -= len(line); left < 0 {
			return errs.New(errs.ReasonTooManyActions, "the names of the refs that are pushed are too long together: push fewer at once")
		}
		return req.add(line, f, allowed)
	})
	if err != nil || !req.wantsOptions {
		return req, err
	}
	return req, eachLine(lines, func(line []byte) error { return req.addOption(string(line), allowed) })
}

// eachLine calls take with every line up to a flush packet.
func eachLine(lines *pktline.Reader, take func(line []byte) error) error {
	for {
		kind, line, err := lines.Next()
		switch {
		case err != nil:
			return notALine(err)
		case kind == pktline.FlushLine:
			return nil
		case kind != pktline.Data:
			return notGitProtocol("a special line stands among its commands")
		}
		if err := take(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return err
		}
	}
}

const (
	// maxOptions is the most push options of a push.
	maxOptions = 64
	// maxOption is the longest, in bytes.
	maxOption = 1 << 10
)

// addOption takes a push option, which is a name or name=value, if its name is among those that are allowed.
func (r *receiveRequest) addOption(option string, allowed []string) error {
	name, _, _ := strings.Cut(option, "=")
	switch {
	case len(r.options) == maxOptions, len(option) > maxOption:
		return errs.New(errs.ReasonTooManyActions, fmt.Sprintf("at most %d push options of %d bytes are taken", maxOptions, maxOption))
	case plain(option, maxOption) != option || !utf8.ValidString(option):
		return errs.New(errs.ReasonInvalidArgument, "a push option is no line of UTF-8 text")
	case !slices.Contains(allowed, name):
		return errs.New(errs.ReasonInvalidArgument, fmt.Sprintf("push option %.80q is not taken here, only %s", name, strings.Join(allowed, ", ")))
	}
	r.options = append(r.options, option)
	return nil
}

// add reads a line. Capabilities stand in that of the first command.
func (r *receiveRequest) add(line []byte, f git.ObjectFormat, options []string) error {
	if bytes.HasPrefix(line, []byte("shallow ")) {
		r.shallow = true
		return nil
	}
	command, capabilities, _ := bytes.Cut(line, []byte{0})
	if len(r.commands) == 0 {
		if err := r.take(string(capabilities), f, options); err != nil {
			return err
		}
	}
	if len(r.commands) == repository.MaxPushedRefs {
		return errs.New(errs.ReasonTooManyActions, fmt.Sprintf("more than %d refs are pushed at once: push them in parts", repository.MaxPushedRefs))
	}
	c, err := parseReceiveCommand(string(command), f)
	if err == nil {
		r.commands = append(r.commands, c)
	}
	return err
}

// take reads the capabilities that a client asks for; it can only ask for those that were advertised.
func (r *receiveRequest) take(capabilities string, f git.ObjectFormat, options []string) error {
	for c := range strings.FieldsSeq(capabilities) {
		switch name, value, _ := strings.Cut(c, "="); name {
		case "report-status":
			r.report = true
		case "side-band-64k":
			r.sideBand = true
		case "atomic":
			r.atomic = true
		case "push-options":
			if len(options) == 0 {
				return errs.New(errs.ReasonInvalidArgument, "push options are not taken here: push without -o and without push.pushOption")
			}
			r.wantsOptions = true
		case "object-format":
			if value != f.String() {
				return errs.New(errs.ReasonInvalidObjectID, "the repository is of object format "+f.String()+", what is pushed is of another")
			}
		}
	}
	return nil
}

func parseReceiveCommand(line string, f git.ObjectFormat) (c receiveCommand, err error) {
	digits := 2 * f.Size()
	if len(line) < 2*digits+3 || line[digits] != ' ' || line[2*digits+1] != ' ' {
		return c, notGitProtocol("a command is not two object ids of " + f.String() + " and a ref")
	}
	c.name = line[2*digits+2:]
	if strings.ContainsFunc(c.name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return c, notGitProtocol("the name of a ref holds a control character")
	}
	old, err := parseNullable(line[:digits])
	if err != nil {
		return c, err
	}
	if c.update.New, err = parseNullable(line[digits+1 : 2*digits+1]); err != nil {
		return c, err
	}
	c.update.Expected = git.ExpectID(old)
	c.update.Name, c.refused = git.ParseRefName(c.name)
	if c.refused != nil && !strings.HasPrefix(c.name, "refs/") {
		c.refused = errs.New(errs.ReasonRefNotWritable, "only refs/heads/ and refs/tags/ can be pushed to")
	}
	return c, nil
}

// parseNullable reads an object id; zeros are none.
func parseNullable(s string) (git.ObjectID, error) {
	if strings.Trim(s, "0") == "" {
		return git.ObjectID{}, nil
	}
	return git.ParseObjectID(s)
}
