package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/git"
)

// gitIn is git in a bare repository, with nothing of the machine's own configuration and everything on the disk when it
// says so, as GitStore has it.
func gitIn(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{
		"-c", "core.fsync=all", "-c", "core.fsyncMethod=fsync", "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "pack.threads=1",
	}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "TZ=UTC", "GIT_DIR=.",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_OPTIONAL_LOCKS=0",
	}
	return cmd
}

// output runs git to its end.
func output(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := gitIn(ctx, dir, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, &stderr)
	}
	return out, nil
}

func lines(out []byte) []string { return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") }

// gitProcess is a git that is asked on its standard input.
type gitProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startGit(ctx context.Context, dir string, args ...string) (*gitProcess, error) {
	cmd := gitIn(ctx, dir, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	return &gitProcess{cmd, in, bufio.NewReaderSize(out, 256<<10)}, cmd.Start()
}

func (p *gitProcess) close() error {
	_ = p.in.Close()
	return p.cmd.Wait()
}

// catFile is a persistent cat-file.
type catFile struct{ *gitProcess }

func startCatFile(ctx context.Context, dir string) (catFile, error) {
	p, err := startGit(ctx, dir, "cat-file", "--batch-command", "--buffer")
	return catFile{p}, err
}

// window is how many questions are asked before answers are read; more could fill both pipes.
const window = 256

// ask asks about each name and hands out the contents, which are good until each returns; with "info" they are nil.
func (c catFile) ask(question string, names []string, each func(i int, content []byte) error) error {
	var content []byte
	for chunk := range slices.Chunk(names, window) {
		if _, err := c.in.Write([]byte(question + " " + strings.Join(chunk, "\n"+question+" ") + "\nflush\n")); err != nil {
			return err
		}
		for i := range chunk {
			line, err := c.out.ReadSlice('\n')
			if err != nil {
				return err
			}
			if question == "contents" {
				if content, err = c.content(line, content); err != nil {
					return err
				}
			}
			if err := each(i, content); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c catFile) content(header, buf []byte) ([]byte, error) {
	fields := strings.Fields(string(header))
	var size int
	if len(fields) != 3 {
		return nil, fmt.Errorf("cat-file answered %q", header)
	}
	if _, err := fmt.Sscan(fields[2], &size); err != nil {
		return nil, err
	}
	buf = slices.Grow(buf[:0], size+1)[:size+1]
	if _, err := io.ReadFull(c.out, buf); err != nil {
		return nil, err
	}
	return buf[:size], nil
}

func ignore(int, []byte) error { return nil }

// walk reads all trees below a tree, one after the other, and returns the IDs of the blobs.
func (c catFile) walk(root string) ([]string, error) {
	var blobs, subtrees []string
	err := c.ask("contents", []string{root}, func(_ int, content []byte) error {
		entries, err := git.DecodeTree(git.SHA1, content)
		for _, e := range entries {
			if e.Mode == git.ModeDirectory {
				subtrees = append(subtrees, e.ID.String())
			} else {
				blobs = append(blobs, e.ID.String())
			}
		}
		return err
	})
	for _, id := range subtrees {
		if err != nil {
			break
		}
		var below []string
		below, err = c.walk(id)
		blobs = append(blobs, below...)
	}
	return blobs, err
}

// catFiles are several processes that share a work.
type catFiles []catFile

func startCatFiles(ctx context.Context, dir string, n int) (catFiles, error) {
	var all catFiles
	for range n {
		c, err := startCatFile(ctx, dir)
		if err != nil {
			return all, err
		}
		all = append(all, c)
	}
	return all, nil
}

// contents reads all objects, each process its share of them at the same time.
func (all catFiles) contents(ids []string) error {
	share := (len(ids) + len(all) - 1) / len(all)
	errors := make(chan error, len(all))
	var i int
	for part := range slices.Chunk(ids, share) {
		c := all[i]
		i++
		go func() { errors <- c.ask("contents", part, ignore) }()
	}
	for range i {
		if err := <-errors; err != nil {
			return err
		}
	}
	return nil
}

// shared lets callers take turns at the processes.
type shared chan catFile

func share(all catFiles) shared {
	s := make(shared, len(all))
	for _, c := range all {
		s <- c
	}
	return s
}

func (s shared) content(name string) error {
	c := <-s
	defer func() { s <- c }()
	return c.ask("contents", []string{name}, ignore)
}

// fastImport is a persistent git-fast-import(1) that writes a pack for each checkpoint.
type fastImport struct {
	*gitProcess
	w       *bufio.Writer
	commits int
}

func startFastImport(ctx context.Context, dir string) (*fastImport, error) {
	p, err := startGit(ctx, dir, "-c", "fastimport.unpackLimit=1", "fast-import", "--quiet")
	if err != nil {
		return nil, err
	}
	return &fastImport{gitProcess: p, w: bufio.NewWriterSize(p.in, 256<<10)}, nil
}

// file is a path and its new content.
type file struct {
	path    git.TreePath
	content []byte
}

func (f *fastImport) commit(files ...file) {
	f.commits++
	_, _ = fmt.Fprintf(f.w, "commit refs/heads/main\ncommitter A U Thor <author@example.com> %d +0000\ndata 7\nChange\n\n", 1_800_000_000+f.commits)
	if f.commits == 1 {
		_, _ = f.w.WriteString("from refs/heads/main^0\n")
	}
	for _, file := range files {
		_, _ = fmt.Fprintf(f.w, "M 100644 inline %s\ndata %d\n", file.path, len(file.content))
		_, _ = f.w.Write(file.content)
		_ = f.w.WriteByte('\n')
	}
}

// sync waits until all commits are on the disk.
func (f *fastImport) sync() error {
	_, _ = f.w.WriteString("checkpoint\nprogress done\n")
	if err := f.w.Flush(); err != nil {
		return err
	}
	_, err := f.out.ReadString('\n')
	return err
}
