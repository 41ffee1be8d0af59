package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is one of the services.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	// ended is closed when the process has ended, as err says.
	ended chan struct{}
	err   error
}

// start starts a service with the defaults for what the environment does not say. It is killed when ctx ends.
func (o options) start(ctx context.Context, name string, defaults map[string]string) (*process, error) {
	p := &process{name: name, log: filepath.Join(o.data, name+".log"), ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.CommandContext(ctx, filepath.Join(o.bin, name)) //nolint:gosec // the services of this project
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = os.Environ()
	for k, v := range defaults {
		if _, ok := os.LookupEnv(k); !ok {
			p.cmd.Env = append(p.cmd.Env, k+"="+v)
		}
	}
	// In a group of its own it does not get the terminal's Ctrl-C: the order of the stops is ours to say.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w: build it with make build", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop has the process drain, and waits for its end. It sets err if that was not an orderly one and err is nil.
func (p *process) stop(err *error) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.ended
	if p.err != nil && *err == nil {
		*err = p.failure()
	}
}

// failure describes why the process ended, by the last lines of its log.
func (p *process) failure() error {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	last := strings.Join(lines[max(0, len(lines)-3):], "\n  ")
	return fmt.Errorf("%s has ended with %v; its log, %s, ends in\n  %s", p.name, p.cmd.ProcessState, p.log, last)
}

// waitReady waits until the service says that it can serve.
func (p *process) waitReady(ctx context.Context, url string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if status, err := call(ctx, http.MethodGet, url+"/readyz", nil, nil); err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return p.failure()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
