package graphqlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// The functions of this file read and write the scalars and some of the enums of the schema; gqlgen finds them by their names.

// text writes bytes of JSON as far as the answer has room for them.
func text(encode func() []byte, size int) graphql.ContextMarshaler {
	return graphql.ContextWriterFunc(func(ctx context.Context, w io.Writer) error {
		if !sessionOf(ctx).take(size) {
			_, err := io.WriteString(w, "null")
			return err
		}
		_, err := w.Write(encode())
		return err
	})
}

// MarshalString writes a text with U+FFFD for what is not UTF-8.
func MarshalString(s string) graphql.ContextMarshaler {
	return text(func() []byte { return quote(s) }, len(s))
}

func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(strings.ToValidUTF8(s, "\uFFFD")) // no string fails
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// UnmarshalString reads a text.
func UnmarshalString(_ context.Context, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", notA("a string")
	}
	return s, nil
}

// MarshalID writes an id.
func MarshalID(s string) graphql.ContextMarshaler { return MarshalString(s) }

// UnmarshalID reads an id, which may be written as a number.
func UnmarshalID(ctx context.Context, v any) (string, error) {
	switch v := v.(type) {
	case json.Number:
		return v.String(), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	}
	return UnmarshalString(ctx, v)
}

func notA(what string) error {
	return errs.New(errs.ReasonInvalidArgument, "the value has to be "+what)
}

// MarshalPath writes a path.
func MarshalPath(p git.TreePath) graphql.ContextMarshaler { return MarshalString(p.String()) }

// UnmarshalPath reads a path.
func UnmarshalPath(ctx context.Context, v any) (git.TreePath, error) {
	s, err := UnmarshalString(ctx, v)
	if err != nil {
		return git.TreePath{}, err
	}
	return git.ParseTreePath(s)
}

// MarshalObjectID writes an object ID, which is empty if it is zero.
func MarshalObjectID(id git.ObjectID) graphql.ContextMarshaler { return MarshalString(id.String()) }

// UnmarshalObjectID reads an object ID.
func UnmarshalObjectID(ctx context.Context, v any) (git.ObjectID, error) {
	s, err := UnmarshalString(ctx, v)
	if err != nil {
		return git.ObjectID{}, err
	}
	return git.ParseObjectID(s)
}

// MarshalInt writes a number; the schema has none beyond 32 bits but positions, which documents may set to any.
func MarshalInt(n int) graphql.Marshaler { return graphql.MarshalInt(n) }

// UnmarshalInt reads a number of 32 bits.
func UnmarshalInt(v any) (int, error) {
	var n int64
	switch v := v.(type) {
	case int64:
		n = v
	case int:
		n = int64(v)
	case json.Number:
		var err error
		if n, err = v.Int64(); err != nil {
			return 0, notA("a number of 32 bits without a fraction")
		}
	default:
		return 0, notA("a number without a fraction")
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		return 0, notA("a number of 32 bits")
	}
	return int(n), nil
}

// MarshalDateTime writes a time in UTC.
func MarshalDateTime(t time.Time) graphql.ContextMarshaler {
	return MarshalString(t.UTC().Format(time.RFC3339Nano))
}

// UnmarshalDateTime reads a time.
func UnmarshalDateTime(_ context.Context, v any) (time.Time, error) {
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, notA("a time of RFC 3339, such as 2026-01-31T09:00:00Z")
	}
	return t, nil
}

// MarshalJSON writes a value of JSON as it is, and none as null.
func MarshalJSON(v json.RawMessage) graphql.ContextMarshaler {
	if v == nil {
		v = json.RawMessage("null")
	}
	return text(func() []byte { return v }, len(v))
}

// UnmarshalJSON reads a value; the members of objects come in the order of their names.
func UnmarshalJSON(_ context.Context, v any) (json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, notA("JSON")
	}
	return b, nil
}

// MarshalEnum writes one of the words that documents have in small letters.
func MarshalEnum(s string) graphql.ContextMarshaler { return MarshalString(strings.ToUpper(s)) }

// UnmarshalEnum reads a word as documents have it.
func UnmarshalEnum(ctx context.Context, v any) (string, error) {
	s, err := UnmarshalString(ctx, v)
	return strings.ToLower(s), err
}

var operators = map[string]catalog.Operator{
	"EQUAL": catalog.Equal, "NOT_EQUAL": catalog.NotEqual, "LESS": catalog.Less, "LESS_OR_EQUAL": catalog.LessOrEqual,
	"GREATER": catalog.Greater, "GREATER_OR_EQUAL": catalog.GreaterOrEqual,
}

// MarshalOperator writes how a field is compared.
func MarshalOperator(o catalog.Operator) graphql.ContextMarshaler {
	for name, known := range operators {
		if known == o {
			return MarshalString(name)
		}
	}
	return MarshalString(string(o))
}

// UnmarshalOperator reads how a field is compared.
func UnmarshalOperator(_ context.Context, v any) (catalog.Operator, error) {
	name, _ := v.(string)
	o, known := operators[name]
	if !known {
		return o, notA("a FieldOperator")
	}
	return o, nil
}
