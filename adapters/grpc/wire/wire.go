// Package wire converts between GitStore's domain and its gRPC contract, in both directions and for both ends: values
// to messages and back, errors to statuses and back, and the annotations of the RPCs to what is done with them.
//
// Encode… makes messages and never fails: what a message cannot say goes out in a form that the other end refuses with
// the reason that the store itself would give. Decode… goes through the domain's constructors, so that whatever it
// returns is valid; an error is of Kind Invalid and names the field of the message, as the contract spells it. A client
// turns errors about answers into Internal ones with [BadAnswer].
package wire

import (
	"math"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// Sizes of messages, in bytes.
const (
	// MaxRequest is the largest request message that a server takes and a client sends.
	MaxRequest = 4 << 20
	// MaxAnswer is the largest answer of a read.
	MaxAnswer = 4 << 20
	// MaxResult is the largest answer of a commit: it names a blob for each action.
	MaxResult = 32 << 20
	// Batch is about how large the messages of a stream of small items are. Larger ones save little, smaller ones cost.
	Batch = 100 << 10
	// Chunk is how much content of one file a message holds at most.
	Chunk = 128 << 10
	// MaxInline is the largest content that a client sends inside a unary request.
	MaxInline = 256 << 10
)

// RepositoryMetadata names the repository of a call's request once more, for a service that refuses calls before it
// receives them. Nothing else depends on it.
const RepositoryMetadata = "gitstore-repository"

// CallerMetadata says for whom a client makes a call, if not for itself: a service that has more to do than it can takes the calls of
// callers in turns.
const CallerMetadata = "gitstore-caller"

// maxItems is the most paths or patterns of one request.
const maxItems = 10_000

// BadAnswer returns err, from decoding an answer, as what it is to the client's caller.
func BadAnswer(err error) error {
	if err == nil {
		return nil
	}
	return errs.Wrap(err, errs.ReasonInternal, "the git service gave an answer that breaks its contract")
}

// clampInt32 returns n, or the nearest number that a field holds. The fields count items: nobody has more.
func clampInt32(n int) int32 { return int32(min(max(n, math.MinInt32), math.MaxInt32)) }
