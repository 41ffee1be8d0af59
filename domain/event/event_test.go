package event_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
)

const epoch = "0123456789abcdef"

var (
	one = strings.Repeat("1", 40)
	two = strings.Repeat("2", 40)
	at  = time.Date(2026, 1, 31, 9, 0, 0, 123456789, time.UTC)
)

func value[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

func oid(t *testing.T, s string) git.ObjectID {
	t.Helper()
	return value[git.ObjectID](t)(git.ParseObjectID(s))
}

func ref(t *testing.T, s string) git.RefName {
	t.Helper()
	return value[git.RefName](t)(git.ParseRefName(s))
}

func shop(t *testing.T) git.RepositoryID {
	t.Helper()
	return value[git.RepositoryID](t)(git.ParseRepositoryID("shop"))
}

func notices(t *testing.T) map[string]event.Notice {
	t.Helper()
	h := event.Header{ID: shop(t), At: at}
	c := event.NewCursor(epoch, 42)
	return map[string]event.Notice{
		"tag": event.Entry{Cursor: c, Event: event.RefUpdated{
			Header: h, Ref: ref(t, "refs/tags/v1.4.0"), New: oid(t, one), Commit: oid(t, two),
			Release: event.Release{Version: "1.4.0"}, Transaction: event.Transaction{ID: "t", Index: 0, Count: 2}, RequestID: "r",
		}},
		"branch": event.Entry{Cursor: c, Event: event.RefUpdated{
			Header: h, Ref: ref(t, "refs/heads/main"), Old: oid(t, one), New: oid(t, two), Commit: oid(t, two), Forced: true,
		}},
		"not UTF-8": event.Entry{Cursor: c, Event: event.RefUpdated{Header: h, Ref: ref(t, "refs/heads/caf\xe9"), Old: oid(t, one)}},
		"no cursor": event.Entry{Event: event.RepositoryDeleted{Header: h}},
		"created": event.Entry{Cursor: c, Event: event.RepositoryCreated{
			Header: event.Header{ID: shop(t), At: at, Synthetic: true}, CreatedAt: at.Truncate(time.Second),
		}},
		"heartbeat": event.Heartbeat{Cursor: c},
		"resync": event.Resync{Repositories: []event.RepositoryRefs{{ID: shop(t), Refs: []git.Ref{
			{Name: ref(t, "refs/heads/caf\xe9"), Target: oid(t, one), Peeled: oid(t, two)},
		}}}},
		"last resync": event.Resync{Cursor: c},
		"resync of a repository that cannot be read": event.Resync{Cursor: c, Repositories: []event.RepositoryRefs{{ID: shop(t), Unreadable: true}}},
	}
}

func TestNoticesSurviveTheirJSON(t *testing.T) {
	for name, n := range notices(t) {
		b, err := event.MarshalNotice(n)
		require.NoError(t, err, name)
		got, err := event.UnmarshalNotice(b)
		require.NoError(t, err, "%s: %s", name, b)
		if diff := cmp.Diff(n, got, cmp.AllowUnexported(event.Cursor{}, git.RefName{}, git.ObjectID{}, git.RepositoryID{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAnEventIsACloudEvent(t *testing.T) {
	b, err := event.MarshalNotice(notices(t)["tag"])
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"specversion": "1.0", "id": "0123456789abcdef-42", "source": "/repositories/shop", "type": "dev.gitstore.ref.updated.v1",
		"subject": "refs/tags/v1.4.0", "time": "2026-01-31T09:00:00.123456789Z", "datacontenttype": "application/json",
		"cursor": "0123456789abcdef-42",
		"data": {"change": "created", "ref_kind": "tag", "old_oid": "", "new_oid": "`+one+`", "commit_id": "`+two+`",
			"forced": false, "release": {"version": "1.4.0", "prerelease": false},
			"transaction": {"id": "t", "index": 0, "count": 2}, "request_id": "r", "synthetic": false}}`, string(b))
}

func TestEveryCloudEventHasWhatTheSpecificationRequires(t *testing.T) {
	for name, n := range notices(t) {
		b, err := event.MarshalNotice(n)
		require.NoError(t, err)
		var attributes map[string]any
		require.NoError(t, json.Unmarshal(b, &attributes))
		for _, required := range []string{"specversion", "source", "type"} {
			assert.NotEmpty(t, attributes[required], "%s of %s", required, name)
		}
	}
}

func TestAnUnknownTypeIsIgnored(t *testing.T) {
	n, err := event.UnmarshalNotice([]byte(`{"specversion":"1.0","id":"1","source":"/repositories/shop","type":"dev.gitstore.ref.updated.v2","data":{"new":1}}`))
	assert.NoError(t, err)
	assert.Nil(t, n)
}

func TestWhatIsNoEventIsRefused(t *testing.T) {
	for _, s := range []string{
		"", "null", "[]", "{}", `{"specversion":"2.0","source":"/repositories/shop","type":"t"}`,
		`{"specversion":"1.0","source":"/repositories/../x","type":"dev.gitstore.ref.updated.v1"}`,
		`{"specversion":"1.0","source":"/repositories/shop","type":"dev.gitstore.ref.updated.v1"}`,
		`{"specversion":"1.0","source":"/repositories/shop","type":"dev.gitstore.ref.updated.v1","subject":"main","data":{}}`,
		`{"specversion":"1.0","source":"/repositories/shop","type":"dev.gitstore.ref.updated.v1","subject":"refs/heads/main","data":{"new_oid":"x"}}`,
		`{"specversion":"1.0","source":"/events","type":"dev.gitstore.stream.heartbeat.v1","cursor":"x"}`,
		`{"specversion":"1.0","source":"/events","type":"dev.gitstore.stream.resync_required.v1","data":{"last":true}}`,
	} {
		_, err := event.UnmarshalNotice([]byte(s))
		assert.Equal(t, errs.ReasonInvalidArgument, errs.ReasonOf(err), "%s", s)
	}
}

func TestCursors(t *testing.T) {
	c := event.NewCursor(epoch, 42)
	assert.Equal(t, c, value[event.Cursor](t)(event.ParseCursor(c.String())))
	assert.Equal(t, event.Cursor{}, value[event.Cursor](t)(event.ParseCursor("")))
	assert.True(t, c.Reached(event.Cursor{}))
	assert.True(t, c.Reached(c))
	assert.True(t, c.Reached(event.NewCursor(epoch, 41)))
	assert.False(t, c.Reached(event.NewCursor(epoch, 43)))
	assert.False(t, c.Reached(event.NewCursor("fedcba9876543210", 1)))
	for _, s := range []string{"x", "42", epoch, epoch + "-", epoch + "-042", epoch + "--1", epoch + "-1\n", strings.ToUpper(epoch) + "-1", epoch + "-99999999999999999999"} {
		_, err := event.ParseCursor(s)
		assert.Equal(t, errs.ReasonInvalidCursor, errs.ReasonOf(err), "%q", s)
	}
}

func TestFilters(t *testing.T) {
	h := event.Header{ID: shop(t)}
	main := event.RefUpdated{Header: h, Ref: ref(t, "refs/heads/main")}
	tag := event.RefUpdated{Header: h, Ref: ref(t, "refs/tags/v1.0.0")}
	created := event.RepositoryCreated{Header: h}
	for _, test := range []struct {
		repositories, refs, types []string
		want                      []event.Event
	}{
		{want: []event.Event{main, tag, created}},
		{repositories: []string{"shop"}, want: []event.Event{main, tag, created}},
		{repositories: []string{"other"}},
		{refs: []string{"refs/heads"}, want: []event.Event{main, created}},
		{refs: []string{"refs/tags/v*"}, types: []string{string(event.TypeRefUpdated)}, want: []event.Event{tag}},
		{types: []string{string(event.TypeRepositoryCreated)}, want: []event.Event{created}},
	} {
		f := value[event.Filter](t)(event.ParseFilter(test.repositories, test.refs, test.types))
		var got []event.Event
		for _, e := range []event.Event{main, tag, created} {
			if f.Match(e) {
				got = append(got, e)
			}
		}
		assert.Equal(t, test.want, got, "%+v", test)
	}
	for reason, args := range map[errs.Reason][3][]string{
		errs.ReasonInvalidRepositoryID: {{"../x"}, nil, nil},
		errs.ReasonInvalidPattern:      {nil, {"refs/["}, nil},
		errs.ReasonInvalidArgument:     {nil, nil, {"push"}},
	} {
		_, err := event.ParseFilter(args[0], args[1], args[2])
		assert.Equal(t, reason, errs.ReasonOf(err))
	}
	for _, pattern := range []string{"", "main", "heads/main", "/refs/heads/main", "../x", "v*"} {
		_, err := event.ParseFilter(nil, []string{pattern}, nil)
		assert.Equal(t, errs.ReasonInvalidPattern, errs.ReasonOf(err), pattern)
	}
	for _, pattern := range []string{"refs", "refs/", "refs/tags", "*/heads/main", "re[a-z]s/*/v1"} {
		_, err := event.ParseFilter(nil, []string{pattern}, nil)
		assert.NoError(t, err, pattern)
	}
	_, err := event.ParseFilter(nil, make([]string, event.MaxFilter+1), nil)
	assert.Equal(t, errs.ReasonInvalidArgument, errs.ReasonOf(err))
}

func FuzzUnmarshalNotice(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"0123456789abcdef-42","source":"/repositories/shop","type":"dev.gitstore.ref.updated.v1","subject":"refs/heads/main","cursor":"0123456789abcdef-42","data":{"new_oid":"` + one + `"}}`))
	f.Add([]byte(`{"specversion":"1.0","source":"/events","type":"dev.gitstore.stream.resync_required.v1","cursor":"0123456789abcdef-42","data":{"repositories":[{"repository":"shop","refs":[{"ref":"refs/heads/main"}]}],"last":true}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := event.UnmarshalNotice(b)
		if err != nil || n == nil {
			return
		}
		again, err := event.MarshalNotice(n)
		require.NoError(t, err)
		if _, err := event.UnmarshalNotice(again); err != nil {
			t.Errorf("%s became %s: %v", b, again, err)
		}
	})
}
