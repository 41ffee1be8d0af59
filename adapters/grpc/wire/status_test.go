package wire_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

// cross sends an error to the other end.
func cross(t *testing.T, err error) *errs.Error {
	t.Helper()
	sent, ok := status.FromError(wire.EncodeError(err))
	if !ok {
		t.Fatalf("%v is no status", wire.EncodeError(err))
	}
	b, marshalErr := proto.Marshal(sent.Proto())
	if marshalErr != nil {
		t.Fatal(marshalErr)
	}
	var received spb.Status
	if err := proto.Unmarshal(b, &received); err != nil {
		t.Fatal(err)
	}
	return errs.From(wire.DecodeError(status.ErrorProto(&received)))
}

func TestEveryReasonCrossesWithItsKindMetadataAndMessage(t *testing.T) {
	for _, reason := range errs.Reasons() {
		for name, meta := range map[string][]string{
			"without metadata": nil,
			"with metadata": {
				errs.MetaField, "path", errs.MetaPath, "a/é\n\"b", errs.MetaRef, "refs/heads/main",
				errs.MetaExpected, "", errs.MetaActual, strings.Repeat("a", 40), "conflicts_with", "x",
			},
			"with metadata that is not UTF-8": {errs.MetaPath, "caf\xe9/\xff\x00", errs.MetaRef, "refs/heads/\x80"},
		} {
			t.Run(string(reason)+" "+name, func(t *testing.T) {
				want := errs.New(reason, `what is wrong with "é" and what to do`, meta...)
				want.Op = "GetFile"
				got := cross(t, want)
				if got.Kind != want.Kind || got.Reason != want.Reason || got.Error() != want.Error() {
					t.Errorf("arrived as %s %s %q, want %s %s %q", got.Kind, got.Reason, got, want.Kind, want.Reason, want)
				}
				if diff := cmp.Diff(want.Meta, got.Meta); diff != "" {
					t.Errorf("metadata (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestEveryKindHasACodeOfItsOwn(t *testing.T) {
	kinds := map[codes.Code]errs.Kind{}
	for _, kind := range errs.Kinds() {
		code := status.Code(wire.EncodeError(&errs.Error{Kind: kind, Reason: "SOME_NEW_REASON"}))
		if other, taken := kinds[code]; taken || code == codes.OK {
			t.Errorf("%s and %s are both %s", kind, other, code)
		}
		kinds[code] = kind
		if got := cross(t, &errs.Error{Kind: kind, Reason: "SOME_NEW_REASON"}); got.Kind != kind || got.Reason != "SOME_NEW_REASON" {
			t.Errorf("%s of an unknown reason arrived as %s %s", kind, got.Kind, got.Reason)
		}
	}
}

func TestContextErrorsStayRecognisable(t *testing.T) {
	for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
		if got := cross(t, fmt.Errorf("reading: %w", want)); !errors.Is(got, want) {
			t.Errorf("%v arrived as %v", want, got)
		}
	}
}

func TestNoErrorIsNoStatus(t *testing.T) {
	if err := wire.EncodeError(nil); err != nil {
		t.Error(err)
	}
	if err := wire.DecodeError(nil); err != nil {
		t.Error(err)
	}
	if err := wire.BadAnswer(nil); err != nil {
		t.Error(err)
	}
}

func TestTheCauseStaysBehind(t *testing.T) {
	err := errs.Wrap(errors.New("open /var/lib/gitstore/ab.git: fatal: secret"), errs.ReasonRepositoryCorrupt, "an object is missing")
	st, _ := status.FromError(wire.EncodeError(err))
	if text := st.Proto().String(); strings.Contains(text, "secret") || strings.Contains(text, "/var") {
		t.Errorf("the status tells the cause: %s", text)
	}
}

func TestStatusesCarryTheStandardDetails(t *testing.T) {
	for _, tt := range []struct {
		err  *errs.Error
		want proto.Message
	}{
		{
			errs.InvalidField(errs.ReasonInvalidPath, "path", "bad"),
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "path", Description: "bad", Reason: "INVALID_PATH"}}},
		},
		{
			errs.New(errs.ReasonPathNotFound, "gone", errs.MetaPath, "a", errs.MetaObject, "0a"),
			&errdetails.ResourceInfo{ResourceType: "path", ResourceName: "a", Description: "gone"},
		},
		{
			errs.New(errs.ReasonRepositoryExists, "there", errs.MetaRepository, "shop"),
			&errdetails.ResourceInfo{ResourceType: "repository", ResourceName: "shop", Description: "there"},
		},
		{
			errs.New(errs.ReasonRefConflict, "in the way", errs.MetaRef, "refs/heads/a"),
			&errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{{Type: "REF_CONFLICT", Subject: "refs/heads/a", Description: "in the way"}}},
		},
	} {
		t.Run(string(tt.err.Reason), func(t *testing.T) {
			st, _ := status.FromError(wire.EncodeError(tt.err))
			details := st.Details()
			if len(details) != 2 {
				t.Fatalf("details are %v", details)
			}
			info := details[0].(*errdetails.ErrorInfo)
			if info.GetDomain() != "gitstore" || info.GetReason() != string(tt.err.Reason) {
				t.Errorf("ErrorInfo is %v", info)
			}
			if !proto.Equal(details[1].(proto.Message), tt.want) {
				t.Errorf("detail is %v, want %v", details[1], tt.want)
			}
		})
	}
}

func TestWhatIsWorthRepeatingSaysWhen(t *testing.T) {
	for reason, want := range map[errs.Reason]bool{
		errs.ReasonQueueFull: true, errs.ReasonStorageFull: true, errs.ReasonUnavailable: true, errs.ReasonDraining: true,
		errs.ReasonMessageTooLarge: false, errs.ReasonInternal: false,
	} {
		st, _ := status.FromError(wire.EncodeError(errs.New(reason, "later")))
		got := false
		for _, d := range st.Details() {
			if retry, ok := d.(*errdetails.RetryInfo); ok {
				got = retry.GetRetryDelay().AsDuration() > 0
			}
		}
		if got != want {
			t.Errorf("%s has a RetryInfo: %t, want %t", reason, got, want)
		}
	}
}

func TestWhatIsSaidAroundAStatusIsNoPartOfTheMessage(t *testing.T) {
	sent := errs.New(errs.ReasonUnavailable, "the service is starting: try again in a moment")
	wrapped := fmt.Errorf("max retries exhausted: failed after 4 attempts: %w", wire.EncodeError(sent))
	got := errs.From(wire.DecodeError(wrapped))
	if got.Reason != sent.Reason || got.Error() != sent.Error() {
		t.Errorf("decoded as %s %q, want %s %q", got.Reason, got, sent.Reason, sent)
	}
	if !errors.Is(got, wrapped) {
		t.Error("the cause is lost")
	}
}

func TestStatusesOfGRPCItselfGetTheClosestReason(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want errs.Reason
	}{
		{status.Error(codes.Unavailable, `connection error: dial tcp 10.1.2.3:50051`), errs.ReasonUnavailable},
		{status.Error(codes.DeadlineExceeded, "x"), errs.ReasonDeadlineExceeded},
		{status.Error(codes.Canceled, "x"), errs.ReasonCanceled},
		{status.Error(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"), errs.ReasonMessageTooLarge},
		{status.Error(codes.ResourceExhausted, "trying to send message larger than max (5 vs. 4)"), errs.ReasonMessageTooLarge},
		{status.Error(codes.ResourceExhausted, "too many pings"), errs.ReasonResourceExhausted},
		{status.Error(codes.Unimplemented, "unknown method"), errs.ReasonMethodNotFound},
		{status.Error(codes.InvalidArgument, "x"), errs.ReasonInvalidArgument},
		{status.Error(codes.Unauthenticated, "x"), errs.ReasonUnauthenticated},
		{status.Error(codes.PermissionDenied, "x"), errs.ReasonPermissionDenied},
		{status.Error(codes.Internal, "stream terminated"), errs.ReasonInternal},
		{status.Error(codes.Unknown, "10.1.2.3"), errs.ReasonInternal},
		{status.Error(codes.DataLoss, "x"), errs.ReasonInternal},
		{status.Error(codes.Code(99), "x"), errs.ReasonInternal},
		{fmt.Errorf("wrapped: %w", status.Error(codes.Unavailable, "x")), errs.ReasonUnavailable},
		{errors.New("no status"), errs.ReasonInternal},
		{errs.New(errs.ReasonPathNotFound, "a domain error"), errs.ReasonPathNotFound},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			got := errs.From(wire.DecodeError(tt.err))
			if got.Reason != tt.want || got.Kind != tt.want.Kind() {
				t.Errorf("is %s (%s), want %s (%s)", got.Reason, got.Kind, tt.want, tt.want.Kind())
			}
			if strings.Contains(got.Error(), "10.1.2.3") {
				t.Errorf("message %q tells an address", got)
			}
		})
	}
}

