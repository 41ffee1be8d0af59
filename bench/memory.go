package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/internal/testkit/procstat"
	"github.com/gitstore-dev/gitstore/ports"
)

const (
	idleRepositories = 1000
	idleGoal         = 40 << 20
	// idleFor is how long nobody calls before the memory is looked at.
	idleFor = 20 * time.Second
)

// idleMemory starts the git-service over many repositories that were written to, and returns what it uses when nobody has
// called it for a while.
func idleMemory(ctx context.Context, dir string) (u procstat.Usage, err error) {
	root, binary := filepath.Join(dir, "idle"), filepath.Join(dir, "gitstore-git-service")
	if err := createMany(ctx, root); err != nil {
		return u, err
	}
	if err := build(ctx, binary); err != nil {
		return u, err
	}
	// The first start fills the journal, as that of a service that has been at work.
	first, err := startService(ctx, binary, root)
	if err != nil {
		return u, err
	}
	if err := first.close(); err != nil {
		return u, err
	}
	s, err := startService(ctx, binary, root)
	if err != nil {
		return u, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	select {
	case <-time.After(idleFor):
		return s.usage()
	case <-ctx.Done():
		return u, ctx.Err()
	}
}

// build builds the program of the binary's name.
func build(ctx context.Context, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/"+filepath.Base(binary))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

// service is a git-service in a process of its own, and a client of it.
type service struct {
	*gitclient.Store
	cmd *exec.Cmd
	// grpc and events are where it is called and where it tells of changes.
	grpc, events string
	// started is how long it took until it served.
	started time.Duration
}

// startService starts a git-service and waits until it serves.
func startService(ctx context.Context, binary, root string) (*service, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	events, err := freeAddress()
	if err != nil {
		return nil, err
	}
	client, err := gitclient.Dial(address, gitclient.Options{})
	if err != nil {
		return nil, err
	}
	s := &service{Store: client, grpc: address, events: events}
	s.cmd = exec.CommandContext(ctx, binary, "--data-dir", root, "--grpc-listen", address, "--events-listen", events, "--log-level", "error")
	s.cmd.Stderr = os.Stderr
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, s.Store.Close())
	}
	if err := s.waitReady(ctx, address); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.started = time.Since(begin)
	return s, nil
}

func (s *service) usage() (procstat.Usage, error) { return procstat.Of(s.cmd.Process.Pid) }

// repository gives access to a repository.
func (s *service) repository(name string) ports.GitRepository {
	return s.Repository(repositoryID(name))
}

func (s *service) close() error {
	err := s.Store.Close()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	return errors.Join(err, s.cmd.Wait())
}

// createMany creates repositories of one commit, several at the same time.
func createMany(ctx context.Context, root string) (err error) {
	store, err := gitcli.Open(ctx, gitcli.Options{Dir: root})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var made atomic.Int64
	_, _, err = concurrent("", 16, func(ctx context.Context, _ int) error {
		n := made.Add(1)
		if n > idleRepositories {
			return errEnough
		}
		id := repositoryID(fmt.Sprintf("repository-%d", n))
		if _, err := store.CreateRepository(ctx, ports.CreateRepository{ID: id}); err != nil {
			return err
		}
		return commit(ctx, store.Repository(id), file{treePath("README.md"), []byte("# A repository\n")})
	}).turn(ctx, time.Hour)
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

var errEnough = errors.New("there are enough")

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// waitReady waits until the service serves. The client would wait longer and longer between its attempts to connect: it
// makes the first when there is somebody who listens.
func (s *service) waitReady(ctx context.Context, address string) error {
	if err := until(ctx, func(ctx context.Context) error { return listens(ctx, address) }); err != nil {
		return err
	}
	return until(ctx, s.Ready)
}

// listens reports whether somebody listens at an address.
func listens(ctx context.Context, address string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// until tries until done returns nil.
func until(ctx context.Context, done func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for err := done(ctx); err != nil; err = done(ctx) {
		select {
		case <-ctx.Done():
			return err
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}
