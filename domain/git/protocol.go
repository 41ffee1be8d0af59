package git

import "strings"

// ProtocolVersion is a version of Git's pack protocol: 0, 1 or 2 (gitprotocol-common(5)).
type ProtocolVersion uint8

// MaxProtocolVersion is the newest version that is spoken.
const MaxProtocolVersion ProtocolVersion = 2

// ParseGitProtocol reads what a client says in the HTTP header Git-Protocol or the variable GIT_PROTOCOL: keys and values
// separated by colons. The highest known version that it offers counts, as git itself has it; whatever else there is counts
// for nothing, so that no text of a client reaches a process.
func ParseGitProtocol(s string) ProtocolVersion {
	var best ProtocolVersion
	for part := range strings.SplitSeq(s, ":") {
		switch part {
		case "version=1":
			best = max(best, 1)
		case "version=2":
			best = 2
		}
	}
	return best
}

// PackService is one of the two services of the pack protocol.
type PackService uint8

const (
	// UploadPackService is what fetches and clones talk to.
	UploadPackService PackService = iota + 1
	// ReceivePackService is what pushes talk to.
	ReceivePackService
)

// ParsePackService reads "git-upload-pack" or "git-receive-pack" and reports whether it is one of them.
func ParsePackService(s string) (PackService, bool) {
	for _, known := range []PackService{UploadPackService, ReceivePackService} {
		if s == known.String() {
			return known, true
		}
	}
	return 0, false
}

// String returns the service's name, such as "git-upload-pack"; "" for the zero value.
func (s PackService) String() string {
	switch s {
	case UploadPackService:
		return "git-upload-pack"
	case ReceivePackService:
		return "git-receive-pack"
	}
	return ""
}
