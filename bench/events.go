package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/adapters/nats"
	"github.com/gitstore-dev/gitstore/adapters/ws"
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/app/eventhub"
	"github.com/gitstore-dev/gitstore/app/journal"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
	"github.com/gitstore-dev/gitstore/ports"
)

const (
	replicas   = 3
	followed   = "followed"
	missed     = 10_000
	idleClient = 1000
	slowClient = 100
)

// fact is a figure that is compared with nothing but its goal.
type fact struct{ what, figure, goal string }

// system is a git-service and API replicas in one process, connected as processes are: over TCP.
type system struct {
	store    *gitcli.Store
	log      *nats.Log
	rpc      *gitserver.Server
	events   string
	replicas []*replica
	running  sync.WaitGroup
	cancel   context.CancelFunc
	closing  []func() error
}

type replica struct {
	client   *gitclient.Store
	hub      *eventhub.Hub
	catalogs *catalogs.Follower
}

// observer is a journal that exists after its store.
type observer struct{ *journal.Journal }

func startSystem(ctx context.Context, dir string) (s *system, err error) {
	s = &system{}
	ctx, s.cancel = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	changes := &observer{}
	if s.store, err = gitcli.Open(ctx, gitcli.Options{Dir: dir, Observer: changes}); err != nil {
		return s, err
	}
	s.closing = append(s.closing, s.store.Close)
	if s.log, err = nats.Open(ctx, nats.Options{Dir: filepath.Join(dir, "journal")}); err != nil {
		return s, err
	}
	s.closing = append(s.closing, s.log.Close)
	changes.Journal = journal.New(s.log, journal.Options{})
	if _, err = changes.Reconcile(ctx, s.store); err != nil {
		return s, err
	}
	hub := eventhub.New(s.log, s.store, eventhub.Options{Heartbeat: time.Second})
	s.running.Go(func() { changes.Run(ctx) })
	s.running.Go(func() { _ = hub.Follow(ctx, s.log) })
	address, err := s.serve(hub)
	if err != nil {
		return s, err
	}
	for range replicas {
		if err := s.addReplica(ctx, address); err != nil {
			return s, err
		}
	}
	return s, nil
}

// serve serves gRPC and WebSocket, and returns the address of gRPC.
func (s *system) serve(hub *eventhub.Hub) (string, error) {
	publisher, err := ws.NewPublisher(hub, ws.PublisherOptions{MaxConnectionsPerPeer: -1})
	if err != nil {
		return "", err
	}
	rpc, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", errors.Join(err, rpc.Close())
	}
	s.rpc = gitserver.New(s.store, gitserver.Options{Journal: s.log, Events: hub})
	server := &http.Server{Handler: publisher, ReadHeaderTimeout: time.Minute}
	s.running.Go(func() { _ = s.rpc.Serve(rpc) })
	s.running.Go(func() { _ = server.Serve(web) })
	s.closing = append(s.closing, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = publisher.Shutdown(ctx) // those that never read are cut
		_ = s.rpc.Shutdown(ctx)
		return server.Close()
	})
	s.events = "ws://" + web.Addr().String() + "/v1/events"
	return rpc.Addr().String(), nil
}

func (s *system) addReplica(ctx context.Context, address string) error {
	client, err := gitclient.Dial(address, gitclient.Options{})
	if err != nil {
		return err
	}
	s.closing = append(s.closing, client.Close)
	subscriber, err := ws.NewSubscriber(s.events, ws.SubscriberOptions{})
	if err != nil {
		return err
	}
	r := &replica{
		client: client, hub: eventhub.New(client.Journal(), client, eventhub.Options{}),
		catalogs: catalogs.New(client, []catalogs.Target{{Repository: repositoryID(followed)}}, catalogs.Options{}),
	}
	s.replicas = append(s.replicas, r)
	s.running.Go(func() { _ = r.hub.Run(ctx, subscriber) })
	s.running.Go(func() { r.catalogs.Run(ctx, r.hub) })
	return nil
}

func (s *system) close() error {
	s.cancel()
	var err error
	for _, f := range slices.Backward(s.closing) {
		err = errors.Join(err, f())
	}
	s.running.Wait()
	return err
}

// shows waits until all replicas show the commit.
func (s *system) shows(ctx context.Context, commit git.ObjectID) error {
	for _, r := range s.replicas {
		for {
			status, err := r.catalogs.Status(repositoryID(followed))
			if err != nil {
				return err
			}
			if status.Catalog != nil && status.Catalog.Commit() == commit {
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Microsecond):
			}
		}
	}
	return nil
}

