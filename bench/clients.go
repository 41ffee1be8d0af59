package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gitstore-dev/gitstore/internal/testkit/fastimport"
	"github.com/gitstore-dev/gitstore/ports"
)

const (
	gitClients = "git clients"
	// cloners clone at the same time.
	cloners = 16
	// pushedCommits are pushed at once, fetchedCommits are what a fetch lacks.
	pushedCommits, fetchedCommits = 1000, 100
	// fetches are made one after the other in a turn: each takes a few steps of the clock of processes.
	fetches = 20
	// clientRounds is less than of other works: a turn takes seconds.
	clientRounds = 3
)

// clients measures what serving git clients takes, and what git http-backend takes for the same.
type clients struct {
	dir     string
	ours    *ourServer
	servers []*packServer
	// main is the branch's head, behind is the commit that a fetch has already.
	main, behind string
	commits      int
	// size is that of the pack of a clone, in bytes.
	size   int64
	pushes []madePush
}

// madePush is a push that was made before it is sent.
type madePush struct{ commit, pack string }

type clientRow struct {
	work, way           string
	wall, cpu           time.Duration
	wallRatio, cpuRatio float64
}

// peak is the most memory that the API and the git-service had, in bytes, when they had served a pack.
type peak struct {
	what            string
	size            int64
	api, gitService int64
}

// serveClients measures everything that has to do with git's own clients.
func (r *report) serveClients(ctx context.Context, dir string, quick bool) (err error) {
	r.busy, _, _ = strings.Cut(firstLine("/proc/loadavg"), " ")
	c := &clients{dir: dir, commits: 20_000}
	sizes := []int{2000, 20_000}
	if quick {
		c.commits, sizes = 2000, []int{200, 2000}
	}
	for _, program := range []string{"gitstore-api", "gitstore-git-service"} {
		if err := build(ctx, filepath.Join(dir, program)); err != nil {
			return err
		}
	}
	if err := c.prepare(ctx); err != nil {
		return err
	}
	if err := c.compare(ctx, r); err != nil {
		return err
	}
	for _, commits := range sizes {
		if err := c.peaks(ctx, r, commits); err != nil {
			return err
		}
	}
	return nil
}

// bulk makes a storage root with one repository of so many commits, maintained as GitStore does it, and returns root and
// repository.
func (c *clients) bulk(ctx context.Context, commits int) (root, repository string, err error) {
	root = filepath.Join(c.dir, fmt.Sprintf("bulk-%d", commits))
	dirs, err := repositoryDirs(root)
	if err != nil || dirs["bulk"] != "" {
		return root, dirs["bulk"], err
	}
	stream := func(w io.Writer) error { return fastimport.Bulk(w, 9, commits, "") }
	if err := generateIn(ctx, root, map[string]func(io.Writer) error{"bulk": stream}); err != nil {
		return "", "", err
	}
	if err := packAll(ctx, root); err != nil {
		return "", "", err
	}
	if dirs, err = repositoryDirs(root); err != nil {
		return "", "", err
	}
	for _, args := range [][]string{{"multi-pack-index", "write", "--bitmap", "--no-progress"}, {"commit-graph", "write", "--reachable", "--split", "--no-progress"}} {
		if _, err := output(ctx, dirs["bulk"], args...); err != nil {
			return "", "", err
		}
	}
	return root, dirs["bulk"], nil
}

func (c *clients) prepare(ctx context.Context) error {
	_, repository, err := c.bulk(ctx, c.commits)
	if err != nil {
		return err
	}
	ids, err := output(ctx, repository, "rev-parse", "main", fmt.Sprintf("main~%d", fetchedCommits))
	if err != nil {
		return err
	}
	c.main, c.behind = lines(ids)[0], lines(ids)[1]
	for i := range clientRounds + 1 {
		push, err := c.makePush(ctx, repository, i)
		if err != nil {
			return err
		}
		c.pushes = append(c.pushes, push)
	}
	return nil
}

