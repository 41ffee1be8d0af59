package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/fastimport"
	"github.com/gitstore-dev/gitstore/ports"
)

const (
	overloads = "overload"
	// overloadFactor is how many times as many calls are made as the service answers at its best.
	overloadFactor = 10
	// overloadCommits is the length of the history that is walked.
	overloadCommits = 5000
	// sampleRate is how many calls a second the service gets that is looked at for whether it is well again.
	sampleRate = 50
	// overloadConns are as many clients as make the calls.
	overloadConns = 32
	// overloadTimeout is how long they wait for an answer.
	overloadTimeout = 10 * time.Second
	// patience is how long one looks.
	patience = 30 * time.Second
)

// What is expected of a service under overload.
const (
	goodputGoal  = 0.8
	servedGoal   = time.Second
	refusedGoal  = 10 * time.Millisecond
	recoveryGoal = 5 * time.Second
)

// overload is what a git-service did when it was asked for far more than it can do. Nobody waited for an answer before the next call was made, as
// is so with clients that do not know of each other.
type overload struct {
	work string
	// callers reached peak, how often a second the work was done at its best.
	callers int
	peak    float64
	// offered and served are calls a second.
	offered, served float64
	// answers are what calls took that were served, refused those of calls for which there was no room in the queue or whose turn did not
	// come, and late those of calls whose answer did not come in time.
	answers, refused, late []time.Duration
	// failed are other errors, of which the first is kept.
	failed int
	first  error
	// well is how long after the last call the service answered like before.
	well time.Duration
}

// call is one doing of a work that overloads.
type call func(ctx context.Context) error

// untilServed comes again when it was refused.
func (do call) untilServed(ctx context.Context) error {
	for {
		err := do(ctx)
		if errs.ReasonOf(err) != errs.ReasonQueueFull {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(refusedGoal):
		}
	}
}

