// Command bench measures GitStore against what it stands on: git itself, driven in the fastest way there is, and a gRPC
// service that does nothing. All of them do the same work on the same generated data in the same run, taking turns, and
// the result is a Markdown table of medians and ratios. It reports; it never fails because something was slow.
//
// GitStore is measured through its whole stack: the gRPC client, TCP over loopback, the gRPC server and the store over the
// git binary.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

func main() {
	quick := flag.Bool("quick", false, "fewer and shorter rounds")
	only := flag.String("only", "", "do only the works whose name matches this regular expression")
	how := flag.String("how", "", "do the works only in the ways whose name matches this regular expression, such as ^GitStore$ for a profile of that alone")
	dir := flag.String("dir", "", "directory for the data, on the disk to be measured (default: the one for temporary files)")
	grow := flag.String("growth", "", "measure how GitStore behaves as what it holds and who calls it grow, and write the curves into this directory")
	full := flag.Bool("full", false, "with -growth: go on to a repository of a million files")
	backend := flag.String("http-backend", "", "measure nothing: serve the repositories below this directory by git http-backend, which the measurements start")
	listen := flag.String("listen", "127.0.0.1:0", "with -http-backend: where")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the measurements to this file")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := func() error { return bench(ctx, *dir, *only, *how, *profile, *quick) }
	if *grow != "" {
		run = func() error { return measureGrowth(ctx, *dir, *grow, *full, growthPace(*quick)) }
	}
	if *backend != "" {
		run = func() error { return serveBackend(ctx, *backend, *listen) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // everything is cleaned up in bench
	}
}

// newPace says how often and how long the works are done.
func newPace(quick bool) pace {
	if quick {
		return pace{rounds: 2, turn: 100 * time.Millisecond}
	}
	return pace{rounds: 9, turn: 200 * time.Millisecond}
}

// growthPace is less: there are many points, and each shows what its neighbours do.
func growthPace(quick bool) pace {
	if quick {
		return newPace(true)
	}
	return pace{rounds: 5, turn: 200 * time.Millisecond}
}

func bench(ctx context.Context, dir, only, how, profile string, quick bool) (err error) {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	ways, err := regexp.Compile(how)
	if err != nil {
		return err
	}
	var rep report
	p := newPace(quick)
	if only != gitClients && only != overloads { // those have data of their own
		if err := rep.measureBed(ctx, dir, chosen, ways, profile, p); err != nil {
			return err
		}
	}
	if chosen.MatchString(gitClients) {
		fmt.Fprintln(os.Stderr, gitClients)
		if err := rep.measureClients(ctx, dir, quick); err != nil {
			return fmt.Errorf("%s: %w", gitClients, err)
		}
	}
	if chosen.MatchString(overloads) {
		if err := rep.overload(ctx, dir, quick); err != nil {
			return fmt.Errorf("%s: %w", overloads, err)
		}
		rep.printOverloads()
	}
	return nil
}

// measureClients measures what serving git clients takes, and prints it.
func (r *report) measureClients(ctx context.Context, parent string, quick bool) (err error) {
	dir, err := os.MkdirTemp(parent, "gitstore-bench-clients-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := r.serveClients(ctx, dir, quick); err != nil {
		return err
	}
	version, err := output(ctx, dir, "version")
	if err != nil {
		return err
	}
	fmt.Println(conditions(ctx, dir, strings.TrimPrefix(lines(version)[0], "git version "), pace{rounds: clientRounds}))
	r.printClients()
	return nil
}

// measureBed measures all that is done in one bed, and prints it.
func (r *report) measureBed(ctx context.Context, dir string, chosen, ways *regexp.Regexp, profile string, p pace) (err error) {
	fmt.Fprintln(os.Stderr, "making the data")
	b, err := newBed(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	stopProfile, err := startProfile(profile)
	if err != nil {
		return err
	}
	defer stopProfile()
	works, err := b.works(ctx)
	if err != nil {
		return err
	}
	for _, w := range works {
		w.ways = slices.DeleteFunc(w.ways, func(w way) bool { return !ways.MatchString(w.name) })
		if !chosen.MatchString(w.name) || len(w.ways) == 0 {
			continue
		}
		fmt.Fprintln(os.Stderr, w.name)
		if err := r.measure(ctx, b, w, p); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	const idle = "memory of an idle service"
	if chosen.MatchString(idle) {
		fmt.Fprintln(os.Stderr, idle)
		if r.idle, err = idleMemory(ctx, b.dir); err != nil {
			return fmt.Errorf("%s: %w", idle, err)
		}
	}
	const changes = "changes and catalogs"
	if chosen.MatchString(changes) {
		fmt.Fprintln(os.Stderr, changes)
		if err := r.follow(ctx, filepath.Join(b.dir, "changes")); err != nil {
			return fmt.Errorf("%s: %w", changes, err)
		}
	}
	const kinds = "kinds of queries"
	if chosen.MatchString(kinds) {
		fmt.Fprintln(os.Stderr, kinds)
		if err := r.queryKinds(ctx); err != nil {
			return fmt.Errorf("%s: %w", kinds, err)
		}
	}
	fmt.Println(conditions(ctx, b.dir, b.ours.store.GitVersion(), p) + "\n")
	r.print()
	r.printChanges()
	r.printKinds()
	return nil
}

func startProfile(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}
