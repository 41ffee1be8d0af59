package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/internal/testkit/procstat"
)

// report is what was measured.
type report struct {
	rows []row
	// starts is how many processes GitStore started for reads of repositories that were open.
	starts int64
	// idle is what an idle service uses, zero if it was not measured.
	idle procstat.Usage
	// facts are about changes and who follows them.
	facts []fact
	// kinds is what each of [kindsOfQueries] takes, for each size of the catalog, which kindHeads and kindNotes tell of.
	kinds                [][]string
	kindHeads, kindNotes []string
	// busy is the load of the machine before git clients were served, clients and peaks are what that took.
	busy    string
	clients []clientRow
	peaks   []peak
	// overloads are what services did under overload, and overloadMemory is what one had after it, in bytes.
	overloads      []*overload
	overloadMemory int64
	// overloadCores are how many the service had, and how many other ones those who called it.
	overloadCores [2]int
}

type row struct {
	work, way string
	goal      goal
	// per is what one doing took, the median of the rounds.
	per time.Duration
	// ratio is the median of the rounds' ratios to the first way of the work: what disturbs the machine for longer than a
	// round disturbs both.
	ratio float64
}

// measure does the work and takes down what it took.
func (r *report) measure(ctx context.Context, b *bed, w work, p pace) error {
	before := b.starts()
	samples, err := w.run(ctx, p)
	if err != nil {
		return err
	}
	if !w.writes {
		r.starts += b.starts() - before
	}
	for i, way := range w.ways {
		r.rows = append(r.rows, row{w.name, way.name, way.goal, median(samples[i]), median(ratios(samples[i], samples[0]))})
	}
	return nil
}

func ratios(samples, first []time.Duration) []float64 {
	r := make([]float64, len(samples))
	for i := range r {
		r[i] = float64(samples[i]) / float64(first[i])
	}
	return r
}

func (r row) rate() float64 { return float64(time.Second) / float64(r.per) }

// verdict names the goal and whether it is met, "" without one.
func (r row) verdict() string {
	met := true
	var goals []string
	if g := r.goal.ratio; g > 0 {
		goals = append(goals, fmt.Sprintf("≤ %.4g×", g))
		met = met && r.ratio <= g
	}
	if g := r.goal.rate; g > 0 {
		goals = append(goals, fmt.Sprintf("≥ %s/s", number(g)))
		met = met && r.rate() >= g
	}
	if g := r.goal.time; g > 0 {
		goals = append(goals, "≤ "+g.String())
		met = met && r.per <= g
	}
	if len(goals) == 0 {
		return ""
	}
	return strings.Join(goals, ", ") + verdict(met)
}

func (r *report) print() {
	fmt.Println("| work | how | one takes | a second | ratio | goal |")
	fmt.Println("|---|---|--:|--:|--:|---|")
	defer r.printFacts()
	last := ""
	for _, row := range r.rows {
		name := row.work
		if name == last {
			name = ""
		}
		last = row.work
		fmt.Printf("| %s | %s | %s | %s | %.2f | %s |\n", name, row.way, duration(row.per), number(row.rate()), row.ratio, row.verdict())
	}
}

// printFacts prints what is no matter of time.
func (r *report) printFacts() {
	fmt.Printf("\nProcesses that GitStore started for these reads, once the repositories were open: %d (goal: 0%s).\n", r.starts, verdict(r.starts == 0))
	if r.idle.Memory > 0 {
		fmt.Printf("\nMemory of an idle git-service with %s repositories on the disk: %.1f MiB resident, of which %.1f MiB are no pages of its program (goal: ≤ %d MiB%s).\n",
			number(idleRepositories), float64(r.idle.Memory)/(1<<20), float64(r.idle.Private)/(1<<20), idleGoal>>20, verdict(r.idle.Memory <= idleGoal))
	}
}

// printChanges prints what following changes came to.
func (r *report) printChanges() {
	if len(r.facts) == 0 {
		return
	}
	fmt.Println("\n| changes and catalogs | figure | goal |\n|---|---|---|")
	for _, f := range r.facts {
		fmt.Printf("| %s | %s | %s |\n", f.what, f.figure, f.goal)
	}
}

func verdict(met bool) string {
	if met {
		return ": met"
	}
	return ": **missed**"
}

// duration prints three digits.
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}

// number prints a number with a comma at the thousands, and small ones with two digits.
func number(f float64) string {
	if f < 99.5 {
		return fmt.Sprintf("%.2g", f)
	}
	n := int(f + 0.5)
	if n >= 1_000_000 {
		return fmt.Sprintf("%d,%03d,%03d", n/1_000_000, n/1000%1000, n%1000)
	}
	if n >= 1000 {
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	}
	return fmt.Sprint(n)
}

// conditions describes the machine and the versions.
func conditions(ctx context.Context, dir string, gitVersion string, p pace) string {
	commit := "unknown"
	if out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--exclude=*").Output(); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	return fmt.Sprintf("%d cores (%s), Linux %s, %s; git %s, %s; commit %s; medians of %d rounds.",
		runtime.NumCPU(), fieldOf("/proc/cpuinfo", "model name"), firstLine("/proc/sys/kernel/osrelease"), fileSystem(dir),
		gitVersion, runtime.Version(), commit, p.rounds)
}

func firstLine(name string) string {
	content, _ := os.ReadFile(name)
	line, _, _ := strings.Cut(string(content), "\n")
	return cmp.Or(line, "unknown")
}

func fieldOf(name, field string) string {
	content, _ := os.ReadFile(name)
	for line := range strings.Lines(string(content)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == field {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// fileSystem finds the type of the file system that holds dir.
func fileSystem(dir string) string {
	content, _ := os.ReadFile("/proc/mounts")
	found, longest := "unknown file system", -1
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		point := strings.TrimSuffix(fields[1], "/")
		if (dir == point || strings.HasPrefix(dir, point+"/")) && len(point) > longest {
			found, longest = fields[2], len(point)
		}
	}
	return found
}
