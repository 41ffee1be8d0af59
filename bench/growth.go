package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/fastimport"
	"github.com/gitstore-dev/gitstore/internal/testkit/figure"
	"github.com/gitstore-dev/gitstore/ports"
)

// growth measures how the git-service, in a process of its own, behaves as something grows: what operations take, and what
// memory and processes it needs for them.
type growth struct {
	dir, binary string
	pace        pace
	curves      []*curve
}

// curve is what was measured while one thing grew.
type curve struct {
	// name is that of its files, title says what grows, and axis what it is counted in.
	name, title, axis string
	// takes is true if the first measures are times in ms, false if they are how often a second something was done.
	takes  bool
	xs     []int
	values map[measure][]float64
	order  []measure
}

// measure is a column of a curve's table.
type measure struct{ name, unit string }

const (
	milliseconds = "ms"
	perSecond    = "/s"
	mebibytes    = "MiB"
)

// newCurve begins a curve.
func (g *growth) newCurve(name, title, axis string, takes bool) *curve {
	c := &curve{name: name, title: title, axis: axis, takes: takes, values: map[measure][]float64{}}
	g.curves = append(g.curves, c)
	return c
}

// at begins a point of the curve, to which values are added.
func (c *curve) at(x int) {
	fmt.Fprintf(os.Stderr, "%s: %s\n", c.title, thousands(x))
	c.xs = append(c.xs, x)
}

func (c *curve) add(name, unit string, value float64) {
	m := measure{name, unit}
	if c.values[m] == nil {
		c.order = append(c.order, m)
	}
	c.values[m] = append(c.values[m], value)
}

// addUsage adds what the service needs at the moment.
func (c *curve) addUsage(s *service, when string) error {
	u, err := s.usage()
	if err != nil {
		return err
	}
	c.add("git-service, "+when, mebibytes, float64(u.Memory)/(1<<20))
	c.add("its children, "+when, mebibytes, float64(u.ChildMemory)/(1<<20))
	c.add("children, "+when, "", float64(u.Children))
	return nil
}

// measureGrowth measures all curves and writes them into the directory out: growth.csv, growth.md and a plot of each.
func measureGrowth(ctx context.Context, parent, out string, full bool, p pace) (err error) {
	g := &growth{pace: p}
	if g.dir, err = os.MkdirTemp(parent, "gitstore-growth-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(g.dir)) }()
	g.binary = filepath.Join(g.dir, "gitstore-git-service")
	if err := build(ctx, g.binary); err != nil {
		return err
	}
	busy, _, _ := strings.Cut(firstLine("/proc/loadavg"), " ")
	sizes := []int{100, 1000, 10_000, 100_000}
	if full {
		sizes = append(sizes, 1_000_000)
	}
	for _, measure := range []func(context.Context) error{
		func(ctx context.Context) error { return g.files(ctx, sizes) }, g.callers, g.repositories, g.commits,
	} {
		begin := time.Now()
		if err := measure(ctx); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "took %s\n", time.Since(begin).Round(time.Second))
	}
	version, err := output(ctx, g.dir, "version")
	if err != nil {
		return err
	}
	said := conditions(ctx, g.dir, strings.TrimPrefix(lines(version)[0], "git version "), p)
	return g.write(ctx, out, said+otherWork(busy))
}

// otherWork says whether the machine did other work when the measurements began, given its load of the minute before.
func otherWork(load string) string {
	if l, err := strconv.ParseFloat(load, 64); err != nil || l > 1 {
		return " **The machine did other work as well** (its load was " + load + " before): take the form of the curves and not their height."
	}
	return " The machine did nothing else (its load was " + load + " before)."
}

// root makes a storage root with one repository from a stream, packed as it is after a while in use.
func (g *growth) root(ctx context.Context, name, repository string, stream func(io.Writer) error) (string, error) {
	root := filepath.Join(g.dir, name)
	if err := generateIn(ctx, root, map[string]func(io.Writer) error{repository: stream}); err != nil {
		return "", err
	}
	return root, packAll(ctx, root)
}