func TestAnErrorOfAnyTextFitsAStatus(t *testing.T) {
	long := strings.Repeat("é\xff", 1<<20)
	got := cross(t, &errs.Error{Kind: errs.NotFound, Reason: "BAD\xff", Msg: long, Meta: map[string]string{errs.MetaPath: long, "k\xff": "v"}})
	if got.Kind != errs.NotFound || len(got.Error()) > 4<<10 || len(got.Meta[errs.MetaPath]) != 4<<10 {
		t.Errorf("arrived as %s with %d bytes of message and %d of path", got.Kind, len(got.Error()), len(got.Meta[errs.MetaPath]))
	}
	st, _ := status.FromError(wire.EncodeError(got))
	if size := proto.Size(st.Proto()); size > 40<<10 {
		t.Errorf("the status takes %d bytes", size)
	}
}

func FuzzDecodeError(f *testing.F) {
	for _, reason := range errs.Reasons() {
		st, _ := status.FromError(wire.EncodeError(errs.New(reason, "message", errs.MetaPath, "\xff")))
		b, err := proto.Marshal(st.Proto())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var st spb.Status
		if proto.Unmarshal(b, &st) != nil {
			return
		}
		err := wire.DecodeError(status.ErrorProto(&st))
		if (err == nil) != (st.GetCode() == int32(codes.OK)) {
			t.Fatalf("code %d gives %v", st.GetCode(), err)
		}
		if err == nil {
			return
		}
		once, twice := errs.From(err), cross(t, err)
		if once.Kind != twice.Kind {
			t.Errorf("%s became %s", once.Kind, twice.Kind)
		}
	})
}
