package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// entityTag is the strong validator of a file: its blob id.
func entityTag(blob git.ObjectID) string { return `"` + blob.String() + `"` }

// entityTags is the value of If-Match or If-None-Match (RFC 9110, section 13.1).
type entityTags struct {
	// any is "*".
	any    bool
	strong []string
	weak   []string
}

// parseEntityTags reads what all headers of the name say. It fails with INVALID_ARGUMENT.
func parseEntityTags(h http.Header, name string) (tags entityTags, err error) {
	rest := strings.TrimSpace(strings.Join(h.Values(name), ","))
	if rest == "*" {
		return entityTags{any: true}, nil
	}
	if rest == "" {
		return tags, malformedTags(name)
	}
	for rest = strings.TrimLeft(rest, ", \t"); rest != ""; rest = strings.TrimLeft(rest, ", \t") {
		opaque, weak := strings.CutPrefix(rest, "W/")
		tag, after, closed := strings.Cut(strings.TrimPrefix(opaque, `"`), `"`)
		if opaque == "" || opaque[0] != '"' || !closed {
			return tags, malformedTags(name)
		}
		if weak {
			tags.weak = append(tags.weak, tag)
		} else {
			tags.strong = append(tags.strong, tag)
		}
		rest = after
	}
	return tags, nil
}

func malformedTags(name string) error {
	return errs.InvalidField(errs.ReasonInvalidArgument, name, "%s is malformed: an ETag stands in double quotes", name)
}

func (t entityTags) matches(tags []string, blob git.ObjectID) bool {
	for _, tag := range tags {
		if tag == blob.String() {
			return true
		}
	}
	return t.any
}

// given reports whether the header was sent, even without a value: a condition that came out empty must not become none.
func given(h http.Header, name string) bool { return len(h.Values(name)) > 0 }

// conditionHeaders are the conditions that a change can be sent with (RFC 9110, section 13.1).
var conditionHeaders = []string{"If-Match", "If-None-Match", "If-Unmodified-Since", "If-Modified-Since"}

// refuseConditions fails with INVALID_ARGUMENT if a change is sent with a condition that its route does not declare: to
// make it all the same would do what the caller wanted to rule out. A read without regard to a condition does no harm.
func (rt *route) refuseConditions(h http.Header) error {
	if rt.method == http.MethodGet || rt.method == http.MethodHead {
		return nil
	}
	for _, name := range conditionHeaders {
		if given(h, name) && !rt.spec.takesHeader(name) {
			return errs.InvalidField(errs.ReasonInvalidArgument, name, "this operation does not take %s: %s", name, rt.spec.instead)
		}
	}
	return nil
}

func (s *spec) takesHeader(name string) bool {
	return slices.ContainsFunc(s.headers, func(p *param) bool { return p.Name == name })
}

// evaluate applies the conditions of a read in the order of RFC 9110, section 13.2.2. It returns 304 if the caller has
// the file, and a 412 as an error.
func evaluate(h http.Header, blob git.ObjectID) (int, error) {
	if given(h, "If-Match") {
		tags, err := parseEntityTags(h, "If-Match")
		if err != nil {
			return 0, err
		}
		if !tags.matches(tags.strong, blob) {
			return 0, withStatus(http.StatusPreconditionFailed, blobMoved(h.Get("If-Match"), blob))
		}
	}
	if !given(h, "If-None-Match") {
		return 0, nil
	}
	tags, err := parseEntityTags(h, "If-None-Match")
	if err == nil && tags.matches(append(tags.strong, tags.weak...), blob) {
		return http.StatusNotModified, nil
	}
	return 0, err
}

func blobMoved(expected string, actual git.ObjectID) error {
	return errs.New(errs.ReasonBlobMoved, "the file is not the one that If-Match names: read it again",
		errs.MetaField, "If-Match", errs.MetaExpected, strings.Trim(expected, `"`), errs.MetaActual, actual.String())
}

