package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/ports"
)

const (
	idleRepositories = 1000
	idleGoal         = 40 << 20
)

// idleMemory starts the git-service over many repositories and returns the resident memory it has when it serves.
func idleMemory(ctx context.Context, dir string) (bytes int64, err error) {
	root, binary := filepath.Join(dir, "idle"), filepath.Join(dir, "gitstore-git-service")
	if err := createMany(ctx, root); err != nil {
		return 0, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/gitstore-git-service")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go build: %w: %s", err, out)
	}
	address, err := freeAddress()
	if err != nil {
		return 0, err
	}
	service := exec.CommandContext(ctx, binary, "--data-dir", root, "--grpc-listen", address, "--events-listen", "127.0.0.1:0", "--log-level", "error")
	service.Stderr = os.Stderr
	if err := service.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = service.Process.Signal(syscall.SIGTERM)
		err = errors.Join(err, service.Wait())
	}()
	if err := waitReady(ctx, address); err != nil {
		return 0, err
	}
	return residentMemory(service.Process.Pid)
}

// createMany creates repositories, several at the same time.
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
		_, err := store.CreateRepository(ctx, ports.CreateRepository{ID: repositoryID(fmt.Sprintf("repository-%d", n))})
		return err
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

func waitReady(ctx context.Context, address string) error {
	client, err := gitclient.Dial(address, gitclient.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if err = client.Ready(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// residentMemory reads VmRSS of proc(5).
func residentMemory(pid int) (int64, error) {
	value := strings.TrimSuffix(fieldOf(fmt.Sprintf("/proc/%d/status", pid), "VmRSS"), " kB")
	kilobytes, err := strconv.ParseInt(value, 10, 64)
	return kilobytes << 10, err
}
