// Package graphqlapi executes GraphQL over the use cases of catalogs: the schema is that of contracts/graphql, and gqlgen
// makes the code between the two (generated.go and models_gen.go, by make gen).
//
// It knows nothing of HTTP: package httpapi reads requests, sends answers and accounts for them as for all others. It does
// with catalogs what REST does, with the same rules and the same messages.
//
// A query is held to limits before it is executed (see [Limits]), because a short one may ask for very much. What it reads of a
// repository it reads once: all that is told of a catalog in one answer is of one commit.
package graphqlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/ports"
)

// Executor executes operations. It may be used concurrently.
type Executor struct {
	store    ports.RepositoryStore
	catalogs catalogs.UseCases
	bodies   Bodies
	schema   graphql.ExecutableSchema
}

// New returns an executor over the repositories of a store and their catalogs.
func New(store ports.RepositoryStore, of catalogs.UseCases, bodies Bodies) *Executor {
	schema := NewExecutableSchema(Config{Schema: servedSchema, Resolvers: resolvers{}})
	return &Executor{store: store, catalogs: of, bodies: bodies, schema: schema}
}

// servedSchema lacks what gqlgen adds: answers in parts.
var servedSchema = func() *ast.Schema {
	delete(parsedSchema.Directives, "defer")
	return parsedSchema
}()

type resolvers struct{}

func (resolvers) Query() QueryResolver { return query{} }

func (resolvers) Mutation() MutationResolver { return mutation{} }

// Request is an operation to execute.
type Request struct {
	// Query is the document.
	Query string
	// OperationName says which operation of the document; it may be empty if there is one alone.
	OperationName string
	// Variables are as encoding/json reads them, numbers as [json.Number].
	Variables map[string]any
	// Begin is called before the operation is executed and says what it is: "query" or "mutation". What it returns is the
	// outcome.
	Begin func(operation string) error
	// Call returns the context for the next call of the store. It is not called concurrently.
	Call func() context.Context
	// Incident is told what is wrong with the service and not with the request; what it returns is shown.
	Incident func(error) error
}

// Answer is what an operation came to.
type Answer struct {
	// Body is the answer as JSON.
	Body []byte
	// Failure is the first of the errors that the body has, nil if there is none.
	Failure error
	// Executed reports that the operation was executed: the body has data, if only null.
	Executed bool
	// Older reports that something in it is of the commit of a page before.
	Older bool
}

// Execute executes an operation. It does not return before everything that it started has ended. When the context ends, the fields
// that are not resolved yet fail with CANCELED or DEADLINE_EXCEEDED, with the context's cause if that is one.
func (x *Executor) Execute(ctx context.Context, r Request) Answer {
	s := &session{executor: x, request: r, opened: map[opening]*Catalog{}, left: maxAnswer, html: map[*catalog.Document]string{}}
	ctx = context.WithValue(ctx, sessionKey{}, s)
	op, refused := x.prepare(r)
	if len(refused) > 0 {
		return refusal(refused)
	}
	if err := r.Begin(string(op.Operation.Operation)); err != nil {
		return s.refused(err)
	}
	ctx = graphql.WithOperationContext(ctx, op)
	ctx = graphql.WithResponseContext(ctx, s.present, op.RecoverFunc)
	response := x.schema.Exec(ctx)(ctx)
	list, data := graphql.GetErrors(ctx), []byte(response.Data)
	if s.exhausted {
		if len(s.made) == 0 {
			return s.refused(errAnswerTooLarge)
		}
		list, data = append(gqlerror.List{s.explain(s.errDoneAndTooLarge())}, list...), []byte("null")
	}
	list = list[:min(len(list), maxErrors)]
	out := Answer{Executed: true, Older: s.older, Body: encode(data, list)}
	if len(list) > 0 {
		out.Failure = reported(list[0])
	}
	return out
}

// prepare parses and validates a request, and holds it to the limits.
func (x *Executor) prepare(r Request) (*graphql.OperationContext, gqlerror.List) {
	doc, err := parse(r.Query)
	if err != nil {
		return nil, gqlerror.List{invalid(err)}
	}
	if list := validator.ValidateWithRules(x.schema.Schema(), doc, rules.NewDefaultRules()); len(list) > 0 {
		list = list[:min(len(list), maxErrors)]
		for i := range list {
			list[i] = invalid(list[i])
		}
		return nil, list
	}
	op := doc.Operations.ForName(r.OperationName)
	if op == nil {
		return nil, gqlerror.List{invalid(noOperation(doc, r.OperationName))}
	}
	variables, err := validator.VariableValues(x.schema.Schema(), op, r.Variables)
	if err != nil {
		return nil, gqlerror.List{invalid(err)}
	}
	if err := checkCost(doc, op, variables); err != nil {
		return nil, gqlerror.List{invalid(err)}
	}
	return &graphql.OperationContext{
		RawQuery: r.Query, OperationName: r.OperationName, Doc: doc, Operation: op, Variables: variables,
		RecoverFunc: func(_ context.Context, v any) error { return &panicked{v, debug.Stack()} },
		ResolverMiddleware: func(ctx context.Context, next graphql.Resolver) (any, error) {
			if err := ctx.Err(); err != nil { // else all fields would be resolved that do not look at it
				return nil, errs.From(err)
			}
			return next(ctx)
		},
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
	}, nil
}

