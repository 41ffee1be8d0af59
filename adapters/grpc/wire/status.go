package wire

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// errorDomain is the domain of every google.rpc.ErrorInfo of GitStore.
const errorDomain = "gitstore"

// exactSuffix marks a key of ErrorInfo.metadata whose value is the base64 of what the key without it can only show in
// part, because it is not UTF-8.
const exactSuffix = "-bin"

// maxDetail bounds each text of a status, in bytes: it travels in a header.
const maxDetail = 4 << 10

var kindCodes = [...]codes.Code{
	errs.Internal: codes.Internal, errs.Invalid: codes.InvalidArgument, errs.NotFound: codes.NotFound,
	errs.Exists: codes.AlreadyExists, errs.Conflict: codes.Aborted, errs.Precondition: codes.FailedPrecondition,
	errs.Denied: codes.PermissionDenied, errs.Unauthenticated: codes.Unauthenticated,
	errs.Exhausted: codes.ResourceExhausted, errs.Unavailable: codes.Unavailable, errs.TooLarge: codes.OutOfRange,
	errs.Corrupt: codes.DataLoss, errs.Canceled: codes.Canceled, errs.Deadline: codes.DeadlineExceeded,
}

// EncodeError returns err as the error of a gRPC handler: a status with a google.rpc.ErrorInfo and the detail that fits
// its Kind. Its cause stays behind. It returns nil for nil.
func EncodeError(err error) error {
	if err == nil {
		return nil
	}
	e := errs.From(DecodeError(err))
	msg := text(e.Error())
	st := status.New(kindCodes[e.Kind], msg)
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Domain: errorDomain, Reason: text(string(e.Reason)), Metadata: encodeMeta(e.Meta)}}
	if d := detail(e, msg); d != nil {
		details = append(details, d)
	}
	detailed, err := st.WithDetails(details...)
	if err != nil { // all text was made UTF-8
		return st.Err()
	}
	return detailed.Err()
}

// detail returns the standard detail of google.rpc for the error's Kind, nil if there is none.
func detail(e *errs.Error, msg string) protoadapt.MessageV1 {
	switch e.Kind {
	case errs.Invalid:
		if field := e.Meta[errs.MetaField]; field != "" {
			return &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
				{Field: text(field), Description: msg, Reason: text(string(e.Reason))},
			}}
		}
	case errs.NotFound, errs.Exists:
		key := resourceKey(e.Reason)
		return &errdetails.ResourceInfo{ResourceType: key, ResourceName: text(e.Meta[key]), Description: msg}
	case errs.Precondition:
		return &errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{
			{Type: text(string(e.Reason)), Subject: text(subject(e.Meta)), Description: msg},
		}}
	case errs.Exhausted, errs.Unavailable:
		if delay := e.Reason.RetryAfter(); delay > 0 {
			return &errdetails.RetryInfo{RetryDelay: durationpb.New(delay)}
		}
	}
	return nil
}

// resourceKey returns what is missing or in the way, which is also the key of Meta that names it.
func resourceKey(reason errs.Reason) string {
	switch reason {
	case errs.ReasonRepositoryNotFound, errs.ReasonRepositoryExists:
		return errs.MetaRepository
	case errs.ReasonRefNotFound, errs.ReasonRefExists:
		return errs.MetaRef
	case errs.ReasonObjectNotFound:
		return errs.MetaObject
	case errs.ReasonPathNotFound, errs.ReasonPathExists:
		return errs.MetaPath
	}
	return "method"
}

func subject(meta map[string]string) string {
	for _, key := range []string{errs.MetaPath, errs.MetaRef, errs.MetaObject, errs.MetaRepository} {
		if v, ok := meta[key]; ok {
			return v
		}
	}
	return ""
}

func encodeMeta(meta map[string]string) map[string]string {
	if len(meta) == 0 {
		return nil
	}
	out := make(map[string]string, len(meta))
	for k, v := range meta {
		out[text(k)] = text(v)
		if !utf8.ValidString(v) {
			out[text(k)+exactSuffix] = base64.StdEncoding.EncodeToString([]byte(clip(v)))
		}
	}
	return out
}

func decodeMeta(meta map[string]string) map[string]string {
	if len(meta) == 0 {
		return nil
	}
	out := make(map[string]string, len(meta))
	for k, v := range meta {
		plain, isExact := strings.CutSuffix(k, exactSuffix)
		exact, err := base64.StdEncoding.DecodeString(v)
		switch {
		case isExact && err == nil:
			out[plain] = string(exact)
		case out[k] == "": // the exact value may be there already
			out[k] = v
		}
	}
	return out
}

// text returns s bounded and [valid].
func text(s string) string {
	s = valid(clip(s))
	end := min(len(s), maxDetail)
	for end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// valid returns s as UTF-8, which a string field of a message has to be. What is replaced is refused where it arrives:
// no page token, version range or request id holds U+FFFD.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func clip(s string) string { return s[:min(len(s), maxDetail)] }

// statusError is an error that has a status. [status.FromError] puts into the message of the status what gRPC says around it, such
// as how often it tried.
type statusError interface {
	error
	GRPCStatus() *status.Status
}

// DecodeError returns err as a domain error: Kind, Reason, Meta and message of a GitStore status, what comes closest for
// a status of gRPC itself, and err as [errs.From] sees it if it is no status. It returns nil for nil.
func DecodeError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e
	}
	failed, ok := errors.AsType[statusError](err)
	if !ok {
		return errs.From(err)
	}
	st := failed.GRPCStatus()
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == errorDomain {
			return &errs.Error{
				Kind: codeKind(st.Code()), Reason: errs.Reason(info.GetReason()), Msg: st.Message(),
				Meta: decodeMeta(info.GetMetadata()), Err: err,
			}
		}
	}
	return foreign(st, err)
}

func codeKind(code codes.Code) errs.Kind {
	for kind, c := range kindCodes {
		if c == code {
			return errs.Kind(kind)
		}
	}
	return errs.Internal
}

// foreign returns a status that gRPC, or something between client and service, made. Its text may name addresses: it
// stays in the cause.
func foreign(st *status.Status, err error) error {
	switch st.Code() {
	case codes.Unavailable:
		return errs.Wrap(err, errs.ReasonUnavailable, "the git service cannot be reached: try again shortly")
	case codes.DeadlineExceeded:
		return errs.Wrap(err, errs.ReasonDeadlineExceeded, "the deadline passed before the git service answered")
	case codes.Canceled:
		return errs.Wrap(err, errs.ReasonCanceled, "the call was canceled")
	case codes.ResourceExhausted:
		if strings.Contains(st.Message(), "message larger than max") {
			return errs.Wrap(err, errs.ReasonMessageTooLarge, "the message is larger than the git service takes in one piece: use a call that streams, or send less at once")
		}
		return errs.Wrap(err, errs.ReasonResourceExhausted, "the git service is at a limit: try again later")
	case codes.Unimplemented:
		return errs.Wrap(err, errs.ReasonMethodNotFound, "the git service does not know this call: it may be of another version")
	case codes.InvalidArgument:
		return errs.Wrap(err, errs.ReasonInvalidArgument, "the git service cannot read the request")
	case codes.Unauthenticated:
		return errs.Wrap(err, errs.ReasonUnauthenticated, "the git service does not know the caller")
	case codes.PermissionDenied:
		return errs.Wrap(err, errs.ReasonPermissionDenied, "the git service refuses the caller")
	}
	return errs.Wrap(err, errs.ReasonInternal, "the git service failed in a way that it does not explain")
}
