package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/internal/testkit/figure"
	"github.com/gitstore-dev/gitstore/internal/testkit/procstat"
)

const (
	// judged is how long a soak has to take for its use of resources to be judged.
	judged = 10 * time.Minute
	// warmUp is the part of a soak, one of so many, in which caches fill.
	warmUp = 5
	// tolerated is how much more of a resource may be used in the second half of what follows the warm-up than in its
	// first half, besides the slack of the measure.
	tolerated = 1.1
	// trending is how long what follows the warm-up has to be for its trend to be judged: caches go on to fill for some minutes.
	trending = 20 * time.Minute
	// points is how many points a trend goes through at most, each the median of as many samples.
	points = 250
)

// measure is something that a process uses.
type measure struct {
	name string
	// unit is what one of the plots shows together.
	unit string
	// slack is how much more may be used without being judged; below 0 it is only shown.
	slack float64
	// leak is how much more in a minute, steadily, is a leak.
	leak float64
}

// measures are what is sampled of each of the services, in the order of a sample. The pages of packs that git has mapped
// count as memory of children and become more with the history; the kernel drops them when it needs room.
var measures = []measure{
	{"resident memory", "MiB", 8, 1}, {"Go heap in use", "MiB", 4, 0.75}, {"goroutines", "", 16, 0.25}, {"open files", "", 8, 0.25},
	{"child processes", "", 2, 0.1}, {"private memory of children", "MiB", 8, 1}, {"memory of children with mapped packs", "MiB", -1, 0},
}

var services = []string{"git-service", "API"}

// usage is what both services used over time.
type usage struct {
	times []time.Duration
	// samples are by service, measure and time.
	samples [][][]float64
}

// sample takes down what the services use while the soak goes on, for as long as it is to go on.
func (s *soak) sample(t *testing.T, duration time.Duration) *usage {
	t.Helper()
	u := &usage{samples: make([][][]float64, len(services))}
	begin := time.Now()
	tick := time.NewTicker(min(max(duration/300, 500*time.Millisecond), 5*time.Second))
	defer tick.Stop()
	for time.Since(begin) < duration && s.failed() == nil && !t.Failed() {
		u.times = append(u.times, time.Since(begin))
		for i, of := range []struct {
			process *process
			admin   *client
		}{{s.git, s.gitAdmin}, {s.api, s.client}} {
			require.NoError(t, of.process.running())
			u.add(i, usageOf(t, of.process, of.admin))
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
		}
	}
	return u
}

func (u *usage) add(service int, values []float64) {
	if u.samples[service] == nil {
		u.samples[service] = make([][]float64, len(values))
	}
	for m, v := range values {
		u.samples[service][m] = append(u.samples[service][m], v)
	}
}

func usageOf(t *testing.T, p *process, admin *client) []float64 {
	t.Helper()
	stat, err := procstat.Of(p.cmd.Process.Pid)
	require.NoError(t, err)
	told := metrics(t, admin)
	return []float64{
		mebibytes(stat.Memory), mebibytes(int64(told["go_memstats_heap_inuse_bytes"])), told["go_goroutines"], float64(stat.Files),
		float64(stat.Children), mebibytes(stat.ChildPrivate), mebibytes(stat.ChildMemory),
	}
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// metrics returns what a service says of itself, of what has no labels.
func metrics(t *testing.T, admin *client) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	lines := bufio.NewScanner(bytes.NewReader(admin.get(t, "/metrics").wants(t, 200).body))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			all[name] = number
		}
	}
	require.NoError(t, lines.Err())
	require.NotZero(t, all["go_goroutines"])
	return all
}

// part returns the samples of a part of the time, given in fractions of it.
func (u *usage) part(samples []float64, from, to float64) []float64 {
	n := float64(len(samples))
	first := min(int(from*n), len(samples)-1)
	return samples[first:max(first+1, min(int(to*n), len(samples)))]
}

