package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/budget"
	"github.com/gitstore-dev/gitstore/ports"
)

const (
	// maxHeader bounds the members of a commit other than actions: a message of 256 KiB, escaped in full, fits.
	maxHeader = 2 << 20
	// smallActions is how many bytes of actions are kept even if branch and message came before them, so that a small
	// commit may have its members in any order.
	smallActions = 1 << 20
	// maxActionOverhead is what an action may take besides its content: two paths of 4096 bytes, escaped in full, fit.
	maxActionOverhead = 64 << 10
)

// commitStream reads the body of a commit: first its header, then its actions, one at a time.
//
// JSON does not order members, but a body that is larger than memory has to have its header first. So the actions are
// kept, up to a limit, until the header is complete: until the end of the body or, if branch and message are known,
// until it is clear that the body is not small. In that case nothing may follow the actions: a "dry_run" that is found
// after the commit was begun would come too late.
type commitStream struct {
	opts Options
	hold *budget.Hold
	// contents takes them out of what src gives to dec.
	contents *contentReader
	src      *lookahead
	dec      *jsontext.Decoder
	// members are the members other than actions, as a JSON object that is not closed.
	members bytes.Buffer
	// kept are actions that were read along with the header.
	kept []rawAction
	// begun reports that the array of actions has come, and open that it was not read to its end.
	begun, open bool
	count       int
	// failure is what was wrong with the actions: what the store returns may be only a consequence.
	failure error
}

// rawAction is an action as it came, without its contents, of which it should have one at most.
type rawAction struct {
	json     jsontext.Value
	contents []*heldContent
}

func (a rawAction) size() (size int64) {
	size = int64(len(a.json))
	for _, c := range a.contents {
		size += c.size
	}
	return size
}

func (a rawAction) release() {
	for _, c := range a.contents {
		c.release()
	}
}

// newCommitStream counts in hold what it keeps of the body; the caller releases it.
func newCommitStream(body io.Reader, opts Options, hold *budget.Hold) *commitStream {
	contents := &contentReader{source: body, hold: hold, limit: maxHeader, exceeded: memberTooLong("")}
	src := &lookahead{source: contents, hold: hold}
	// What is read here is read again, strictly; to remember every name of an unbounded object would cost memory.
	src.dec = jsontext.NewDecoder(src, jsontext.AllowDuplicateNames(true))
	return &commitStream{opts: opts, hold: hold, contents: contents, src: src, dec: src.dec}
}

// header reads up to the point where all but the actions is known. It fails with INVALID_ARGUMENT, INVALID_REF_NAME,
// INVALID_REVISION, INVALID_OBJECT_ID and BODY_TOO_LARGE, each naming the member at fault.
func (s *commitStream) header() (ports.CommitFiles, error) {
	s.src.allow(maxHeader, memberTooLong(""))
	if err := s.begin(); err != nil {
		return ports.CommitFiles{}, err
	}
	for !s.open {
		more, err := s.member()
		if err != nil {
			return ports.CommitFiles{}, err
		}
		if !more {
			break
		}
	}
	h, err := s.parseMembers()
	if err != nil {
		return ports.CommitFiles{}, err
	}
	return h.request()
}

func (s *commitStream) begin() error {
	if s.dec.PeekKind() == '{' {
		_, err := s.dec.ReadToken()
		return s.jsonError(err)
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return s.jsonError(err)
	}
	return errs.New(errs.ReasonInvalidArgument, "the body has to be a JSON object")
}

// member reads one member of the object, and reports false at its end.
func (s *commitStream) member() (bool, error) {
	name, err := s.dec.ReadToken()
	if err != nil {
		return false, s.jsonError(err)
	}
	if name.Kind() == '}' {
		return false, s.end()
	}
	key := name.String()
	if key == "actions" {
		return true, s.keepActions()
	}
	s.src.allow(maxHeader, memberTooLong(key))
	defer s.src.allow(maxHeader, memberTooLong(""))
	value, err := s.dec.ReadValue()
	if err != nil {
		return false, s.jsonError(err)
	}
	return true, s.addMember(key, value)
}

func (s *commitStream) addMember(name string, value jsontext.Value) error {
	if s.members.Len()+len(name)+len(value) > maxHeader {
		return memberTooLong(name)
	}
	// Their text, and then their values.
	if err := s.hold.Take(2 * int64(len(name)+len(value))); err != nil {
		return err
	}
	separator := byte(',')
	if s.members.Len() == 0 {
		separator = '{'
	}
	s.members.WriteByte(separator)
	quoted, err := jsontext.AppendQuote(nil, name)
	if err != nil {
		return jsonError("", err)
	}
	s.members.Write(quoted)
	s.members.WriteByte(':')
	s.members.Write(value)
	return nil
}

