package ports

import (
	"context"
	"io"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
)

// PackTransport serves Git's own clients: clone, fetch and push over the pack protocol (gitprotocol-pack(5),
// gitprotocol-v2(5)), without its session: each call is one request and its answer, as over HTTP ("stateless-rpc"). The
// bytes are pkt-lines and packs as git writes them.
//
// A call reads in from its own goroutine up to the end of the request, and may write to out meanwhile from another one; it
// uses neither after it has returned. It reads no faster than it can use what it reads, and waits while out does not take
// what it writes, so that nothing is held in memory on its way. The caller sees to it that a Read and a Write that wait
// for the client return with an error soon after ctx has ended. What such a Read or Write fails with is what the call fails with.
// UploadPack stops an in that is a [Stopper] when it has written the whole answer, and does not wait for the end of the request then.
//
// What is wrong with a request in a way that the protocol has words for is told in out, for the person in front of the
// client, and is no error of the call. When a call fails, what it has written to out is not a whole answer.
//
// Only refs under refs/heads/ and refs/tags/ are there for clients: others are neither told of nor can be made.
type PackTransport interface {
	// AdvertiseRefs writes what a service has: its capabilities and, below version 2, its refs. The answer begins with the
	// first pkt-line of git itself, without the line "# service=" of HTTP. A retry is safe.
	AdvertiseRefs(ctx context.Context, id git.RepositoryID, q AdvertiseRefs, out io.Writer) error
	// UploadPack answers one request of a fetch or clone: a round of negotiation or a pack, the refs or, in version 2, any
	// other command. It fails with INVALID_ARGUMENT for what is not of the protocol and BODY_TOO_LARGE above
	// [MaxUploadRequest]. A context that ends breaks it off. A retry is safe.
	UploadPack(ctx context.Context, id git.RepositoryID, version git.ProtocolVersion, in io.Reader, out io.Writer) error
	// ReceivePack answers a push: it takes the pack, moves the refs and reports on each of them. While the client is sending
	// nobody else waits for it; then the push queues with the other writes of the repository and is as durable, as whole and
	// told as they are: all refs that it moves move in one transaction, and those of an atomic push or none. A ref is
	// refused, in the report, where UpdateRefs would fail, and if the [Policy] says so and a [PushValidator] finds it invalid;
	// commits may be dropped, as clients ask their users. A push is
	// refused as a whole if its pack is damaged, above a limit, holds objects that git-fsck(1) refuses, lacks
	// objects that it refers to, or brings links that the policy does not take. It fails with INVALID_ARGUMENT for what is not of the
	// protocol and for push options that the store does not take, and TOO_MANY_ACTIONS for more refs than [MaxPushedRefs]. A push whose answer was lost may have taken effect: the refs tell. So a retry is safe,
	// but it may be told that a ref is where it was to go.
	ReceivePack(ctx context.Context, id git.RepositoryID, version git.ProtocolVersion, in io.Reader, out io.Writer) error
}

// Stopper is a request of [PackTransport] whose reading can be stopped.
type Stopper interface {
	io.Reader
	// Stop ends a Read that waits for the client, from another goroutine, and all later ones, with an error.
	Stop()
}

// MaxPushedRefs is the most refs that one push may name.
const MaxPushedRefs = repository.MaxPushedRefs

// AdvertiseRefs says whose advertisement is wanted.
type AdvertiseRefs struct {
	Service git.PackService
	// Version is the newest that the client speaks.
	Version git.ProtocolVersion
}

// MaxUploadRequest is the largest request of UploadPack, in bytes: what a client wants and has. One of git's rounds of
// negotiation stays far below.
const MaxUploadRequest = 32 << 20