// makePush makes commits on top of main in a repository that borrows its objects.
func (c *clients) makePush(ctx context.Context, repository string, n int) (p madePush, err error) {
	dir := filepath.Join(c.dir, fmt.Sprintf("push-%d.git", n))
	if _, err := output(ctx, c.dir, "init", "--quiet", "--bare", "--template=", dir); err != nil {
		return p, err
	}
	if err := os.WriteFile(filepath.Join(dir, "objects", "info", "alternates"), []byte(filepath.Join(repository, "objects")+"\n"), 0o600); err != nil {
		return p, err
	}
	var stream bytes.Buffer
	if err := fastimport.Bulk(&stream, uint64(100+n), pushedCommits, c.main); err != nil {
		return p, err
	}
	load := gitIn(ctx, dir, "fast-import", "--quiet")
	load.Stdin, load.Stderr = &stream, os.Stderr
	if err := load.Run(); err != nil {
		return p, err
	}
	id, err := output(ctx, dir, "rev-parse", "main")
	if err != nil {
		return p, err
	}
	p.commit = lines(id)[0]
	pack := gitIn(ctx, dir, "pack-objects", "--revs", "--stdout", "--thin", "--delta-base-offset", "--quiet")
	pack.Stdin, pack.Stderr = strings.NewReader(p.commit+"\n^"+c.main+"\n"), os.Stderr
	out, err := pack.Output()
	p.pack = string(out)
	return p, errors.Join(err, os.RemoveAll(dir))
}