// end makes sure that nothing follows the object.
func (s *commitStream) end() error {
	_, err := s.dec.ReadToken()
	switch {
	case err == nil:
		return errs.New(errs.ReasonInvalidArgument, "the body goes on after its JSON object: send one object")
	case errors.Is(err, io.EOF):
		return nil
	}
	return s.jsonError(err)
}

// jsonError is [jsonError] of what the decoder found, as far behind the beginning of the body as it is there.
func (s *commitStream) jsonError(err error) error {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if inContent, ok := errors.AsType[*jsontext.SyntacticError](e.Err); ok { // which the decoder could not read
			e = inContent
		}
		moved := *e
		moved.ByteOffset += s.contents.removed
		err = &moved
	}
	return jsonError("", err)
}

func (s *commitStream) parseMembers() (newCommitJSON, error) {
	var h newCommitJSON
	if s.members.Len() == 0 {
		return h, nil
	}
	object := append(bytes.Clone(s.members.Bytes()), '}')
	return h, jsonError("", json.Unmarshal(object, &h, withoutNull))
}

// keepActions reads actions until their end, or until the stream is to be handed over.
func (s *commitStream) keepActions() error {
	if s.begun {
		return errs.InvalidField(errs.ReasonInvalidArgument, "actions", `"actions" is given twice`)
	}
	s.begun = true
	if kind := s.dec.PeekKind(); kind != '[' && kind > 0 {
		return errs.InvalidField(errs.ReasonInvalidArgument, "actions", `"actions" has to be an array`)
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return s.jsonError(err)
	}
	h, err := s.parseMembers()
	if err != nil {
		return err
	}
	known, room := h.Branch != "" && h.Message != "", s.opts.MaxBufferedActions
	if known {
		room = smallActions
	}
	for {
		action, err := s.nextAction(!known, room)
		if err != nil || action.json == nil {
			return err
		}
		room -= action.size()
		switch {
		case room >= 0:
			if err := s.hold.Take(int64(len(action.json))); err != nil {
				return err
			}
			action.json = action.json.Clone()
			s.kept = append(s.kept, action)
		case !known:
			return headerLate(s.opts.MaxBufferedActions)
		default: // nothing more is read before it is used, so it need not be copied
			s.kept, s.open = append(s.kept, action), true
			return nil
		}
	}
}

// nextAction reads an action; at the end of the array it has no JSON. If the header has yet to come, it may take up to room bytes.
func (s *commitStream) nextAction(headerless bool, room int64) (rawAction, error) {
	s.contents.at = s.count
	s.contents.allow(s.opts.MaxActionContent, contentTooLong(s.count, s.opts.MaxActionContent))
	s.src.allow(maxActionOverhead, errs.InvalidField(errs.ReasonBodyTooLarge, "actions",
		"an action takes more than %d bytes besides its content: leave out what is not needed", maxActionOverhead))
	if headerless {
		late := headerLate(s.opts.MaxBufferedActions)
		if room < s.contents.limit {
			s.contents.allow(room, late)
		}
		if room < s.src.limit {
			s.src.allow(room, late)
		}
	}
	defer s.src.allow(maxHeader, memberTooLong(""))
	defer s.contents.allow(maxHeader, memberTooLong(""))
	if s.dec.PeekKind() == ']' {
		_, err := s.dec.ReadToken()
		return rawAction{}, s.jsonError(err)
	}
	action, err := s.dec.ReadValue()
	if s.count++; s.count > ports.MaxActions {
		return rawAction{}, errs.InvalidField(errs.ReasonTooManyActions, "actions", "a commit has at most %d actions: make several", ports.MaxActions)
	}
	return rawAction{action, s.contents.take()}, s.jsonError(err)
}

func headerLate(limit int64) error {
	return errs.InvalidField(errs.ReasonBodyTooLarge, "actions",
		"more than %d bytes of actions come before branch and message: put all other members before actions", limit)
}

// changes yields the actions as changes, each read when it is asked for.
func (s *commitStream) changes(yield func(git.Change, error) bool) {
	for i, action := range s.kept {
		s.kept[i] = rawAction{}
		if !s.yield(yield, i, action) {
			return
		}
	}
	for s.open {
		action, err := s.nextAction(false, 0)
		if err == nil && action.json == nil {
			s.open = false
			err = s.closing()
		}
		if err != nil {
			s.failure = err
			yield(git.Change{}, err)
			return
		}
		if s.open && !s.yield(yield, s.count-1, action) {
			return
		}
	}
}

// blame returns what was wrong with the actions if anything was, else err.
func (s *commitStream) blame(err error) error {
	if s.failure != nil {
		return s.failure
	}
	return err
}