// follow measures how changes reach catalogs and subscribers.
func (r *report) follow(ctx context.Context, dir string) (err error) {
	s, err := startSystem(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, measure := range []func(context.Context, *system) error{r.load, r.changes, r.edits, r.queries, r.resume, r.crowd} {
		if err := measure(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *report) fact(goal, what, format string, args ...any) {
	r.facts = append(r.facts, fact{what, fmt.Sprintf(format, args...), goal})
}

var data = catalogdata.New(1, catalogdata.Options{})

// load has the replicas load a catalog of 10,200 documents.
func (r *report) load(ctx context.Context, s *system) error {
	client := s.replicas[0].client
	if _, err := client.CreateRepository(ctx, ports.CreateRepository{ID: repositoryID(followed)}); err != nil {
		return err
	}
	var files []file
	for path, content := range data.Files() {
		files = append(files, file{treePath(path), []byte(content)})
	}
	if err := commit(ctx, client.Repository(repositoryID(followed)), files...); err != nil {
		return err
	}
	begin := time.Now()
	head, err := client.Repository(repositoryID(followed)).ResolveRevision(ctx, git.Head())
	if err != nil {
		return err
	}
	if err := s.shows(ctx, head.Commit); err != nil {
		return err
	}
	status, err := s.replicas[0].catalogs.Status(repositoryID(followed))
	if err != nil {
		return err
	}
	r.fact("", fmt.Sprintf("full load of %d documents, %d replicas at once on this machine", len(files), replicas), "%s; one replica %s, %.1f MB",
		duration(time.Since(begin)), duration(status.Work.Last.Duration), float64(status.Work.Last.Bytes)/1e6)
	return nil
}

// changes measures from the answer of a write to the moment when the last replica shows it.
func (r *report) changes(ctx context.Context, s *system) error {
	const times = 300
	var visible, reload []time.Duration
	var bytes uint64
	for i := range times {
		writer := s.replicas[i%replicas].client.Repository(repositoryID(followed))
		made, err := commitOf(ctx, writer, file{treePath(data.ProductPath(i)), []byte(data.Product(i, 1+i))})
		if err != nil {
			return err
		}
		answered := time.Now()
		if err := s.shows(ctx, made); err != nil {
			return err
		}
		visible = append(visible, time.Since(answered))
		status, err := s.replicas[0].catalogs.Status(repositoryID(followed))
		if err != nil {
			return err
		}
		reload, bytes = append(reload, status.Work.Last.Duration), status.Work.Last.Bytes
	}
	p50, p99 := percentile(visible, 50), percentile(visible, 99)
	r.fact("p99 ≤ 50 ms"+verdict(p99 <= 50*time.Millisecond), "change answered → visible in all of 3 replicas, one changed file of 10,200", "p50 %s, p99 %s", duration(p50), duration(p99))
	r.fact("≤ 5 ms"+verdict(percentile(reload, 50) <= 5*time.Millisecond), "reload of a replica after one change", "p50 %s, %d bytes of content moved", duration(percentile(reload, 50)), bytes)
	return nil
}

// edits measures from a request that edits a product, through one replica and then the next, to the moment when all show it: it is
// validated, committed and told of meanwhile.
func (r *report) edits(ctx context.Context, s *system) error {
	const times = 200
	var handlers []http.Handler
	for _, replica := range s.replicas {
		handlers = append(handlers, httpapi.New(replica.client, httpapi.Options{Catalogs: replica.catalogs}))
	}
	var answered, visible []time.Duration
	for i := range times {
		path := "/v1/repositories/" + followed + "/catalog/changes"
		change := fmt.Sprintf(`{"changes":[{"action":"patch","kind":"Product","id":%q,"document":{"title":"Edition %d"}}]}`, catalogdata.ProductID(i), i)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(change))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		asked := time.Now()
		handlers[i%replicas].ServeHTTP(w, req)
		answered = append(answered, time.Since(asked))
		if w.Code != http.StatusOK && w.Code != http.StatusCreated {
			return fmt.Errorf("%s: %d: %s", path, w.Code, w.Body)
		}
		var made struct {
			Commit string `json:"commit_id"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
			return err
		}
		id, err := git.ParseObjectID(made.Commit)
		if err != nil {
			return err
		}
		if err := s.shows(ctx, id); err != nil {
			return err
		}
		visible = append(visible, time.Since(asked))
	}
	r.fact("", "edit of one product by REST, validated and durable → answered", "p50 %s, p99 %s", duration(percentile(answered, 50)), duration(percentile(answered, 99)))
	r.fact("", "the same → visible in all of 3 replicas", "p50 %s, p99 %s", duration(percentile(visible, 50)), duration(percentile(visible, 99)))
	return nil
}

func commitOf(ctx context.Context, r ports.GitRepository, files ...file) (git.ObjectID, error) {
	made, err := r.CommitFiles(ctx, ports.CommitFiles{Branch: mainBranch(), Message: "Change"}, upserts(files))
	return made.Commit, err
}

func percentile(samples []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

// resume has a subscriber catch up with many events that it missed.
func (r *report) resume(ctx context.Context, s *system) error {
	bounds, err := s.log.Bounds(ctx)
	if err != nil {
		return err
	}
	name := must(git.BranchRef("missed"))
	id := must(git.ParseObjectID(strings.Repeat("1", 40)))
	for range missed / 1000 {
		batch := make([]event.Event, 1000)
		for i := range batch {
			batch[i] = event.RefUpdated{Header: event.Header{ID: repositoryID("elsewhere"), At: time.Now()}, Ref: name, Old: id, New: id, Commit: id}
		}
		if _, err := s.log.Append(ctx, batch...); err != nil {
			return err
		}
	}
	subscriber, err := ws.NewSubscriber(s.events, ws.SubscriberOptions{})
	if err != nil {
		return err
	}
	begin, n := time.Now(), 0
	for notice, err := range subscriber.Subscribe(ctx, ports.Subscription{After: bounds.Newest}) {
		if err != nil {
			return err
		}
		if _, ok := notice.(event.Entry); ok {
			n++
		}
		if n == missed {
			break
		}
	}
	took := time.Since(begin)
	r.fact("≤ 1 s"+verdict(took <= time.Second), fmt.Sprintf("resume of %s missed events over WebSocket", number(missed)), "%s", duration(took))
	return nil
}

// crowd measures what many subscribers cost, and what a fast one sees among them.
func (r *report) crowd(ctx context.Context, s *system) error {
	alone, err := s.delay(ctx, 10_000)
	if err != nil {
		return err
	}
	before := heap()
	conns := make([]net.Conn, 0, idleClient+slowClient)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range idleClient + slowClient { // none of them ever reads: idle ones are told little, slow ones everything
		conn, err := handshake(ctx, s.events, len(conns) < idleClient)
		if err != nil {
			return err
		}
		conns = append(conns, conn)
	}
	grown := heap() - before
	among, err := s.delay(ctx, 20_000)
	if err != nil {
		return err
	}
	r.fact("≤ 64 MiB for 1,000"+verdict(grown <= 64<<20), fmt.Sprintf("heap for %s idle and %d slow subscribers", number(idleClient), slowClient), "%.1f MiB", float64(grown)/(1<<20))
	r.fact("p99 ≤ 50 ms"+verdict(percentile(among, 99) <= 50*time.Millisecond), "write answered → told to a fast subscriber", "alone p50 %s, p99 %s; among them p50 %s, p99 %s",
		duration(percentile(alone, 50)), duration(percentile(alone, 99)), duration(percentile(among, 50)), duration(percentile(among, 99)))
	return nil
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// handshake opens a subscription by hand, of which nothing will be read. An idle one is of a repository that nothing
// happens in.
func handshake(ctx context.Context, url string, idle bool) (net.Conn, error) {
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "ws://"), "/")
	if path = "/" + path; idle {
		path += "?repository=quiet"
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", path, host, ws.Subprotocol)
	if err == nil {
		_, err = io.ReadAtLeast(conn, make([]byte, 12), 12)
	}
	return conn, err
}

// delay measures how long after a write's answer a subscriber is told of it. Each call has other editions of the products:
// a write that changes nothing is told to nobody.
func (s *system) delay(ctx context.Context, edition int) ([]time.Duration, error) {
	subscriber, err := ws.NewSubscriber(s.events, ws.SubscriberOptions{})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told := make(chan event.Notice, 16)
	s.running.Go(func() {
		for notice, err := range subscriber.Subscribe(ctx, ports.Subscription{}) {
			if err != nil {
				return
			}
			select {
			case told <- notice:
			case <-ctx.Done():
				return
			}
		}
	})
	<-told // a heartbeat: from here on nothing is missed
	var delays []time.Duration
	for i := range 100 {
		made, err := commitOf(ctx, s.replicas[0].client.Repository(repositoryID(followed)), file{treePath(data.ProductPath(i)), []byte(data.Product(i, edition+i))})
		if err != nil {
			return nil, err
		}
		answered := time.Now()
		for {
			e, ok := (<-told).(event.Entry)
			if !ok {
				continue
			}
			if ref, ok := e.Event.(event.RefUpdated); ok && ref.New == made {
				delays = append(delays, time.Since(answered))
				break
			}
		}
	}
	return delays, nil
}
