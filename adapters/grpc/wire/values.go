package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

func encodeRevision(r git.Revision) *gitv1.Revision {
	if id, ok := r.CommitID(); ok {
		return &gitv1.Revision{Revision: &gitv1.Revision_CommitId{CommitId: id.String()}}
	}
	if ref, ok := r.Ref(); ok {
		return &gitv1.Revision{Revision: &gitv1.Revision_Ref{Ref: []byte(ref.String())}}
	}
	if name, ok := r.Name(); ok {
		return &gitv1.Revision{Revision: &gitv1.Revision_Name{Name: []byte(name)}}
	}
	return nil
}

func encodeExpectation(e git.Expectation) *gitv1.Expectation {
	switch {
	case !e.IsSet():
		return nil
	case e.ID().IsZero():
		return &gitv1.Expectation{Expected: &gitv1.Expectation_Absent{Absent: true}}
	}
	return &gitv1.Expectation{Expected: &gitv1.Expectation_ObjectId{ObjectId: e.ID().String()}}
}

func encodeTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func encodeSignature(s git.Signature) *gitv1.Signature {
	if s.IsZero() && s.When.IsZero() {
		return nil
	}
	_, offset := s.When.Zone()
	return &gitv1.Signature{
		Name: []byte(s.Name), Email: []byte(s.Email), Time: encodeTime(s.When),
		UtcOffsetMinutes: int32(offset / 60), //nolint:gosec // a zone is within a day or two
	}
}

func encodePaths(paths []git.TreePath) [][]byte {
	return each(paths, func(p git.TreePath) []byte { return []byte(p.String()) })
}

func encodePatterns(patterns []string) [][]byte {
	return each(patterns, func(p string) []byte { return []byte(p) })
}

func encodeHeaders(headers []git.Header) []*gitv1.ObjectHeader {
	return each(headers, func(h git.Header) *gitv1.ObjectHeader {
		return &gitv1.ObjectHeader{Key: []byte(h.Key), Value: []byte(h.Value)}
	})
}

func decodeHeaders(headers []*gitv1.ObjectHeader) []git.Header {
	var out []git.Header
	for _, h := range headers {
		out = append(out, git.Header{Key: string(h.GetKey()), Value: string(h.GetValue())})
	}
	return out
}

// EncodeCommit makes the message of a commit.
func EncodeCommit(c *git.Commit) *gitv1.Commit {
	return &gitv1.Commit{
		Id: c.ID.String(), TreeId: c.Tree.String(), ParentIds: each(c.Parents, git.ObjectID.String),
		Author: encodeSignature(c.Author), Committer: encodeSignature(c.Committer),
		Headers: encodeHeaders(c.Headers), Message: []byte(c.Message),
	}
}

// DecodeCommit reads a commit of an answer.
func DecodeCommit(m *gitv1.Commit) (*git.Commit, error) {
	var d decoder
	c := &git.Commit{
		ID: d.objectID("id", m.GetId()), Tree: d.objectID("tree_id", m.GetTreeId()),
		Author: d.signature("author", m.GetAuthor()), Committer: d.signature("committer", m.GetCommitter()),
		Headers: decodeHeaders(m.GetHeaders()), Message: string(m.GetMessage()),
	}
	for _, id := range m.GetParentIds() {
		c.Parents = append(c.Parents, d.objectID("parent_ids", id))
	}
	return c, d.err
}

func encodeTag(t *git.Tag) *gitv1.Tag {
	if t == nil {
		return nil
	}
	return &gitv1.Tag{
		Id: t.ID.String(), TargetId: t.Target.String(), TargetType: gitv1.ObjectType(t.TargetType), Name: []byte(t.Name),
		Tagger: encodeSignature(t.Tagger), Headers: encodeHeaders(t.Headers), Message: []byte(t.Message),
	}
}

func (d *decoder) tag(m *gitv1.Tag) *git.Tag {
	if m == nil {
		return nil
	}
	return &git.Tag{
		ID: d.objectID("id", m.GetId()), Target: d.objectID("target_id", m.GetTargetId()),
		TargetType: d.objectType("target_type", m.GetTargetType()), Name: string(m.GetName()),
		Tagger: d.signature("tagger", m.GetTagger()), Headers: decodeHeaders(m.GetHeaders()), Message: string(m.GetMessage()),
	}
}

func (d *decoder) objectType(field string, t gitv1.ObjectType) git.ObjectType {
	return enum(d, errs.ReasonInvalidArgument, field, t, git.TagObject)
}

// EncodeRef makes the message of a ref.
func EncodeRef(r git.Ref) *gitv1.Ref {
	return &gitv1.Ref{
		Name: []byte(r.Name.String()), TargetId: r.Target.String(), TargetType: gitv1.ObjectType(r.TargetType),
		PeeledId: r.Peeled.String(), PeeledType: gitv1.ObjectType(r.PeeledType),
	}
}

// DecodeRef reads a ref of an answer.
func DecodeRef(m *gitv1.Ref) (git.Ref, error) {
	var d decoder
	r := d.ref(m)
	return r, d.err
}

func (d *decoder) ref(m *gitv1.Ref) git.Ref {
	return git.Ref{
		Name: d.refName("name", m.GetName()), Target: d.objectID("target_id", m.GetTargetId()),
		TargetType: d.objectType("target_type", m.GetTargetType()), Peeled: d.objectID("peeled_id", m.GetPeeledId()),
		PeeledType: d.objectType("peeled_type", m.GetPeeledType()),
	}
}

// EncodeRefs makes the messages of refs.
func EncodeRefs(refs []git.Ref) []*gitv1.Ref { return each(refs, EncodeRef) }

// DecodeRefs reads the refs of an answer.
func DecodeRefs(ms []*gitv1.Ref) ([]git.Ref, error) {
	var d decoder
	refs := each(ms, d.ref)
	return refs, d.err
}

func each[T, U any](in []T, convert func(T) U) []U {
	out := make([]U, len(in))
	for i, v := range in {
		out[i] = convert(v)
	}
	return out
}

// EncodeTagInfo makes the message of a tag.
func EncodeTagInfo(t ports.TagInfo) *gitv1.TagInfo {
	return &gitv1.TagInfo{Ref: EncodeRef(t.Ref), Version: valid(t.Version), Prerelease: t.Prerelease, Annotated: encodeTag(t.Annotated)}
}

// DecodeTagInfo reads a tag of an answer.
func DecodeTagInfo(m *gitv1.TagInfo) (ports.TagInfo, error) {
	var d decoder
	t := d.tagInfo(m)
	return t, d.err
}

func (d *decoder) tagInfo(m *gitv1.TagInfo) ports.TagInfo {
	return ports.TagInfo{
		Ref: d.ref(m.GetRef()), Version: m.GetVersion(), Prerelease: m.GetPrerelease(), Annotated: d.tag(m.GetAnnotated()),
	}
}

func encodeFile(f ports.File) *gitv1.File {
	return &gitv1.File{Path: []byte(f.Path.String()), Mode: uint32(f.Mode), BlobId: f.Blob.String(), Size: f.Size}
}

func (d *decoder) file(commit git.ObjectID, m *gitv1.File) ports.File {
	return ports.File{
		Commit: commit, Path: d.path("path", m.GetPath()), Mode: git.FileMode(m.GetMode()),
		Blob: d.objectID("blob_id", m.GetBlobId()), Size: d.size("size", m.GetSize()),
	}
}

// size reads a number of bytes.
func (d *decoder) size(field string, n int64) int64 {
	if n < 0 {
		d.invalid(errs.ReasonInvalidArgument, field, "the %s is negative", field)
		return 0
	}
	return n
}