// overload measures a service in a process of its own.
func (r *report) overload(ctx context.Context, parent string, quick bool) (err error) {
	lasts, turn := time.Minute, 2*time.Second
	if quick {
		lasts, turn = 10*time.Second, time.Second
	}
	dir, err := os.MkdirTemp(parent, "gitstore-bench-overload-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	root, binary := filepath.Join(dir, "root"), filepath.Join(dir, "gitstore-git-service")
	if err := build(ctx, binary); err != nil {
		return err
	}
	if err := generateIn(ctx, root, map[string]func(io.Writer) error{
		"catalog": writeCatalog, "history": func(w io.Writer) error { return writeCommits(w, overloadCommits, 10) },
	}); err != nil {
		return err
	}
	if err := packAll(ctx, root); err != nil {
		return err
	}
	var s *service
	var restore func() error
	r.overloadCores[0], r.overloadCores[1], restore, err = shareCores(func() (err error) {
		s, err = startService(ctx, binary, root)
		return err
	})
	if s != nil {
		defer func() { err = errors.Join(err, s.close()) }()
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	// A connection has 1,024 calls under way at most; more would wait in the client.
	var conns []*grpc.ClientConn
	for range overloadConns {
		conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		conns = append(conns, conn)
	}
	for _, w := range []pressure{pathHistory(), oneCommit(newEdits())} {
		fmt.Fprintf(os.Stderr, "%s: %s\n", overloads, w.name)
		o, err := w.overload(ctx, s.grpc, conns, turn, lasts)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		o.work = w.name
		r.overloads = append(r.overloads, o)
	}
	usage, err := s.usage()
	r.overloadMemory = usage.Memory
	return err
}

// pressure is a work that a service is asked for more often than it can do it.
type pressure struct {
	name, method, repository string
	request                  func() proto.Message
	// invoke does it once.
	invoke func(ctx context.Context, conn *grpc.ClientConn, request proto.Message) error
}

// oneCommit commits another content of some product.
func oneCommit(e *edits) pressure {
	return pressure{
		name: "commits of one file to one branch, durable", method: gitv1.CommitService_CommitFile_FullMethodName, repository: "catalog",
		request: func() proto.Message {
			f := e.product()
			change := git.Change{Action: git.ActionUpsert, Path: f.path, Content: bytes.NewReader(f.content), Size: int64(len(f.content))}
			return wire.EncodeCommitFile(repositoryID("catalog"), ports.CommitFiles{Branch: mainBranch(), Message: "Change\n"}, wire.EncodeInlineAction(change, f.content))
		},
		invoke: func(ctx context.Context, conn *grpc.ClientConn, request proto.Message) error {
			return conn.Invoke(ctx, gitv1.CommitService_CommitFile_FullMethodName, request, new(gitv1.CommitFileResponse))
		},
	}
}

// pathHistory asks for the commits that changed a file.
func pathHistory() pressure {
	request := wire.EncodeListCommits(repositoryID("history"), ports.ListCommits{
		Revision: git.AtRef(mainBranch()), Path: treePath(fastimport.Path(3, 7)),
	})
	return pressure{
		name: "the commits of 5,000 that changed one file", method: gitv1.HistoryService_ListCommits_FullMethodName, repository: "history",
		request: func() proto.Message { return request },
		invoke: func(ctx context.Context, conn *grpc.ClientConn, _ proto.Message) error {
			stream, err := gitv1.NewHistoryServiceClient(conn).ListCommits(ctx, request)
			for err == nil {
				_, err = stream.Recv()
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		},
	}
}

// by is the work over some of the connections, by a client like the library's.
func (p pressure) by(conns []*grpc.ClientConn) call {
	return func(ctx context.Context) error {
		ctx = metadata.AppendToOutgoingContext(ctx, wire.RepositoryMetadata, p.repository)
		return wire.DecodeError(p.invoke(ctx, conns[rand.IntN(len(conns))], p.request()))
	}
}

// overload finds out how often a second the work is done at most, asks for it [overloadFactor] times as often for some time, and looks when the
// service is well again.
func (p pressure) overload(ctx context.Context, address string, conns []*grpc.ClientConn, turn, lasts time.Duration) (*overload, error) {
	o := &overload{}
	do := p.by(conns)
	var alone time.Duration
	for _, callers := range []int{1, 4, 16, 64} {
		took, n, err := concurrent("", callers, func(ctx context.Context, _ int) error { return do.untilServed(ctx) }).turn(ctx, turn)
		if err != nil {
			return nil, err
		}
		if callers == 1 {
			alone = took / time.Duration(n)
		}
		if rate := float64(n) / took.Seconds(); rate > o.peak {
			o.callers, o.peak = callers, rate
		}
	}
	var recovering sync.WaitGroup
	var recovered error
	recovering.Go(func() { // answers come for some time after the last call
		<-time.After(lasts)
		recovered = o.recover(ctx, do, alone)
	})
	flooded := o.flood(ctx, p, address, lasts)
	recovering.Wait()
	return o, errors.Join(flooded, recovered)
}

// flood makes calls at a rate that does not depend on the answers.
func (o *overload) flood(ctx context.Context, p pressure, address string, lasts time.Duration) error {
	var mu sync.Mutex
	var made, inTime int
	begin := time.Now()
	answer := func(st *status.Status, took time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		switch st.Code() {
		case codes.OK:
			o.answers = append(o.answers, took)
			if time.Since(begin) <= lasts {
				inTime++
			}
		case codes.ResourceExhausted:
			o.refused = append(o.refused, took)
		case codes.DeadlineExceeded:
			o.late = append(o.late, took)
		default:
			o.failed++
			if o.first == nil {
				o.first = st.Err()
			}
		}
	}
	var all sync.WaitGroup
	var failed []error
	for range overloadConns {
		f, err := newFlooder(ctx, address, p.method, p.repository, answer)
		if err != nil {
			failed = append(failed, err)
			break
		}
		all.Go(func() {
			n, err := f.flood(ctx, overloadFactor*o.peak/overloadConns, lasts, p.request)
			mu.Lock()
			defer mu.Unlock()
			made += n
			failed = append(failed, err)
		})
	}
	all.Wait()
	o.offered, o.served = float64(made)/lasts.Seconds(), float64(inTime)/lasts.Seconds()
	return errors.Join(failed...)
}

// recover waits until ten calls in a row were answered in at most twice the time that one took before, for as long as patience.
func (o *overload) recover(ctx context.Context, do call, alone time.Duration) error {
	tick := time.NewTicker(time.Second / sampleRate)
	defer tick.Stop()
	begin := time.Now()
	for good := 0; good < 10 && o.well < patience; {
		asked := time.Now()
		if good == 0 {
			o.well = asked.Sub(begin)
		}
		if err := do(ctx); err != nil && errs.ReasonOf(err) != errs.ReasonQueueFull {
			return err
		} else if err == nil && time.Since(asked) <= 2*alone {
			good++
		} else {
			good = 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// printOverloads prints what services did under overload.
func (r *report) printOverloads() {
	fmt.Printf("\nCores of the service: %d, of those who call it: %d others.\n", r.overloadCores[0], r.overloadCores[1])
	fmt.Println("\n| asked for ten times what it can do | figure | goal |\n|---|---|---|")
	for _, o := range r.overloads {
		fmt.Printf("| %s: at its best, with %d callers | %s/s |  |\n", o.work, o.callers, number(o.peak))
		fmt.Printf("| offered, without waiting for answers | %s/s, %.1f times as many |  |\n", number(o.offered), o.offered/o.peak)
		fmt.Printf("| served | %s/s, %.0f %% of the best; %s | ≥ %.0f %%%s; p99 ≤ %s%s |\n", number(o.served), 100*o.served/o.peak, percentiles(o.answers),
			100*goodputGoal, verdict(o.served >= goodputGoal*o.peak), servedGoal, verdict(len(o.answers) > 0 && percentile(o.answers, 99) <= servedGoal))
		fmt.Printf("| refused, as too many waited | %s; %s | p99 ≤ %s%s |\n", number(float64(len(o.refused))), percentiles(o.refused),
			refusedGoal, verdict(len(o.refused) == 0 || percentile(o.refused, 99) <= refusedGoal))
		fmt.Printf("| not served in time | %s |  |\n", number(float64(len(o.late))))
		failed := fmt.Sprint(o.failed)
		if o.first != nil {
			failed += ", the first: " + strings.ReplaceAll(o.first.Error(), "|", "\\|")
		}
		fmt.Printf("| failed | %s | 0%s |\n", failed, verdict(o.failed == 0))
		fmt.Printf("| well again after | %s | ≤ %s%s |\n", duration(o.well), recoveryGoal, verdict(o.well <= recoveryGoal))
	}
	fmt.Printf("\nMemory of the git-service after that: %.1f MiB resident.\n", float64(r.overloadMemory)/(1<<20))
}

func percentiles(samples []time.Duration) string {
	if len(samples) == 0 {
		return "none"
	}
	return fmt.Sprintf("p50 %s, p99 %s", duration(percentile(samples, 50)), duration(percentile(samples, 99)))
}
