package wire

import (
	"bytes"

	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// EncodeAdvertiseRefs makes the request of TransportService.AdvertiseRefs.
func EncodeAdvertiseRefs(id git.RepositoryID, q ports.AdvertiseRefs) *gitv1.AdvertiseRefsRequest {
	return &gitv1.AdvertiseRefsRequest{
		Repository: id.String(), Service: gitv1.PackService(q.Service), ProtocolVersion: uint32(q.Version),
	}
}

// DecodeAdvertiseRefs reads the request of TransportService.AdvertiseRefs.
func DecodeAdvertiseRefs(m *gitv1.AdvertiseRefsRequest) (git.RepositoryID, ports.AdvertiseRefs, error) {
	var d decoder
	id := d.repositoryID(m.GetRepository())
	q := ports.AdvertiseRefs{
		Service: enum(&d, errs.ReasonInvalidArgument, "service", m.GetService(), git.ReceivePackService),
		Version: d.protocolVersion(m.GetProtocolVersion()),
	}
	if q.Service == 0 {
		d.invalid(errs.ReasonInvalidArgument, "service", "the service is missing")
	}
	return id, q, d.err
}

// MaxLsRefs is the longest request of ls-refs that AdvertiseRefsRequest takes, in bytes.
const MaxLsRefs = 1 << 20

// LsRefsBegins is how many bytes of a request [IsLsRefs] looks at.
const LsRefsBegins = len("0013" + lsRefs)

const lsRefs = "command=ls-refs"

// IsLsRefs reports whether a request of version 2 of the pack protocol, or what it begins with, is the command ls-refs.
func IsLsRefs(request []byte) bool {
	return len(request) >= LsRefsBegins && bytes.HasPrefix(request[len("0013"):], []byte(lsRefs))
}

// DecodeLsRefs reads the command of a request whose other fields are q, nil if it has none.
func DecodeLsRefs(m *gitv1.AdvertiseRefsRequest, q ports.AdvertiseRefs) ([]byte, error) {
	var d decoder
	request := m.GetListRefs()
	if len(request) > MaxLsRefs || len(request) > 0 && !(q.Service == git.UploadPackService && q.Version == 2 && IsLsRefs(request)) {
		d.invalid(errs.ReasonInvalidArgument, "list_refs", "this is not the command ls-refs of version 2, of a megabyte at most")
	}
	return request, d.err
}

// DecodePackHeader reads what the first message of TransportService.UploadPack or ReceivePack says.
func DecodePackHeader(repository string, version uint32) (git.RepositoryID, git.ProtocolVersion, error) {
	var d decoder
	id, v := d.repositoryID(repository), d.protocolVersion(version)
	return id, v, d.err
}

func (d *decoder) protocolVersion(v uint32) git.ProtocolVersion {
	if v > uint32(git.MaxProtocolVersion) {
		d.invalid(errs.ReasonInvalidArgument, "protocol_version", "protocol version %d is unknown: use 0 to %d", v, git.MaxProtocolVersion)
		return 0
	}
	return git.ProtocolVersion(v)
}