// compare lets both servers take turns. They read the same repository; git http-backend takes pushes in a copy of it.
func (c *clients) compare(ctx context.Context, r *report) (err error) {
	root, repository, err := c.bulk(ctx, c.commits)
	if err != nil {
		return err
	}
	served := filepath.Join(c.dir, "backend")
	if err := os.CopyFS(filepath.Join(served, "copy.git"), os.DirFS(repository)); err != nil {
		return err
	}
	if err := os.Symlink(repository, filepath.Join(served, "bulk.git")); err != nil {
		return err
	}
	backend, err := startBackend(ctx, served)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.close()) }()
	if c.ours, err = startOurs(ctx, c.dir, root); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.ours.close()) }()
	c.servers = []*packServer{backend, &c.ours.packServer}
	if c.size, err = (&packClient{url: backend.url + "bulk.git"}).fetch(ctx, c.main, ""); err != nil {
		return err
	}
	fetch := func(have string, times, atOnce int) func(context.Context, *packServer, int) error {
		return func(ctx context.Context, s *packServer, _ int) error {
			var group sync.WaitGroup
			failed := make([]error, atOnce)
			for i := range atOnce {
				group.Go(func() {
					client := &packClient{url: s.url + "bulk.git", http: http.Client{Transport: &http.Transport{}}}
					defer client.http.CloseIdleConnections()
					for range times {
						if _, err := client.fetch(ctx, c.main, have); err != nil {
							failed[i] = err
						}
					}
				})
			}
			group.Wait()
			return errors.Join(failed...)
		}
	}
	for _, w := range []struct {
		name  string
		times int
		do    func(ctx context.Context, s *packServer, round int) error
	}{
		{fmt.Sprintf("clone of %s commits, %.0f MB", number(float64(c.commits)), float64(c.size)/1e6), 1, fetch("", 1, 1)},
		{fmt.Sprintf("fetch after %d commits", fetchedCommits), fetches, fetch(c.behind, fetches, 1)},
		{fmt.Sprintf("%d clones at once, all of them", cloners), 1, fetch("", 1, cloners)},
		{fmt.Sprintf("push of %s commits, %.1f MB", number(pushedCommits), float64(len(c.pushes[0].pack))/1e6), 1, func(ctx context.Context, s *packServer, round int) error {
			name := "bulk.git"
			if s == backend {
				name = "copy.git"
			}
			push := c.pushes[round]
			return (&packClient{url: s.url + name}).push(ctx, fmt.Sprintf("push-%d", round), push.commit, push.pack)
		}},
	} {
		fmt.Fprintln(os.Stderr, w.name)
		if err := c.turns(ctx, r, w.name, w.times, w.do); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// turns has both servers do a work, each first in every other round, and takes down what it took.
func (c *clients) turns(ctx context.Context, r *report, work string, times int, do func(context.Context, *packServer, int) error) error {
	wall, cpu := make([][]time.Duration, len(c.servers)), make([][]time.Duration, len(c.servers))
	for round := range clientRounds + 1 {
		for i := range c.servers {
			i = (i + round) % len(c.servers)
			s := c.servers[i]
			before, err := s.cpu()
			if err != nil {
				return err
			}
			begin := time.Now()
			if err := do(ctx, s, round); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			took := time.Since(begin)
			after, err := s.cpu()
			if err != nil {
				return err
			}
			if round > 0 { // the first fills the caches
				wall[i] = append(wall[i], took/time.Duration(times))
				cpu[i] = append(cpu[i], (after-before)/time.Duration(times))
			}
		}
	}
	for i, s := range c.servers {
		r.clients = append(r.clients, clientRow{work, s.name, median(wall[i]), median(cpu[i]), median(ratios(wall[i], wall[0])), median(ratios(cpu[i], cpu[0]))})
	}
	return nil
}

// peaks has services that were just started serve one clone, and others take one push, of so many commits.
func (c *clients) peaks(ctx context.Context, r *report, commits int) error {
	root, repository, err := c.bulk(ctx, commits)
	if err != nil {
		return err
	}
	id, err := output(ctx, repository, "rev-parse", "main")
	if err != nil {
		return err
	}
	main := lines(id)[0]
	fmt.Fprintf(os.Stderr, "memory for %s commits\n", number(float64(commits)))
	clone := func(ctx context.Context, s *ourServer) (int64, error) {
		return (&packClient{url: s.url + "bulk.git"}).fetch(ctx, main, "")
	}
	if err := c.peak(ctx, r, "clone", root, clone); err != nil {
		return err
	}
	pack := gitIn(ctx, repository, "pack-objects", "--revs", "--stdout", "--delta-base-offset", "--quiet")
	pack.Stdin, pack.Stderr = strings.NewReader(main+"\n"), os.Stderr
	content, err := pack.Output()
	if err != nil {
		return err
	}
	return c.peak(ctx, r, "push", filepath.Join(c.dir, fmt.Sprintf("into-%d", commits)), func(ctx context.Context, s *ourServer) (int64, error) {
		if _, err := s.service.CreateRepository(ctx, ports.CreateRepository{ID: repositoryID("into")}); err != nil {
			return 0, err
		}
		return int64(len(content)), (&packClient{url: s.url + "into.git"}).push(ctx, "main", main, string(content))
	})
}

func (c *clients) peak(ctx context.Context, r *report, what, root string, do func(context.Context, *ourServer) (int64, error)) (err error) {
	s, err := startOurs(ctx, c.dir, root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	size, err := do(ctx, s)
	if err != nil {
		return err
	}
	p := peak{what: what, size: size}
	if p.api, p.gitService, err = s.peaks(); err != nil {
		return err
	}
	r.peaks = append(r.peaks, p)
	return nil
}

// printClients prints what serving git clients came to.
func (r *report) printClients() {
	if len(r.clients) == 0 {
		return
	}
	fmt.Printf("\nThe load of the machine was %s before.\n\n", r.busy)
	fmt.Println("| git clients | server | takes | ratio | CPU of the server | ratio |\n|---|---|--:|--:|--:|--:|")
	last := ""
	for _, row := range r.clients {
		name := row.work
		if name == last {
			name = ""
		}
		last = row.work
		fmt.Printf("| %s | %s | %s | %.2f | %s | %.2f |\n", name, row.way, duration(row.wall), row.wallRatio, duration(row.cpu), row.cpuRatio)
	}
	fmt.Println("\n| the most memory of services that served one pack | API | git-service |\n|---|--:|--:|")
	for _, p := range r.peaks {
		fmt.Printf("| %s, %.1f MB | %.1f MiB | %.1f MiB |\n", p.what, float64(p.size)/1e6, float64(p.api)/(1<<20), float64(p.gitService)/(1<<20))
	}
}
