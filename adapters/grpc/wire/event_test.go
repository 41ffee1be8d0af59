package wire_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

const epoch = "0123456789abcdef"

func entries() []event.Entry {
	parse := func(s string) git.ObjectID { id, _ := git.ParseObjectID(s); return id }
	ref := func(s string) git.RefName { r, _ := git.ParseRefName(s); return r }
	shop, _ := git.ParseRepositoryID("shop")
	at := time.Date(2026, 1, 31, 9, 0, 0, 123456789, time.UTC)
	one, two := parse("1111111111111111111111111111111111111111"), parse("2222222222222222222222222222222222222222222222222222222222222222")
	events := []event.Event{
		event.RefUpdated{
			Header: event.Header{ID: shop, At: at}, Ref: ref("refs/tags/v1.0.0-rc.1"), Old: one, New: two, Commit: one, Forced: true,
			Release: event.Release{Version: "1.0.0-rc.1", Prerelease: true}, Transaction: event.Transaction{ID: "t", Index: 1, Count: 2}, RequestID: "r",
		},
		event.RefUpdated{Header: event.Header{ID: shop, At: at, Synthetic: true}, Ref: ref("refs/heads/caf\xe9"), Old: one},
		event.RepositoryCreated{Header: event.Header{ID: shop, At: at, Synthetic: true}, CreatedAt: at.Truncate(time.Second)},
		event.RepositoryDeleted{Header: event.Header{ID: shop, At: at}},
	}
	all := make([]event.Entry, len(events))
	for i, e := range events {
		all[i] = event.Entry{Cursor: event.NewCursor(epoch, uint64(i+1)), Event: e}
	}
	return all
}

func TestEventsSurviveTheWire(t *testing.T) {
	bounds := ports.EventBounds{Oldest: event.NewCursor(epoch, 0), Newest: event.NewCursor(epoch, 4)}
	got, gotBounds, err := wire.DecodeEvents(sent(t, wire.EncodeEvents(entries(), bounds)))
	same(t, entries(), got, err)
	same(t, bounds, gotBounds, err)
}

func TestNoticesSurviveTheWire(t *testing.T) {
	all := []event.Notice{
		event.Heartbeat{Cursor: event.NewCursor(epoch, 7)},
		event.Resync{Repositories: []event.RepositoryRefs{{ID: entries()[0].Event.Repository(), Refs: []git.Ref{{
			Name: entries()[1].Event.(event.RefUpdated).Ref, Target: entries()[1].Event.(event.RefUpdated).Old, TargetType: git.TagObject,
			Peeled: entries()[0].Event.(event.RefUpdated).Commit, PeeledType: git.CommitObject,
		}}}}},
		event.Resync{Cursor: event.NewCursor(epoch, 8)},
	}
	for _, e := range entries() {
		all = append(all, e)
	}
	for _, n := range all {
		got, err := wire.DecodeNotice(sent(t, wire.EncodeNotice(n)))
		same(t, n, got, err)
	}
}

func TestNoticesOfAnUnknownKindAreIgnored(t *testing.T) {
	for _, m := range []*gitv1.WatchEventsResponse{
		{}, {Notice: &gitv1.WatchEventsResponse_Event{Event: &gitv1.Event{Repository: "shop", Cursor: epoch + "-1"}}},
	} {
		if n, err := wire.DecodeNotice(m); n != nil || err != nil {
			t.Errorf("%v is %v, %v", m, n, err)
		}
	}
}

func TestSubscriptionsSurviveTheWire(t *testing.T) {
	filter, err := event.ParseFilter([]string{"shop"}, []string{"refs/heads/*", "refs/tags/"}, []string{string(event.TypeRefUpdated)})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []ports.Subscription{{}, {Filter: filter, After: event.NewCursor(epoch, 3)}, {Resync: true}} {
		m := wire.EncodeSubscription(s)
		got, err := wire.DecodeSubscription(sent(t, m))
		if err != nil || !proto.Equal(m, wire.EncodeSubscription(got)) {
			t.Errorf("%+v became %+v, %v", s, got, err)
		}
	}
}

func TestBadRequestsForEventsNameTheField(t *testing.T) {
	for field, m := range map[string]*gitv1.ListEventsRequest{"after": {After: "x"}, "limit": {Limit: -1}} {
		if _, _, err := wire.DecodeListEvents(m); errs.From(err).Meta[errs.MetaField] != field || errs.KindOf(err) != errs.Invalid {
			t.Errorf("%v: %v", m, err)
		}
	}
	for reason, m := range map[errs.Reason]*gitv1.WatchEventsRequest{
		errs.ReasonInvalidCursor:       {After: epoch},
		errs.ReasonInvalidRepositoryID: {Filter: &gitv1.EventFilter{Repositories: []string{"../x"}}},
		errs.ReasonInvalidPattern:      {Filter: &gitv1.EventFilter{Refs: [][]byte{[]byte("refs/[")}}},
		errs.ReasonInvalidArgument:     {Filter: &gitv1.EventFilter{Types: []string{"push"}}},
	} {
		if _, err := wire.DecodeSubscription(m); errs.ReasonOf(err) != reason {
			t.Errorf("%v: %v", m, err)
		}
	}
	after, limit, err := wire.DecodeListEvents(&gitv1.ListEventsRequest{})
	if !after.IsZero() || limit != wire.DefaultEvents || err != nil {
		t.Errorf("the defaults are %v, %d, %v", after, limit, err)
	}
	if _, limit, _ := wire.DecodeListEvents(&gitv1.ListEventsRequest{Limit: 1 << 30}); limit != wire.MaxEvents {
		t.Errorf("the limit is %d", limit)
	}
}

func FuzzDecodeNotice(f *testing.F) {
	for _, e := range entries() {
		b, _ := proto.Marshal(wire.EncodeNotice(e))
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m gitv1.WatchEventsResponse
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		n, err := wire.DecodeNotice(&m)
		if err != nil && errs.KindOf(err) != errs.Invalid {
			t.Errorf("refused with %v", err)
		}
		if n != nil {
			if _, err := wire.DecodeNotice(wire.EncodeNotice(n)); err != nil {
				t.Errorf("%v is refused when it is sent on: %v", n, err)
			}
		}
	})
}