func (s *commitStream) yield(yield func(git.Change, error) bool, i int, action rawAction) bool {
	defer action.release()
	change, err := s.change(fmt.Sprintf("actions[%d]", i), action)
	if err != nil {
		s.failure = err
		yield(git.Change{}, err)
		return false
	}
	return yield(change, nil)
}

// closing reads what is behind the actions of a stream that was handed over: nothing but the end.
func (s *commitStream) closing() error {
	name, err := s.dec.ReadToken()
	if err != nil {
		return s.jsonError(err)
	}
	if name.Kind() == '}' {
		return s.end()
	}
	key := clip(name.String(), 64)
	return errs.InvalidField(errs.ReasonInvalidArgument, key, "%q follows more than %d bytes of actions: put it before them", key, smallActions)
}

// change reads one action; at names it in errors.
func (s *commitStream) change(at string, raw rawAction) (git.Change, error) {
	var in actionJSON
	if err := json.Unmarshal(raw.json, &in, strict); err != nil {
		return git.Change{}, jsonError(at, err)
	}
	change, err := in.change(at)
	if err != nil {
		return git.Change{}, err
	}
	for _, c := range raw.contents {
		change.Content, change.Size = c.reader(), c.size
	}
	return change, errs.InField(change.Validate(), at)
}

func (in *actionJSON) change(at string) (change git.Change, err error) {
	if change.Action, err = git.ParseAction(in.Action); err != nil {
		return change, errs.InField(err, at+".action")
	}
	if in.Path == "" {
		return change, missing(at, "path")
	}
	if change.Path, err = git.ParseTreePath(in.Path); err != nil {
		return change, errs.InField(err, at+".path")
	}
	if in.From != "" {
		if change.From, err = git.ParseTreePath(in.From); err != nil {
			return change, errs.InField(err, at+".from")
		}
	}
	if change.ExpectedBlob, err = in.ExpectedBlobID.expectation(at + ".expected_blob_id"); err != nil {
		return change, err
	}
	change.Executable = in.Executable
	return change, in.setContent(at, &change)
}

func (in *actionJSON) setContent(at string, change *git.Change) error {
	switch {
	case in.Content != nil && in.ContentBase64 != nil:
		return errs.InvalidField(errs.ReasonInvalidAction, at+".content_base64", "%s has both content and content_base64: give one", at)
	case in.Content != nil, in.ContentBase64 != nil: // it was taken out
	case change.Action == git.ActionCreate || change.Action == git.ActionUpdate || change.Action == git.ActionUpsert:
		return missing(at, "content")
	case change.Action == git.ActionMove && in.From == "":
		return missing(at, "from")
	case change.Action == git.ActionChmod && in.Executable == nil:
		return missing(at, "executable")
	}
	return nil
}

func missing(at, member string) error {
	return errs.InvalidField(errs.ReasonInvalidAction, at+"."+member, "%s has no %s", at, member)
}

func contentTooLong(action int, limit int64) error {
	at := fmt.Sprintf("actions[%d]", action)
	return errs.InvalidField(errs.ReasonBodyTooLarge, at, "the content of %s takes more than %d bytes: send a large file by a PUT of its own", at, limit)
}

// memberTooLong is for the members of a commit other than actions, which have one limit together.
func memberTooLong(name string) error {
	name = clip(name, 64)
	return errs.InvalidField(errs.ReasonBodyTooLarge, name,
		"the commit without its actions takes more than %d bytes: make the message shorter, and leave out what is not needed", maxHeader)
}

// lookahead stops a decoder from taking in more of one value than fits memory.
type lookahead struct {
	source io.Reader
	hold   *budget.Hold
	// counted is what the decoder's buffer takes, which never shrinks.
	counted int64
	dec     *jsontext.Decoder
	read    int64
	// limit is how far reading may be ahead of what the decoder returned.
	limit    int64
	exceeded error
}

func (l *lookahead) allow(limit int64, exceeded error) { l.limit, l.exceeded = limit, exceeded }

func (l *lookahead) Read(p []byte) (int, error) {
	ahead := l.read - l.dec.InputOffset()
	if ahead > l.limit {
		return 0, l.exceeded
	}
	if buffer := 2 * ahead; buffer > l.counted {
		if err := l.hold.Take(buffer - l.counted); err != nil {
			return 0, err
		}
		l.counted = buffer
	}
	n, err := l.source.Read(p[:min(int64(len(p)), l.limit-ahead+1)])
	l.read += int64(n)
	return n, err
}

// base64Content stands for standard base64 with padding (RFC 4648, section 4), without any other character, of which a [contentReader]
// has left an empty string.
type base64Content []byte

// UnmarshalJSON refuses all but a string; null is none.
func (c *base64Content) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "null":
		return nil
	case `""`:
		*c = base64Content{}
		return nil
	}
	return &json.SemanticError{}
}
