package wire

import (
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// Metadata of calls that has to do with the journal.
const (
	// CursorMetadata is the trailer that says where in the journal a call's effect is.
	CursorMetadata = "gitstore-cursor"
	// MinCursorMetadata is the cursor that a call's answer has to have reached.
	MinCursorMetadata = "gitstore-min-cursor"
)

// Limits of ListEvents.
const (
	DefaultEvents = 500
	MaxEvents     = 1000
)

func (d *decoder) cursor(field, s string) event.Cursor { return parsed(d, field, s, event.ParseCursor) }

// EncodeListEvents returns the request for up to limit events behind a cursor.
func EncodeListEvents(after event.Cursor, limit int) *gitv1.ListEventsRequest {
	return &gitv1.ListEventsRequest{After: after.String(), Limit: clampInt32(limit)}
}

// DecodeListEvents is the reverse of [EncodeListEvents]; it puts the default for a limit of 0.
func DecodeListEvents(m *gitv1.ListEventsRequest) (after event.Cursor, limit int, err error) {
	var d decoder
	after = d.cursor("after", m.GetAfter())
	switch limit = int(m.GetLimit()); {
	case limit < 0:
		d.invalid(errs.ReasonInvalidArgument, "limit", "the limit %d is negative", limit)
	case limit == 0:
		limit = DefaultEvents
	}
	return after, min(limit, MaxEvents), d.err
}

// EncodeEvents returns the answer of ListEvents.
func EncodeEvents(entries []event.Entry, bounds ports.EventBounds) *gitv1.ListEventsResponse {
	return &gitv1.ListEventsResponse{
		Events: each(entries, EncodeEvent), OldestCursor: bounds.Oldest.String(), NewestCursor: bounds.Newest.String(),
	}
}

// DecodeEvents is the reverse of [EncodeEvents]. Events of a kind that is not known are left out.
func DecodeEvents(m *gitv1.ListEventsResponse) ([]event.Entry, ports.EventBounds, error) {
	var d decoder
	var entries []event.Entry
	for _, e := range m.GetEvents() {
		if entry := d.entry(e); entry.Event != nil {
			entries = append(entries, entry)
		}
	}
	bounds := ports.EventBounds{Oldest: d.cursor("oldest_cursor", m.GetOldestCursor()), Newest: d.cursor("newest_cursor", m.GetNewestCursor())}
	return entries, bounds, d.err
}

// EncodeEvent returns the message of an event.
func EncodeEvent(entry event.Entry) *gitv1.Event {
	m := &gitv1.Event{Cursor: entry.Cursor.String(), Repository: entry.Event.Repository().String(), Time: encodeTime(entry.Event.Time())}
	switch e := entry.Event.(type) {
	case event.RefUpdated:
		m.Synthetic = e.Synthetic
		m.Change = &gitv1.Event_RefUpdated{RefUpdated: encodeRefUpdated(e)}
	case event.RepositoryCreated:
		m.Synthetic = e.Synthetic
		m.Change = &gitv1.Event_RepositoryCreated{RepositoryCreated: &gitv1.RepositoryCreated{CreatedAt: encodeTime(e.CreatedAt)}}
	case event.RepositoryDeleted:
		m.Synthetic = e.Synthetic
		m.Change = &gitv1.Event_RepositoryDeleted{RepositoryDeleted: &gitv1.RepositoryDeleted{}}
	}
	return m
}

func encodeRefUpdated(e event.RefUpdated) *gitv1.RefUpdated {
	m := &gitv1.RefUpdated{
		Ref: []byte(e.Ref.String()), OldOid: e.Old.String(), NewOid: e.New.String(), CommitId: e.Commit.String(),
		Forced: e.Forced, RequestId: e.RequestID,
	}
	if e.Release.Version != "" {
		m.Release = &gitv1.Release{Version: e.Release.Version, Prerelease: e.Release.Prerelease}
	}
	if t := e.Transaction; t.Count > 0 {
		m.Transaction = &gitv1.Transaction{Id: t.ID, Index: clampInt32(t.Index), Count: clampInt32(t.Count)}
	}
	return m
}

// entry reads an event; one whose change is of a kind that is not known has a nil Event.
func (d *decoder) entry(m *gitv1.Event) event.Entry {
	entry := event.Entry{Cursor: d.cursor("cursor", m.GetCursor())}
	h := event.Header{ID: d.repositoryID(m.GetRepository()), Synthetic: m.GetSynthetic()}
	h.At = d.time(errs.ReasonInvalidArgument, "time", m.GetTime())
	switch c := m.GetChange().(type) {
	case *gitv1.Event_RefUpdated:
		entry.Event = d.refUpdated(h, c.RefUpdated)
	case *gitv1.Event_RepositoryCreated:
		entry.Event = event.RepositoryCreated{Header: h, CreatedAt: d.time(errs.ReasonInvalidArgument, "created_at", c.RepositoryCreated.GetCreatedAt())}
	case *gitv1.Event_RepositoryDeleted:
		entry.Event = event.RepositoryDeleted{Header: h}
	}
	return entry
}

func (d *decoder) refUpdated(h event.Header, m *gitv1.RefUpdated) event.RefUpdated {
	e := event.RefUpdated{
		Header: h, Ref: d.refName("ref", m.GetRef()),
		Old: d.objectID("old_oid", m.GetOldOid()), New: d.objectID("new_oid", m.GetNewOid()), Commit: d.objectID("commit_id", m.GetCommitId()),
		Forced: m.GetForced(), RequestID: m.GetRequestId(),
		Release: event.Release{Version: m.GetRelease().GetVersion(), Prerelease: m.GetRelease().GetPrerelease()},
	}
	if t := m.GetTransaction(); t != nil {
		e.Transaction = event.Transaction{ID: t.GetId(), Index: int(t.GetIndex()), Count: int(t.GetCount())}
	}
	if e.Ref.IsZero() {
		d.invalid(errs.ReasonInvalidRefName, "ref", "the ref is missing")
	}
	return e
}

// EncodeSubscription returns the request of a subscription.
func EncodeSubscription(s ports.Subscription) *gitv1.WatchEventsRequest {
	return &gitv1.WatchEventsRequest{
		After: s.After.String(), Resync: s.Resync,
		Filter: &gitv1.EventFilter{
			Repositories: each(s.Filter.Repositories, git.RepositoryID.String),
			Refs:         encodePatterns(s.Filter.Refs.Strings()),
			Types:        each(s.Filter.Types, func(t event.Type) string { return string(t) }),
		},
	}
}

// DecodeSubscription is the reverse of [EncodeSubscription].
func DecodeSubscription(m *gitv1.WatchEventsRequest) (ports.Subscription, error) {
	var d decoder
	s := ports.Subscription{After: d.cursor("after", m.GetAfter()), Resync: m.GetResync()}
	if d.err != nil {
		return s, d.err
	}
	f := m.GetFilter()
	var err error
	s.Filter, err = event.ParseFilter(f.GetRepositories(), d.patterns("refs", f.GetRefs()), f.GetTypes())
	return s, err
}

// EncodeNotice returns the message of a notice.
func EncodeNotice(n event.Notice) *gitv1.WatchEventsResponse {
	switch n := n.(type) {
	case event.Entry:
		return &gitv1.WatchEventsResponse{Notice: &gitv1.WatchEventsResponse_Event{Event: EncodeEvent(n)}}
	case event.Resync:
		return &gitv1.WatchEventsResponse{Notice: &gitv1.WatchEventsResponse_ResyncRequired{ResyncRequired: &gitv1.ResyncRequired{
			Cursor: n.Cursor.String(),
			Repositories: each(n.Repositories, func(r event.RepositoryRefs) *gitv1.RepositoryRefs {
				return &gitv1.RepositoryRefs{Repository: r.ID.String(), Refs: EncodeRefs(r.Refs), Unreadable: r.Unreadable}
			}),
		}}}
	}
	return &gitv1.WatchEventsResponse{Notice: &gitv1.WatchEventsResponse_Heartbeat{Heartbeat: &gitv1.Heartbeat{Cursor: n.At().String()}}}
}

// DecodeNotice is the reverse of [EncodeNotice]. It returns nil without an error for a notice of a kind that is not known.
func DecodeNotice(m *gitv1.WatchEventsResponse) (event.Notice, error) {
	var d decoder
	var notice event.Notice
	switch n := m.GetNotice().(type) {
	case *gitv1.WatchEventsResponse_Event:
		if entry := d.entry(n.Event); entry.Event != nil {
			notice = entry
		}
	case *gitv1.WatchEventsResponse_Heartbeat:
		notice = event.Heartbeat{Cursor: d.cursor("cursor", n.Heartbeat.GetCursor())}
	case *gitv1.WatchEventsResponse_ResyncRequired:
		notice = d.resync(n.ResyncRequired)
	}
	if d.err != nil {
		return nil, d.err
	}
	return notice, nil
}

func (d *decoder) resync(m *gitv1.ResyncRequired) event.Resync {
	r := event.Resync{Cursor: d.cursor("cursor", m.GetCursor())}
	for _, repo := range m.GetRepositories() {
		r.Repositories = append(r.Repositories, event.RepositoryRefs{
			ID: d.repositoryID(repo.GetRepository()), Refs: each(repo.GetRefs(), d.ref), Unreadable: repo.GetUnreadable(),
		})
	}
	return r
}