// on runs do with a service that has just been started: nothing is in its caches.
func (g *growth) on(ctx context.Context, root string, do func(*service) error) (err error) {
	s, err := startService(ctx, g.binary, root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return do(s)
}

// cold measures work on a service that has just been started and has opened the repository: what one doing takes, as the
// median of the rounds. do returns how often it did it.
func (g *growth) cold(ctx context.Context, root, repository string, do func(context.Context, ports.GitRepository) (int, error)) (time.Duration, error) {
	var took []time.Duration
	for range g.pace.rounds {
		err := g.on(ctx, root, func(s *service) error {
			r := s.repository(repository)
			if _, err := r.ListTags(ctx, ports.Page{Size: 1}); err != nil {
				return err
			}
			begin := time.Now()
			n, err := do(ctx, r)
			took = append(took, time.Since(begin)/time.Duration(max(n, 1)))
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return median(took), nil
}

// warm measures what one doing of a way takes, as the median of the rounds.
func (g *growth) warm(ctx context.Context, w way) (time.Duration, error) {
	samples, err := work{ways: []way{w}}.run(ctx, g.pace)
	if err != nil {
		return 0, err
	}
	return median(samples[0]), nil
}

// timed is something whose duration is a point of a curve.
type timed struct {
	name string
	take func() (time.Duration, error)
}

// addTimes adds what the doings take, or how often they are done a second.
func (c *curve) addTimes(all ...timed) error {
	for _, t := range all {
		took, err := t.take()
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		if c.takes {
			c.add(t.name, milliseconds, float64(took)/float64(time.Millisecond))
		} else {
			c.add(t.name, perSecond, float64(time.Second)/float64(took))
		}
	}
	return nil
}

// readsOf reads files one after the other.
func readsOf(paths []string) func(context.Context, ports.GitRepository) (int, error) {
	return func(ctx context.Context, r ports.GitRepository) (int, error) {
		for _, path := range paths {
			if err := getFile(ctx, r, path); err != nil {
				return 0, err
			}
		}
		return len(paths), nil
	}
}

// sample are at most n of the numbers below max, in no order.
func sample(limit, n int) []int {
	return rand.New(rand.NewPCG(9, uint64(limit))).Perm(limit)[:min(limit, n)]
}

// anyOf does something again and again with one of the paths.
func anyOf(paths []string, do func(context.Context, string) error) way {
	next := 0
	return repeated("", func(ctx context.Context) error {
		next = (next + 1) % len(paths)
		return do(ctx, paths[next])
	})
}

// files lets the number of files in a repository grow.
func (g *growth) files(ctx context.Context, sizes []int) error {
	c := g.newCurve("files", "Files in the repository", "files", true)
	for _, n := range sizes {
		c.at(n)
		root, err := g.root(ctx, fmt.Sprintf("files-%d", n), "repository", func(w io.Writer) error { return writeScaled(w, n) })
		if err != nil {
			return err
		}
		var paths []string
		for _, i := range sample(n, 500) {
			paths = append(paths, scaledPath(i))
		}
		list := func(ctx context.Context, r ports.GitRepository) (int, error) {
			_, files, err := r.ListFiles(ctx, ports.ListFiles{Revision: git.AtRef(mainBranch()), Recursive: true})
			return 1, count(files, err, n)
		}
		if err := c.addTimes(
			timed{"read of one file, cold", func() (time.Duration, error) { return g.cold(ctx, root, "repository", readsOf(paths)) }},
			timed{"listing of all files, cold", func() (time.Duration, error) { return g.cold(ctx, root, "repository", list) }},
		); err != nil {
			return err
		}
		if err := g.on(ctx, root, func(s *service) error {
			r, e := s.repository("repository"), newEdits()
			if _, err := readsOf(paths)(ctx, r); err != nil {
				return err
			}
			if err := c.addTimes(
				timed{"read of one file, hot", func() (time.Duration, error) {
					return g.warm(ctx, anyOf(paths, func(ctx context.Context, path string) error { return getFile(ctx, r, path) }))
				}},
				timed{"listing of all files, repeated", func() (time.Duration, error) {
					return g.warm(ctx, repeated("", func(ctx context.Context) error {
						_, err := list(ctx, r)
						return err
					}))
				}},
				timed{"commit of one file, durable", func() (time.Duration, error) {
					return g.warm(ctx, anyOf(paths, func(ctx context.Context, path string) error { return commit(ctx, r, file{treePath(path), e.content()}) }))
				}},
			); err != nil {
				return err
			}
			return c.addUsage(s, "after that")
		}); err != nil {
			return err
		}
		if err := os.RemoveAll(root); err != nil {
			return err
		}
	}
	return nil
}

// callers lets the number of callers at the same time grow.
func (g *growth) callers(ctx context.Context) error {
	c := g.newCurve("callers", "Callers at the same time", "callers", false)
	root, err := g.root(ctx, "callers", "catalog", writeCatalog)
	if err != nil {
		return err
	}
	order := sample(categories*productsPer, categories*productsPer)
	for n := 1; n <= 256; n *= 2 {
		c.at(n)
		rnd, e := callersRandom(n), newEdits()
		cold := func(ctx context.Context, r ports.GitRepository) (int, error) {
			var next atomic.Int64
			_, done, err := concurrent("", n, func(ctx context.Context, _ int) error {
				i := int(next.Add(1))
				if i >= len(order) {
					return errEnough
				}
				return getFile(ctx, r, productPath(order[i]/productsPer, order[i]%productsPer))
			}).turn(ctx, g.pace.turn)
			if errors.Is(err, errEnough) {
				err = nil
			}
			return done, err
		}
		if err := c.addTimes(timed{"reads of one file, cold", func() (time.Duration, error) { return g.cold(ctx, root, "catalog", cold) }}); err != nil {
			return err
		}
		if err := g.on(ctx, root, func(s *service) error {
			r := s.repository("catalog")
			if err := readAll(ctx, r); err != nil {
				return err
			}
			if err := c.addTimes(
				timed{"reads of one file, hot", func() (time.Duration, error) {
					return g.warm(ctx, concurrent("", n, func(ctx context.Context, caller int) error { return getFile(ctx, r, randomProduct(rnd[caller])) }))
				}},
				timed{"commits of one file to one branch, durable", func() (time.Duration, error) {
					return g.warm(ctx, concurrent("", n, func(ctx context.Context, _ int) error { return commit(ctx, r, e.product()) }))
				}},
			); err != nil {
				return err
			}
			return c.addUsage(s, "after that")
		}); err != nil {
			return err
		}
	}
	return os.RemoveAll(root)
}

// repositories lets the number of repositories in the data directory grow. Of at most some hundred of them one after the
// other is used.
func (g *growth) repositories(ctx context.Context) error {
	c := g.newCurve("repositories", "Repositories on the disk", "repositories", true)
	root, err := g.root(ctx, "repositories", "repository-0", func(w io.Writer) error { return writeScaled(w, 100) })
	if err != nil {
		return err
	}
	have := 1
	for n := 1; n <= 10_000; n *= 10 {
		c.at(n)
		for ; have < n; have++ {
			if err := copyRepository(root, "repository-0", fmt.Sprintf("repository-%d", have)); err != nil {
				return err
			}
		}
		var names []string
		for _, i := range sample(n, 200) {
			names = append(names, fmt.Sprintf("repository-%d", i))
		}
		if err := g.on(ctx, root, func(*service) error { return nil }); err != nil { // the journal gets to know them
			return err
		}
		read := func(ctx context.Context, s *service) error {
			for _, name := range names {
				if err := getFile(ctx, s.repository(name), scaledPath(0)); err != nil {
					return err
				}
			}
			return nil
		}
		var starts, opens []time.Duration
		for range g.pace.rounds {
			if err := g.on(ctx, root, func(s *service) error {
				starts = append(starts, s.started)
				begin := time.Now()
				if err := read(ctx, s); err != nil {
					return err
				}
				opens = append(opens, time.Since(begin)/time.Duration(len(names)))
				return nil
			}); err != nil {
				return err
			}
		}
		if err := g.on(ctx, root, func(s *service) error {
			if err := c.addUsage(s, "at the start"); err != nil {
				return err
			}
			if err := read(ctx, s); err != nil {
				return err
			}
			e := newEdits()
			if err := c.addTimes(
				timed{"start of the service", func() (time.Duration, error) { return median(starts), nil }},
				timed{"first read in a repository", func() (time.Duration, error) { return median(opens), nil }},
				timed{"read of one file, hot, in any of 200", func() (time.Duration, error) {
					return g.warm(ctx, anyOf(names, func(ctx context.Context, name string) error {
						return getFile(ctx, s.repository(name), scaledPath(0))
					}))
				}},
				timed{"commit of one file, durable, to any of 200", func() (time.Duration, error) {
					return g.warm(ctx, anyOf(names, func(ctx context.Context, name string) error {
						return commit(ctx, s.repository(name), file{treePath(scaledPath(0)), e.content()})
					}))
				}},
			); err != nil {
				return err
			}
			return c.addUsage(s, "after that")
		}); err != nil {
			return err
		}
	}
	return os.RemoveAll(root)
}

// copyRepository copies a repository of a storage root, on which nobody works, to another id. Both share their files: git
// never writes into one that is there.
func copyRepository(root, from, to string) error {
	source, target := repositoryDir(root, from), repositoryDir(root, to)
	return filepath.WalkDir(source, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		copied := filepath.Join(target, relative(source, path))
		switch {
		case e.IsDir():
			return os.MkdirAll(copied, 0o700)
		case e.Name() != "gitstore.json":
			return os.Link(path, copied)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(copied, []byte(strings.Replace(string(content), strconv.Quote(from), strconv.Quote(to), 1)), 0o600)
	})
}

// repositoryDir is where a repository lies in a storage root, as docs/operations.md says.
func repositoryDir(root, id string) string {
	sum := sha256.Sum256([]byte(id))
	hash := hex.EncodeToString(sum[:])
	return filepath.Join(root, "repositories", hash[:2], hash[2:4], hash+".git")
}

// commits lets the history of a repository grow.
func (g *growth) commits(ctx context.Context) error {
	c := g.newCurve("commits", "Commits in the history", "commits", true)
	for _, n := range []int{100, 1000, 5000, 20_000} {
		c.at(n)
		root, err := g.root(ctx, fmt.Sprintf("commits-%d", n), "repository", func(w io.Writer) error { return writeCommits(w, n, 10) })
		if err != nil {
			return err
		}
		newest := func(limit int, paths ...git.TreePath) func(context.Context, ports.GitRepository) (int, error) {
			return func(ctx context.Context, r ports.GitRepository) (int, error) {
				req := ports.ListCommits{Revision: git.AtRef(mainBranch()), Limit: limit}
				if len(paths) > 0 {
					req.Path = paths[0]
				}
				_, commits, err := r.ListCommits(ctx, req)
				if err != nil {
					return 0, err
				}
				for _, err := range commits {
					if err != nil {
						return 0, err
					}
				}
				return 1, nil
			}
		}
		cold := func(do func(context.Context, ports.GitRepository) (int, error)) func() (time.Duration, error) {
			return func() (time.Duration, error) { return g.cold(ctx, root, "repository", do) }
		}
		if err := c.addTimes(
			timed{"the newest 100 commits, cold", cold(newest(100))},
			timed{"the whole history, cold", cold(newest(n))},
			timed{"all commits that changed one file, cold", cold(newest(n, treePath(fastimport.Path(3, 7))))},
		); err != nil {
			return err
		}
		if err := g.on(ctx, root, func(s *service) error {
			r, e := s.repository("repository"), newEdits()
			if _, err := newest(n)(ctx, r); err != nil {
				return err
			}
			path := fastimport.Path(3, 7)
			if err := c.addTimes(
				timed{"commit of one file, durable", func() (time.Duration, error) {
					return g.warm(ctx, repeated("", func(ctx context.Context) error { return commit(ctx, r, file{treePath(path), e.content()}) }))
				}},
				timed{"read of one file, hot", func() (time.Duration, error) {
					return g.warm(ctx, repeated("", func(ctx context.Context) error { return getFile(ctx, r, path) }))
				}},
			); err != nil {
				return err
			}
			return c.addUsage(s, "after that")
		}); err != nil {
			return err
		}
	}
	return nil
}

// write writes what was measured.
func (g *growth) write(ctx context.Context, out, conditions string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	rows := [][]string{{"curve", "x", "measure", "unit", "value"}}
	var page strings.Builder
	fmt.Fprintf(&page, "<!-- Made by make bench-growth. -->\n\n# The last growth curves\n\n%s\n", conditions)
	for _, c := range g.curves {
		file := "growth-" + c.name + ".svg"
		fmt.Fprintf(&page, "\n## %s\n\n![%s](%s)\n\n%s", c.title, c.title, file, c.table())
		rows = append(rows, c.rows()...)
		if err := figure.Draw(ctx, ".", filepath.Join(out, file), c.panels()...); err != nil {
			return err
		}
	}
	return errors.Join(
		figure.WriteCSV(filepath.Join(out, "growth.csv"), rows),
		os.WriteFile(filepath.Join(out, "growth.md"), []byte(page.String()), 0o644),
	)
}

func (c *curve) rows() (rows [][]string) {
	for _, m := range c.order {
		for i, x := range c.xs {
			rows = append(rows, []string{c.name, strconv.Itoa(x), m.name, m.unit, strconv.FormatFloat(c.values[m][i], 'g', 5, 64)})
		}
	}
	return rows
}

// table has a row for each measure and a column for each point.
func (c *curve) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |", c.axis)
	for _, x := range c.xs {
		fmt.Fprintf(&b, " %s |", thousands(x))
	}
	fmt.Fprintf(&b, "\n|---|%s\n", strings.Repeat("--:|", len(c.xs)))
	for _, m := range c.order {
		name := m.name
		if m.unit == mebibytes {
			name += ", MiB"
		}
		fmt.Fprintf(&b, "| %s |", name)
		for _, v := range c.values[m] {
			switch m.unit {
			case milliseconds:
				fmt.Fprintf(&b, " %s |", duration(time.Duration(v*float64(time.Millisecond))))
			case perSecond:
				fmt.Fprintf(&b, " %s/s |", number(v))
			default:
				fmt.Fprintf(&b, " %.0f |", v)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// panels are plots of times or throughput, and of memory.
func (c *curve) panels() []figure.Panel {
	speed := figure.Panel{Title: c.title + ": what one takes", X: c.axis, Y: milliseconds, LogX: true, LogY: true}
	if !c.takes {
		speed.Title, speed.Y = c.title+": throughput", "a second"
	}
	memory := figure.Panel{Title: c.title + ": resident memory", X: c.axis, Y: mebibytes, LogX: true}
	for _, m := range c.order {
		line := figure.Line{Name: m.name}
		for i, x := range c.xs {
			line.Points = append(line.Points, [2]float64{float64(x), c.values[m][i]})
		}
		switch m.unit {
		case mebibytes:
			memory.Lines = append(memory.Lines, line)
		case milliseconds, perSecond:
			speed.Lines = append(speed.Lines, line)
		}
	}
	return []figure.Panel{speed, memory}
}

// thousands writes a whole number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