// condition turns the conditions of a write into those of the change, so that the store checks them in the same
// moment in which it commits.
func condition(h http.Header, change *git.Change) error {
	match, noneMatch := given(h, "If-Match"), given(h, "If-None-Match")
	switch {
	case match && noneMatch:
		return errs.InvalidField(errs.ReasonInvalidArgument, "If-None-Match", "If-Match and If-None-Match exclude each other: send one")
	case noneMatch && (h.Get("If-None-Match") != "*" || change.Action == git.ActionDelete):
		return errs.InvalidField(errs.ReasonInvalidArgument, "If-None-Match", "a write takes If-None-Match only as *, to create a file")
	case noneMatch:
		change.Action = git.ActionCreate
	case match:
		return conditionMatch(h, change)
	}
	return nil
}

func conditionMatch(h http.Header, change *git.Change) error {
	if change.Action == git.ActionUpsert {
		change.Action = git.ActionUpdate
	}
	tags, err := parseEntityTags(h, "If-Match")
	switch {
	case err != nil || tags.any:
		return err
	case len(tags.strong)+len(tags.weak) > 1:
		return errs.InvalidField(errs.ReasonInvalidArgument, "If-Match", "a write takes one ETag in If-Match")
	case len(tags.strong) == 0:
		return withStatus(http.StatusPreconditionFailed, blobMoved(h.Get("If-Match"), git.ObjectID{}))
	}
	blob, err := git.ParseObjectID(tags.strong[0])
	if err != nil { // a tag that no file has
		return withStatus(http.StatusPreconditionFailed, blobMoved(h.Get("If-Match"), git.ObjectID{}))
	}
	change.ExpectedBlob = git.ExpectID(blob)
	return nil
}

// preconditionFailed gives an error 412 if it says that the request's If-Match or If-None-Match does not hold.
func preconditionFailed(h http.Header, err error) error {
	if given(h, "If-Match") && errs.Is(err, errs.ReasonBlobMoved, errs.ReasonPathNotFound) ||
		given(h, "If-None-Match") && errs.Is(err, errs.ReasonPathExists) {
		return withStatus(http.StatusPreconditionFailed, err)
	}
	return err
}

// byteRange is one range of RFC 9110, section 14.1.2: first and last, last -1 for an open end, or a suffix of so many
// bytes with first -1.
type byteRange struct{ first, last int64 }

// parseRange returns the range that a GET asks for. What is malformed, of another unit or more than one range is to be
// ignored, as the RFC allows, and answered with the whole file.
func parseRange(r *http.Request) (byteRange, bool) {
	values := r.Header.Values("Range")
	if r.Method != http.MethodGet || len(values) != 1 {
		return byteRange{}, false
	}
	spec, found := strings.CutPrefix(strings.TrimSpace(values[0]), "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !found || !dash || first == "" && last == "" {
		return byteRange{}, false
	}
	from, okFirst := position(first)
	to, okLast := position(last)
	if !okFirst || !okLast || from >= 0 && to >= 0 && from > to {
		return byteRange{}, false
	}
	return byteRange{from, to}, true
}

// position reads digits; -1 for none.
func position(s string) (int64, bool) {
	if s == "" {
		return -1, true
	}
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}

// of returns the part of a file of size bytes, and false if there is none.
func (b byteRange) of(size int64) (offset, length int64, ok bool) {
	switch {
	case b.first < 0:
		length = min(b.last, size)
		return size - length, length, length > 0
	case b.first >= size:
		return 0, 0, false
	case b.last < 0:
		return b.first, size - b.first, true
	}
	return b.first, min(b.last, size-1) - b.first + 1, true
}

// currentRange reports whether the range is of the version that the caller has. A date never is: files have none.
func currentRange(h http.Header, blob git.ObjectID) bool {
	condition := strings.TrimSpace(h.Get("If-Range"))
	return condition == "" || condition == entityTag(blob)
}

func contentRange(offset, length, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", offset, offset+length-1, size)
}

func unsatisfiable(size int64) error {
	return &statusError{
		status: http.StatusRequestedRangeNotSatisfiable,
		err: errs.InvalidField(errs.ReasonInvalidRange, "Range", "the range begins beyond the end: the file has %d bytes", size).
			WithMeta("size", strconv.FormatInt(size, 10)),
		header: http.Header{"Content-Range": {fmt.Sprintf("bytes */%d", size)}},
	}
}
