package wire

import (
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// decoder reads the fields of a message and keeps the first error, so that a conversion reads as a list of fields. After
// an error it returns zero values.
type decoder struct{ err error }

// fail keeps err, about the field of the message.
func (d *decoder) fail(field string, err error) {
	if d.err == nil {
		d.err = errs.From(err).WithMeta(errs.MetaField, field)
	}
}

func (d *decoder) invalid(reason errs.Reason, field, format string, args ...any) {
	d.fail(field, errs.New(reason, fmt.Sprintf(format, args...)))
}

// parsed reads a text by a constructor of the domain; an empty one is the zero value.
func parsed[T any, S ~string | ~[]byte](d *decoder, field string, s S, parse func(string) (T, error)) T {
	var zero T
	if d.err != nil || len(s) == 0 {
		return zero
	}
	v, err := parse(string(s))
	if err != nil {
		d.fail(field, err)
		return zero
	}
	return v
}

func (d *decoder) repositoryID(s string) git.RepositoryID {
	id, err := git.ParseRepositoryID(s)
	if err != nil {
		d.fail("repository", err)
	}
	return id
}

func (d *decoder) objectID(field, s string) git.ObjectID {
	return parsed(d, field, s, git.ParseObjectID)
}

func (d *decoder) refName(field string, b []byte) git.RefName {
	return parsed(d, field, b, git.ParseRefName)
}

func (d *decoder) path(field string, b []byte) git.TreePath {
	return parsed(d, field, b, git.ParseTreePath)
}

// paths reads paths of which an empty one is the root.
func (d *decoder) paths(field string, all [][]byte) []git.TreePath {
	if !d.count(field, len(all), maxItems) || len(all) == 0 {
		return nil
	}
	paths := make([]git.TreePath, len(all))
	for i, b := range all {
		if len(b) == 0 {
			continue
		}
		p, err := git.ParseTreePath(string(b))
		if err != nil {
			d.fail(indexed(field, i), err)
			return nil
		}
		paths[i] = p
	}
	return paths
}

func (d *decoder) patterns(field string, all [][]byte) []string {
	if !d.count(field, len(all), maxItems) || len(all) == 0 {
		return nil
	}
	return each(all, func(b []byte) string { return string(b) })
}

// count holds a repeated field to its limit before any of it is read.
func (d *decoder) count(field string, n, most int) bool {
	if n > most {
		d.invalid(errs.ReasonTooManyActions, field, "there are %d %s, at most %d are taken at once", n, field, most)
	}
	return d.err == nil
}

func indexed(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// enum reads a number of the contract that is the domain's own; 0 is the domain's zero value.
func enum[T ~uint8, E ~int32](d *decoder, reason errs.Reason, field string, v E, last T) T {
	if v < 0 || v > E(last) {
		d.invalid(reason, field, "%s %d is unknown", field, v)
		return 0
	}
	return T(v)
}

// revision reads a revision; one that is not set is the zero Revision, which the store refuses where it needs one.
func (d *decoder) revision(field string, r *gitv1.Revision) git.Revision {
	if r == nil || d.err != nil {
		return git.Revision{}
	}
	var rev git.Revision
	switch v := r.GetRevision().(type) {
	case *gitv1.Revision_CommitId:
		rev = git.AtCommit(d.objectID(field, v.CommitId))
	case *gitv1.Revision_Ref:
		rev = git.AtRef(d.refName(field, v.Ref))
	case *gitv1.Revision_Name:
		if rev = parsed(d, field, v.Name, git.ParseRevision); rev.IsZero() {
			break
		}
		if _, isName := rev.Name(); !isName {
			d.invalid(errs.ReasonInvalidRevision, field, "the name %.80q is not a short one: use ref or commit_id", v.Name)
		}
	}
	if rev.IsZero() {
		d.invalid(errs.ReasonInvalidRevision, field, "the %s is empty: set commit_id, ref or name", field)
	}
	return rev
}

// expectation reads the condition of a compare-and-swap. Git's null ID stands for absence, as in git-update-ref(1).
func (d *decoder) expectation(field string, e *gitv1.Expectation) git.Expectation {
	if e == nil || d.err != nil {
		return git.Expectation{}
	}
	switch v := e.GetExpected().(type) {
	case *gitv1.Expectation_ObjectId:
		if isNullID(v.ObjectId) {
			return git.ExpectAbsent()
		}
		if id := d.objectID(field, v.ObjectId); !id.IsZero() {
			return git.ExpectID(id)
		}
	case *gitv1.Expectation_Absent:
		if v.Absent {
			return git.ExpectAbsent()
		}
	}
	d.invalid(errs.ReasonInvalidArgument, field, "the %s is empty: set object_id, or absent to true, or leave it out", field)
	return git.Expectation{}
}

func isNullID(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}
	return len(s) == 2*git.SHA1.Size() || len(s) == 2*git.SHA256.Size()
}

// time reads a time; one that is not set is the zero time.
func (d *decoder) time(reason errs.Reason, field string, ts *timestamppb.Timestamp) time.Time {
	if ts == nil {
		return time.Time{}
	}
	t := ts.AsTime()
	if ts.CheckValid() != nil || t.IsZero() {
		d.invalid(reason, field, "the time of %s is out of range", field)
		return time.Time{}
	}
	return t
}

// maxOffset is the widest zone in minutes. Git takes "+2399" for a zone, and its minutes as they stand.
const maxOffset = 23*60 + 99

func (d *decoder) signature(field string, s *gitv1.Signature) git.Signature {
	if s == nil {
		return git.Signature{}
	}
	sig := git.Signature{Name: string(s.GetName()), Email: string(s.GetEmail()), When: d.time(errs.ReasonInvalidSignature, field, s.GetTime())}
	offset := s.GetUtcOffsetMinutes()
	switch {
	case offset > maxOffset || offset < -maxOffset:
		d.invalid(errs.ReasonInvalidSignature, field, "the zone of %s is out of range", field)
	case offset != 0 && !sig.When.IsZero():
		sig.When = sig.When.In(time.FixedZone("", int(offset)*60))
	}
	return sig
}
