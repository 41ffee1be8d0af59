package ports

import (
	"context"
	"io"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// PackTransport serves Git's own clients: clone, fetch and push over the pack protocol (gitprotocol-pack(5),
// gitprotocol-v2(5)), without its session: each call is one request and its answer, as over HTTP ("stateless-rpc"). The
// bytes are pkt-lines and packs as git writes them.
//
// A call reads in from its own goroutine up to the end of the request, and may write to out meanwhile from another one; it
// uses neither after it has returned. It reads no faster than it can use what it reads, and waits while out does not take
// what it writes, so that nothing is held in memory on its way. The caller sees to it that a Read and a Write that wait
// for the client return with an error soon after ctx has ended. What such a Read or Write fails with is what the call fails with.
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
}

// AdvertiseRefs says whose advertisement is wanted.
type AdvertiseRefs struct {
	Service git.PackService
	// Version is the newest that the client speaks.
	Version git.ProtocolVersion
}

// MaxUploadRequest is the largest request of UploadPack, in bytes: what a client wants and has. One of git's rounds of
// negotiation stays far below.
const MaxUploadRequest = 32 << 20