func noOperation(doc *ast.QueryDocument, name string) error {
	switch {
	case len(doc.Operations) == 0:
		return errs.InvalidField(errs.ReasonInvalidArgument, "query", "the query has no operation")
	case name == "":
		return errs.InvalidField(errs.ReasonInvalidArgument, "operationName", "the query has %d operations: say which by operationName", len(doc.Operations))
	}
	return errs.InvalidField(errs.ReasonInvalidArgument, "operationName", "the query has no operation %.80q", name)
}

// parse reads a document and holds it to the limits that need no schema.
func parse(query string) (*ast.QueryDocument, error) {
	if len(query) > maxQuery {
		return nil, tooComplex("the query has %d bytes, at most %d are taken: put values into variables, or ask several times", len(query), maxQuery)
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, maxTokens)
	if err != nil {
		if strings.Contains(err.Error(), "token limit") { // the parser has no other way to tell
			err = tooComplex("the query has more than %d words and signs: ask several times", maxTokens)
		}
		return nil, err
	}
	return doc, checkShape(doc)
}

// panicked is a defect that a resolver ran into.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// maxErrors is how many errors an answer has at most.
const maxErrors = 50

// present turns an error of a field into one of the answer.
func (s *session) present(ctx context.Context, err error) *gqlerror.Error {
	shown, known := errors.AsType[*gqlerror.Error](err)
	if !known {
		shown = gqlerror.WrapPath(graphql.GetPath(ctx), err)
	}
	cause := err
	if known && shown.Err != nil {
		cause = shown.Err
	}
	if ended := context.Cause(ctx); errs.Is(ended, errs.ReasonDeadlineExceeded) {
		cause = ended // which says more than what came of it
	}
	out := s.explain(cause)
	out.Path, out.Locations = shown.Path, shown.Locations
	return out
}

// explain turns an error into one of the answer; what is not the caller's is told to the service first.
func (s *session) explain(err error) *gqlerror.Error {
	if e := errs.From(err); e.Kind == errs.Internal && e.Meta[errs.MetaIncident] == "" {
		err = s.request.Incident(err)
	}
	out := Explain(err)
	if moved, ok := errors.AsType[*catalogs.MovedDocumentError](err); ok {
		if fields := moved.Document.Fields(); s.has(len(fields) + len(moved.Document.Body)) {
			out.Extensions["current"] = current(moved.Document, fields)
		}
	}
	return out
}

// current is the version of a document that was in the way of a write, with the names that the types of documents have.
func current(d *catalog.Document, fields json.RawMessage) map[string]any {
	out := map[string]any{"kind": string(d.Kind), "documentId": d.ID, "path": d.Path.String(), "blobId": d.Blob.String(), "fields": fields, "body": d.Body}
	if text := base64Unless(d.Path.String()); text != nil {
		out["pathBase64"] = *text
	}
	return out
}

func (s *session) refused(err error) Answer { return refusal(gqlerror.List{s.explain(err)}) }

func refusal(list gqlerror.List) Answer {
	return Answer{Body: encode(nil, list), Failure: reported(list[0])}
}

// ErrorBody is the body of an answer to a request that was not executed because of err.
func ErrorBody(err error) []byte { return refusal(gqlerror.List{Explain(err)}).Body }

// encode writes an answer; without data nothing was executed.
func encode(data []byte, list gqlerror.List) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	if data != nil {
		b.WriteString(`"data":`)
		b.Write(data)
	}
	if len(list) > 0 {
		if data != nil {
			b.WriteByte(',')
		}
		b.WriteString(`"errors":`)
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(list); err != nil {
			panic(err) // all of it can be written
		}
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), "}\n"...)
}

// invalid explains what is wrong with a request before it is executed.
func invalid(err error) *gqlerror.Error {
	e, ours := errors.AsType[*errs.Error](err)
	if ours {
		return Explain(e)
	}
	found, _ := errors.AsType[*gqlerror.Error](err)
	if found == nil {
		return Explain(errs.Wrap(err, errs.ReasonInvalidArgument, err.Error()))
	}
	out := Explain(errs.Wrap(found, errs.ReasonInvalidArgument, found.Message))
	out.Path, out.Locations = found.Path, found.Locations
	return out
}

// Explain turns an error of the domain into one of GraphQL: extensions.code is its Reason, and what a problem of REST has
// besides is beside it.
func Explain(err error) *gqlerror.Error {
	e := errs.From(err)
	out := &gqlerror.Error{Err: err, Message: e.Error(), Extensions: map[string]any{"code": string(e.Reason)}}
	metadata := map[string]string{}
	for key, value := range e.Meta {
		if key != errs.MetaField {
			metadata[key] = value
		}
	}
	if field := e.Meta[errs.MetaField]; field != "" {
		out.Extensions["field"] = field
	}
	if len(metadata) > 0 {
		out.Extensions["metadata"] = metadata
	}
	if refused, ok := errors.AsType[*catalogs.InvalidDocumentsError](err); ok {
		out.Extensions["problems"] = problems(refused.Problems)
	}
	return out
}

// problems are what is wrong with documents, as the type Problem has it.
func problems(all []catalog.Problem) []map[string]any {
	out := make([]map[string]any, len(all))
	for i, p := range all {
		out[i] = map[string]any{
			"path": p.Path.String(), "line": p.Line, "column": p.Column, "field": p.Field, "reason": string(p.Reason), "message": p.Message,
		}
		if text := base64Unless(p.Path.String()); text != nil {
			out[i]["pathBase64"] = *text
		}
	}
	return out
}

// reported is the error of the domain behind one of the answer.
func reported(e *gqlerror.Error) error {
	if e.Err != nil {
		return e.Err
	}
	return errs.New(errs.ReasonInvalidArgument, e.Message)
}
