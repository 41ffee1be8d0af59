package main

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pace says how often each way takes its turn, and for about how long.
type pace struct {
	rounds int
	turn   time.Duration
}

// work is something to be done, and the ways to do it. The others are compared with the first.
type work struct {
	name string
	ways []way
	// writes tells that the work is no read.
	writes bool
}

// way is one way to do a work.
type way struct {
	name string
	// turn does the work for about the time of a turn, and tells how long it took and how often the work was done. What
	// it needs to prepare is not counted.
	turn func(ctx context.Context, turn time.Duration) (took time.Duration, n int, err error)
	goal goal
}

// goal is what a way should reach; zero fields are no goal.
type goal struct {
	// ratio is the most time it may take for each that the first way takes.
	ratio float64
	// rate is how often a second it should do the work.
	rate float64
	// time is the most that one doing may take.
	time time.Duration
}

func (w way) should(g goal) way {
	w.goal = g
	return w
}

// run lets all ways take their turns, each time in another order, and returns what one doing took, by way and round.
func (w work) run(ctx context.Context, p pace) ([][]time.Duration, error) {
	samples := make([][]time.Duration, len(w.ways))
	for round := range p.rounds + 1 {
		turn := p.turn
		if round == 0 { // for caches, connections and processes to get warm
			turn /= 10
		}
		for i := range w.ways {
			i = (i + round) % len(w.ways)
			runtime.GC()
			took, n, err := w.ways[i].turn(ctx, turn)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				samples[i] = append(samples[i], took/time.Duration(n))
			}
		}
	}
	return samples, nil
}

func median[T time.Duration | float64](samples []T) T {
	s := slices.Sorted(slices.Values(samples))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// repeated is a way that does the work again and again.
func repeated(name string, do func(context.Context) error) way {
	return way{name: name, turn: func(ctx context.Context, turn time.Duration) (time.Duration, int, error) {
		start := time.Now()
		for n := 1; ; n++ {
			if err := do(ctx); err != nil {
				return 0, 0, err
			}
			if took := time.Since(start); took >= turn {
				return took, n, nil
			}
		}
	}}
}

// concurrent is a way in which callers do the work again and again at the same time.
func concurrent(name string, callers int, do func(ctx context.Context, caller int) error) way {
	return way{name: name, turn: func(ctx context.Context, turn time.Duration) (time.Duration, int, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		var n atomic.Int64
		var group sync.WaitGroup
		start := time.Now()
		for caller := range callers {
			group.Go(func() {
				for ctx.Err() == nil && time.Since(start) < turn {
					if err := do(ctx, caller); err != nil {
						cancel(err)
						return
					}
					n.Add(1)
				}
			})
		}
		group.Wait()
		return time.Since(start), int(n.Load()), context.Cause(ctx)
	}}
}

// prepared is a way whose work is prepared anew each time and done once a turn.
func prepared[T any](name string, prepare func(context.Context) (T, error), do func(context.Context, T) (int, error), after func(T) error) way {
	return way{name: name, turn: func(ctx context.Context, _ time.Duration) (time.Duration, int, error) {
		v, err := prepare(ctx)
		if err != nil {
			return 0, 0, err
		}
		start := time.Now()
		n, err := do(ctx, v)
		took := time.Since(start)
		if closeErr := after(v); err == nil {
			err = closeErr
		}
		return took, n, err
	}}
}
