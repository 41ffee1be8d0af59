package ws

import (
	"maps"
	"net/url"
	"slices"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

// The parameters of the query.
const (
	paramRepository = "repository"
	paramRef        = "ref"
	paramType       = "type"
	paramAfter      = "after"
	paramResync     = "resync"
)

// params says of each parameter whether it may be repeated.
var params = map[string]bool{paramRepository: true, paramRef: true, paramType: true, paramAfter: false, paramResync: false}

// secrets are parameters by which others pass tokens.
var secrets = []string{"access_token", "api_key", "auth", "authorization", "jwt", "key", "password", "ticket", "token"}

// filterParams are the fields of a filter as the query names them.
var filterParams = map[string]string{"repositories": paramRepository, "refs": paramRef, "patterns": paramRef, "types": paramType}

// parseQuery reads what is asked for. It fails with INVALID_ARGUMENT, INVALID_REPOSITORY_ID, INVALID_PATTERN and
// INVALID_CURSOR, and the error names the parameter.
func parseQuery(raw string) (s ports.Subscription, err error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return s, errs.Wrap(err, errs.ReasonInvalidArgument, "the query is malformed: escape the values")
	}
	if err := checkParams(q); err != nil {
		return s, err
	}
	if s.Filter, err = event.ParseFilter(q[paramRepository], q[paramRef], q[paramType]); err != nil {
		if name, ok := filterParams[errs.From(err).Meta[errs.MetaField]]; ok {
			err = errs.From(err).WithMeta(errs.MetaField, name)
		}
		return s, err
	}
	if s.After, err = event.ParseCursor(q.Get(paramAfter)); err != nil {
		return s, errs.From(err).WithMeta(errs.MetaField, paramAfter)
	}
	switch resync := q.Get(paramResync); {
	case resync == "true":
		s.Resync = true
	case resync != "false" && q.Has(paramResync):
		return s, errs.InvalidField(errs.ReasonInvalidArgument, paramResync, "resync is %.80q: it takes true or false", resync)
	}
	return s, nil
}

func checkParams(q url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(q)) {
		repeated, known := params[name]
		switch {
		case slices.Contains(secrets, name):
			return errs.InvalidField(errs.ReasonInvalidArgument, name, "no secret belongs in a URL, which ends up in logs: send %s as a header", name)
		case !known:
			return errs.InvalidField(errs.ReasonInvalidArgument, name, "parameter %.80q is unknown: use some of %q", name, slices.Sorted(maps.Keys(params)))
		case !repeated && len(q[name]) > 1:
			return errs.InvalidField(errs.ReasonInvalidArgument, name, "parameter %s is given more than once", name)
		}
	}
	return nil
}

// formatQuery writes what parseQuery reads.
func formatQuery(s ports.Subscription) string {
	q := url.Values{}
	for _, id := range s.Filter.Repositories {
		q.Add(paramRepository, id.String())
	}
	for _, pattern := range s.Filter.Refs.Strings() {
		q.Add(paramRef, pattern)
	}
	for _, t := range s.Filter.Types {
		q.Add(paramType, string(t))
	}
	if !s.After.IsZero() {
		q.Set(paramAfter, s.After.String())
	}
	if s.Resync {
		q.Set(paramResync, "true")
	}
	return q.Encode()
}
