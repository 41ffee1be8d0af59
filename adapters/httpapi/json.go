package httpapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// maxJSON is the largest JSON body but for that of a commit, in bytes.
const maxJSON = 1 << 20

var strict = json.RejectUnknownMembers(true)

// withoutNull is strict and takes null for no value at all: what is left out has a meaning of its own.
var withoutNull = json.JoinOptions(strict, json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, v any) error {
	if d.PeekKind() == 'n' {
		return &json.SemanticError{GoType: reflect.TypeOf(v).Elem()}
	}
	return errors.ErrUnsupported
})))

// openJSON is [body.open] for JSON. A body that names no type is taken for that, and one of the type that curl gives to what it sends if
// it is told none (curl(1), --data).
func (c *call) openJSON(limit int64, advice string) error {
	if said := c.r.Header.Get("Content-Type"); said != "" {
		mediaType, _, err := mime.ParseMediaType(said)
		isJSON := mediaType == "application/json" || strings.HasSuffix(mediaType, "+json") || mediaType == "application/x-www-form-urlencoded"
		if err != nil || !isJSON {
			return withStatus(http.StatusUnsupportedMediaType, errs.InvalidField(errs.ReasonInvalidArgument, "Content-Type",
				"the content type is %q: send JSON, as application/json", clip(said, 64)))
		}
	}
	return c.body.open(c.r.Header, limit, advice)
}

// openWhole is [call.openJSON] for a body that is then read whole, and fails with QUEUE_FULL while it is read if other requests hold too much.
func (c *call) openWhole(limit int64, advice string) error {
	c.body.weight = wholeJSON
	return c.openJSON(limit, advice)
}

// decode reads the whole body as one JSON value. It fails with INVALID_ARGUMENT, which names the member at fault, and
// as the body does.
func (c *call) decode(v any) error {
	if err := c.openWhole(maxJSON, "make it smaller"); err != nil {
		return err
	}
	return c.body.blame(jsonError("", json.UnmarshalRead(c.body, v, withoutNull)))
}

// jsonError explains why JSON was not accepted; at is the member that was being read.
func jsonError(at string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		return semanticError(fieldName(at, e.JSONPointer), e)
	}
	field, cause := at, err
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		field = fieldName(at, e.JSONPointer)
		if errors.Is(e, jsontext.ErrDuplicateName) {
			return errs.InvalidField(errs.ReasonInvalidArgument, field, "%q is given twice", field)
		}
		cause = fmt.Errorf("%w, at byte %d", e.Err, e.ByteOffset)
		if e.ByteOffset == 0 && errors.Is(e.Err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
	}
	if errors.Is(err, io.EOF) {
		return errs.Wrap(err, errs.ReasonInvalidArgument, "the body is empty: it has to be JSON", errs.MetaField, field)
	}
	return errs.Wrap(err, errs.ReasonInvalidArgument, "the body is not valid JSON: "+clip(cause.Error(), 128), errs.MetaField, field)
}

func semanticError(field string, e *json.SemanticError) error {
	if errors.Is(e, json.ErrUnknownName) {
		return errs.InvalidField(errs.ReasonInvalidArgument, field, "member %q is unknown%s", field, known(e.GoType))
	}
	if field == "" {
		return errs.New(errs.ReasonInvalidArgument, "the body has to be "+wanted(e.GoType))
	}
	return errs.InvalidField(errs.ReasonInvalidArgument, field, "%q has to be %s", field, wanted(e.GoType))
}

// known says which members there are where one was unknown.
func known(t reflect.Type) string {
	if t == nil || t.Kind() != reflect.Struct {
		return ""
	}
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return ": there are " + strings.Join(names, ", ")
}

// wanted says in JSON's words what a Go type is read from.
func wanted(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
		return "another value"
	case t == reflect.TypeFor[time.Time]():
		return "a time of RFC 3339, such as 2026-01-31T09:00:00Z"
	case t == reflect.TypeFor[expectedIDJSON]():
		return "a string: an object id, or empty for nothing"
	case t == reflect.TypeFor[base64Content]():
		return "a string in base64 with padding and without line breaks"
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "an array"
	case t.Kind() == reflect.Struct:
		return "an object"
	}
	return "a number"
}

// fieldName writes a JSON pointer the way people write members: "/actions/3/path" is "actions[3].path".
func fieldName(at string, p jsontext.Pointer) string {
	var b strings.Builder
	b.WriteString(at)
	for token := range p.Tokens() {
		if _, err := strconv.ParseUint(token, 10, 32); err == nil {
			b.WriteString("[" + token + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	return clip(b.String(), 128)
}