func medianOf(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// around is the median of the samples around a moment, given as a fraction of the time.
func (u *usage) around(samples []float64, at float64) float64 {
	return medianOf(u.part(samples, max(0, at-0.025), min(1, at+0.025)))
}

// perMinute is the trend of the samples after the warm-up: the median of the slopes of all lines through two of them (Theil and Sen), which
// peaks do not move, however high, while they are fewer than a quarter.
func (u *usage) perMinute(samples []float64) float64 {
	first := len(samples) / warmUp
	each := 1 + (len(samples)-first)/points
	type point struct{ minutes, value float64 }
	var line []point
	for at := first; at < len(samples); at += each {
		end := min(at+each, len(samples))
		line = append(line, point{(u.times[at] + u.times[end-1]).Minutes() / 2, medianOf(samples[at:end])})
	}
	var slopes []float64
	for i, p := range line {
		for _, q := range line[i+1:] {
			slopes = append(slopes, (q.value-p.value)/(q.minutes-p.minutes))
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	return medianOf(slopes)
}

// flat compares the halves of what follows the warm-up, and judges the trend of a long run.
func (u *usage) flat(m measure, samples []float64) error {
	if m.slack < 0 {
		return nil
	}
	const begin = 1.0 / warmUp
	first, second := medianOf(u.part(samples, begin, (1+begin)/2)), medianOf(u.part(samples, (1+begin)/2, 1))
	if most := first*tolerated + m.slack; second > most {
		return fmt.Errorf("%s: %.1f %s in the second half, %.1f in the first; at most %.1f is flat", m.name, second, m.unit, first, most)
	}
	if u.times[len(u.times)-1]-u.times[len(u.times)/warmUp] < trending {
		return nil
	}
	if trend := u.perMinute(samples); trend >= m.leak {
		return fmt.Errorf("%s: %.2f %s more with each minute; %.2f is a leak", m.name, trend, m.unit, m.leak)
	}
	return nil
}

// requireFlat fails if one of the services comes to use more and more of something.
func (u *usage) requireFlat(t *testing.T) {
	t.Helper()
	for s, service := range services {
		for i, m := range measures {
			if err := u.flat(m, u.samples[s][i]); err != nil {
				t.Errorf("%s: %v", service, err)
			}
		}
	}
}

// table is a table of what was used.
func (u *usage) table() string {
	var b strings.Builder
	b.WriteString("| service | uses | after the warm-up | at a quarter | at half | at the end | change an hour | flat |\n|---|---|--:|--:|--:|--:|--:|---|\n")
	for s, service := range services {
		for i, m := range measures {
			samples := u.samples[s][i]
			verdict := "yes"
			if m.slack < 0 {
				verdict = "not judged"
			} else if u.flat(m, samples) != nil {
				verdict = "**no**"
			}
			fmt.Fprintf(&b, "| %s | %s |", service, strings.TrimSuffix(m.name+", "+m.unit, ", "))
			for _, at := range []float64{1.0 / warmUp, 0.25, 0.5, 1} {
				fmt.Fprintf(&b, " %.4g |", u.around(samples, at))
			}
			fmt.Fprintf(&b, " %+.3g | %s |\n", 60*u.perMinute(samples), verdict)
			service = ""
		}
	}
	return b.String()
}

// report prints the table. With OUT it leaves there the samples, the table and a plot.
func (u *usage) report(t *testing.T, done map[string]int) {
	t.Helper()
	var work []string
	for _, name := range slices.Sorted(maps.Keys(done)) {
		work = append(work, fmt.Sprintf("%d %s", done[name], name))
	}
	took := u.times[len(u.times)-1].Round(time.Second)
	of := ""
	if commit := os.Getenv("COMMIT"); commit != "" {
		of = " of commit " + commit
	}
	text := fmt.Sprintf("%v%s: %s.\n\n%s", took, of, strings.Join(work, ", "), u.table())
	t.Log("\n" + text)
	out := os.Getenv("OUT")
	if out == "" {
		return
	}
	require.NoError(t, os.MkdirAll(out, 0o755))
	require.NoError(t, errors.Join(
		os.WriteFile(filepath.Join(out, "soak.md"), []byte("<!-- Made by make soak. -->\n\n# The last soak\n\n"+text+"\n![What both services used](soak.svg)\n"), 0o644),
		figure.WriteCSV(filepath.Join(out, "soak.csv"), u.rows()),
		u.draw(t.Context(), filepath.Join(out, "soak.svg")),
	))
}

func (u *usage) rows() [][]string {
	rows := [][]string{{"seconds", "service", "measure", "unit", "value"}}
	for s, service := range services {
		for i, m := range measures {
			for at, value := range u.samples[s][i] {
				rows = append(rows, []string{fmt.Sprintf("%.1f", u.times[at].Seconds()), service, m.name, m.unit, fmt.Sprintf("%.5g", value)})
			}
		}
	}
	return rows
}

// draw draws memory and numbers of each of the services.
func (u *usage) draw(ctx context.Context, file string) error {
	var panels []figure.Panel
	for s, service := range services {
		memory := figure.Panel{Title: service + ": memory", X: "minutes", Y: "MiB"}
		numbers := figure.Panel{Title: service + ": goroutines, files and children", X: "minutes", Y: "number"}
		for i, m := range measures {
			if slices.Max(u.samples[s][i]) == 0 {
				continue
			}
			line := figure.Line{Name: m.name}
			for at, value := range u.samples[s][i] {
				line.Points = append(line.Points, [2]float64{u.times[at].Minutes(), value})
			}
			if m.unit == "MiB" {
				memory.Lines = append(memory.Lines, line)
			} else {
				numbers.Lines = append(numbers.Lines, line)
			}
		}
		panels = append(panels, memory, numbers)
	}
	return figure.Draw(ctx, "..", file, panels...)
}

func TestTheJudgeOfASoakFindsWhatLeaks(t *testing.T) {
	const samples = 300
	random := rand.New(rand.NewPCG(1, 1))
	// run is a time in which a process uses the level, give or take a twentieth, and what is more at the time.
	run := func(length time.Duration, level float64, more func(minutes float64, i int) float64) (*usage, []float64) {
		u := &usage{}
		var used []float64
		for i := range samples {
			at := time.Duration(i) * length / samples
			u.times = append(u.times, at)
			used = append(used, level*(0.95+0.1*random.Float64())+more(at.Minutes(), i))
		}
		return u, used
	}
	for _, m := range measures {
		if m.slack < 0 {
			continue
		}
		level := map[string]float64{"MiB": 100, "": 20}[m.unit]
		peaks := func(i int) float64 {
			if i%7 == 0 {
				return 3 * level
			}
			return 0
		}
		for what, more := range map[string]func(minutes float64, i int) float64{
			"nothing":                               func(float64, int) float64 { return 0 },
			"peaks":                                 func(_ float64, i int) float64 { return peaks(i) },
			"less":                                  func(minutes float64, _ int) float64 { return -m.leak * minutes },
			"a cache that fills in the first third": func(minutes float64, _ int) float64 { return m.slack * min(minutes/10, 1) },
			"half a leak":                           func(minutes float64, _ int) float64 { return m.leak / 2 * minutes },
			"a step that the halves are allowed to be":   func(minutes float64, _ int) float64 { return m.leak * 3 * float64(int(minutes/20)) },
			"waves that are higher than a leak would be": func(minutes float64, _ int) float64 { return m.leak * 5 * math.Sin(minutes) },
		} {
			u, used := run(30*time.Minute, level, more)
			require.NoError(t, u.flat(m, used), what)
		}
		leak := func(minutes float64, _ int) float64 { return 1.25 * m.leak * minutes }
		u, used := run(30*time.Minute, level, leak)
		require.ErrorContains(t, u.flat(m, used), m.name)
		u, used = run(30*time.Minute, level, func(minutes float64, i int) float64 { return leak(minutes, i) + peaks(i) })
		require.ErrorContains(t, u.flat(m, used), m.name, "a leak below peaks")
		u, used = run(24*time.Hour, level, leak)
		require.ErrorContains(t, u.flat(m, used), m.name)
		u, used = run(15*time.Minute, level, leak)
		require.NoError(t, u.flat(m, used), "caches still fill in a short run")
		u, used = run(15*time.Minute, level, func(minutes float64, _ int) float64 { return level * minutes })
		require.ErrorContains(t, u.flat(m, used), "half", "a fast leak is found in a short run, too")
	}
}
