// Package errs is GitStore's error taxonomy: every failure that crosses a port is an [*Error] with a [Kind]
// (what class of failure, and so which gRPC code and HTTP status) and a [Reason] (which failure exactly).
//
// Messages are for people and may change; code compares Kind or Reason, by [KindOf], [ReasonOf] or [Is].
// An Error survives the gRPC boundary whole: Kind, Reason, Meta and message arrive as they were sent.
package errs

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// Kind is the class of a failure. The zero Kind is [Internal], so that an error nobody classified is never
// mistaken for the caller's fault.
type Kind uint8

const (
	// Internal is a defect of GitStore itself.
	Internal Kind = iota
	// Invalid is a request that can never succeed as it stands.
	Invalid
	// NotFound names what is missing: Reason says whether a repository, a ref, an object or a path.
	NotFound
	// Exists is a creation of what is there already.
	Exists
	// Conflict is a compare-and-swap that lost: Meta holds what was expected and what is there.
	Conflict
	// Precondition is a request that the present state forbids and that a change of state would allow.
	Precondition
	// Denied is a caller who is known and may not.
	Denied
	// Unauthenticated is a caller who is not known.
	Unauthenticated
	// Exhausted is a limit reached, worth retrying later.
	Exhausted
	// Unavailable is a service that cannot be reached, is starting or is draining.
	Unavailable
	// TooLarge is a value above a limit that has a streaming alternative, which the message names.
	TooLarge
	// Corrupt is stored data that contradicts itself.
	Corrupt
	// Canceled is a call that its caller gave up.
	Canceled
	// Deadline is a call whose time ran out; whether it took effect may be unknown.
	Deadline
)

var kindNames = [...]string{
	Internal: "internal", Invalid: "invalid", NotFound: "not found", Exists: "exists", Conflict: "conflict",
	Precondition: "precondition", Denied: "denied", Unauthenticated: "unauthenticated", Exhausted: "exhausted",
	Unavailable: "unavailable", TooLarge: "too large", Corrupt: "corrupt", Canceled: "canceled", Deadline: "deadline",
}

// String returns the kind in lower-case words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Kinds returns every Kind in order of declaration.
func Kinds() []Kind {
	kinds := make([]Kind, len(kindNames))
	for i := range kinds {
		kinds[i] = Kind(i)
	}
	return kinds
}

// Keys of [Error.Meta] that several reasons share.
const (
	// MetaField is the name of the request field at fault, as the contract spells it.
	MetaField = "field"
	// MetaRepository is the id of the repository concerned.
	MetaRepository = "repository"
	// MetaRef is the fully qualified name of the ref concerned.
	MetaRef = "ref"
	// MetaPath is the tree path concerned.
	MetaPath = "path"
	// MetaObject is the object ID concerned.
	MetaObject = "object"
	// MetaExpected is the value a compare-and-swap expected; empty means "must not exist".
	MetaExpected = "expected"
	// MetaActual is the value a compare-and-swap found; empty means "does not exist".
	MetaActual = "actual"
	// MetaCursor is a cursor of the journal to go on from.
	MetaCursor = "cursor"
	// MetaIncident is the id under which the log holds the details of an Internal error.
	MetaIncident = "incident"
)

// Error is a failure as ports report it. It is immutable once returned.
type Error struct {
	// Op is the operation that failed, such as "CommitFiles"; it may be empty.
	Op string
	// Kind is the class of the failure.
	Kind Kind
	// Reason is the failure itself.
	Reason Reason
	// Msg says what is wrong and what the caller can do, in lower case and without a period. It holds no
	// absolute path, argument vector or child process output.
	Msg string
	// Meta holds details that a program may read, under the Meta… keys. It may be nil.
	Meta map[string]string
	// Err is the cause, kept for logs and [errors.Is]; it never crosses the wire.
	Err error
}

// New returns an error of the reason's Kind. The keys and values, in turn, become its Meta.
func New(reason Reason, msg string, keysAndValues ...string) *Error {
	return &Error{Kind: reason.Kind(), Reason: reason, Msg: msg, Meta: pairs(keysAndValues)}
}

// Wrap is [New] with a cause.
func Wrap(err error, reason Reason, msg string, keysAndValues ...string) *Error {
	e := New(reason, msg, keysAndValues...)
	e.Err = err
	return e
}

// InvalidField returns an error about one field of a request.
func InvalidField(reason Reason, field, format string, args ...any) *Error {
	return New(reason, fmt.Sprintf(format, args...), MetaField, field)
}

// InField returns err as an *Error about a field of the request, whatever it named before; nil for nil.
func InField(err error, field string) error {
	if err == nil {
		return nil
	}
	return From(err).WithMeta(MetaField, field)
}

// Error returns "op: msg", without the cause, so that it is fit to be shown to a caller.
func (e *Error) Error() string {
	msg := e.Msg
	if msg == "" {
		msg = e.Kind.String()
	}
	if e.Op == "" {
		return msg
	}
	return e.Op + ": " + msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error of the same Reason, or one with a Kind alone and that Kind. It also keeps
// context errors recognisable after they crossed the wire.
func (e *Error) Is(target error) bool {
	switch target {
	case context.Canceled:
		return e.Kind == Canceled
	case context.DeadlineExceeded:
		return e.Kind == Deadline
	}
	t, ok := target.(*Error)
	if !ok {
		return false
	}
	if t.Reason == "" {
		return t.Kind == e.Kind
	}
	return t.Reason == e.Reason
}

// WithMeta returns a copy with one more key in its Meta.
func (e *Error) WithMeta(key, value string) *Error {
	c := *e
	c.Meta = maps.Clone(e.Meta)
	if c.Meta == nil {
		c.Meta = map[string]string{}
	}
	c.Meta[key] = value
	return &c
}

// From returns err as an *Error: itself if it is one or wraps one, a Canceled or Deadline error for a context's, else
// an Internal one with err as the cause. It returns nil for nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Wrap(err, ReasonCanceled, "the call was canceled")
	case errors.Is(err, context.DeadlineExceeded):
		return Wrap(err, ReasonDeadlineExceeded, "the deadline passed before the call was done")
	}
	return Wrap(err, ReasonInternal, "internal error")
}

// KindOf returns the Kind of err as [From] sees it. A nil err has no kind: it panics.
func KindOf(err error) Kind { return From(err).Kind }

// ReasonOf returns the Reason of err as [From] sees it, and "" for nil.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	return From(err).Reason
}

// Is reports whether err has one of the reasons.
func Is(err error, reasons ...Reason) bool {
	got := ReasonOf(err)
	for _, r := range reasons {
		if got == r && got != "" {
			return true
		}
	}
	return false
}

func pairs(kv []string) map[string]string {
	if len(kv) == 0 {
		return nil
	}
	m := make(map[string]string, len(kv)/2)
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}
