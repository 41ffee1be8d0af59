package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// goGit is a process that works with go-git in one repository: see bench/gogit. It is what applications leave that have
// had a Git library of their own.
type goGit struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

// goGit starts a process for as long as the bed stands. It is built the first time.
func (b *bed) goGit(ctx context.Context, dir string) (*goGit, error) {
	binary := filepath.Join(b.dir, "gogit")
	if _, err := os.Stat(binary); err != nil {
		build := exec.CommandContext(ctx, "go", "build", "-C", "bench/gogit", "-o", binary, ".")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build: %w: %s", err, out)
		}
	}
	g := &goGit{cmd: exec.CommandContext(ctx, binary, dir)}
	g.cmd.Stderr = os.Stderr
	var err error
	if g.in, err = g.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if g.out, err = g.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	b.onClose(func() error {
		_ = g.in.Close()
		return g.cmd.Wait()
	})
	return g, nil
}

// way is a way to do a work with go-git.
func (g *goGit) way(name, work string) way {
	return way{name: name, turn: func(_ context.Context, turn time.Duration) (took time.Duration, n int, err error) {
		if _, err := fmt.Fprintf(g.in, "%s %d\n", work, turn); err != nil {
			return 0, 0, err
		}
		_, err = fmt.Fscan(g.out, &took, &n)
		return took, n, err
	}}
}
