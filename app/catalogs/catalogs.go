// Package catalogs keeps the catalogs of repositories in memory and makes them follow what happens: [Follower] loads a
// catalog at one commit and, when an event says that its branch or release tag moved, reads what changed and puts the
// next snapshot in the place of the last one.
//
// Whoever asks gets one immutable snapshot and never waits for a reload, so no answer mixes two commits. If a reload
// fails, the last good snapshot stays and its status says how old it is and why.
//
// An event is a hint and never the content: the commit to load is looked up when the reload begins, whatever the event
// said. So events may come late, twice or not at all; what was missed is found by the next event, by the resync behind a
// gap, or by the recheck that is made now and then.
package catalogs

import (
	"log/slog"
	"time"
)

// Options are the settings of [New]. The zero value is usable: zero fields take the defaults.
type Options struct {
	// Logger gets a line for each full load, a warning when reloads begin to fail and when a release tag was moved or
	// deleted, and at the level of debugging a line for every reload; nil discards them.
	Logger *slog.Logger
	// Recheck is how often a repository is looked at without an event, give or take a tenth; 0 is one minute. While events
	// are cut off it is RetryMax, if that is less.
	Recheck time.Duration
	// RetryBase is the longest pause after the first failure. It doubles with each one that follows, up to RetryMax; the
	// pause is a random part of it. 0 is 100 ms.
	RetryBase time.Duration
	// RetryMax bounds the pause; 0 is 5 s. While the storage service cannot be reached it is a fifth of that, as an attempt
	// costs nothing then and readers wait for the service to be back.
	RetryMax time.Duration
	// Timeout is the most that finding a commit, and then reading it, may take; 0 is two minutes.
	Timeout time.Duration
	// Wait is how long a read waits for its cursor if its context allows more; 0 is 5 s.
	Wait time.Duration
	// Parallel is of how many repositories files are read at once; 0 is 4.
	Parallel int
	// PastWeight bounds the catalogs of commits that are not followed and stay at hand, by about the memory that they take for
	// what the present ones do not have, in bytes. 0 is 128 MiB; with less than 0 none stay.
	PastWeight int64
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.Recheck, time.Minute)
	setDefault(&o.RetryBase, 100*time.Millisecond)
	setDefault(&o.RetryMax, 5*time.Second)
	setDefault(&o.Timeout, 2*time.Minute)
	setDefault(&o.Wait, 5*time.Second)
	setDefault(&o.Parallel, 4)
	setDefault(&o.PastWeight, 128<<20)
	return o
}

func setDefault[T ~int | ~int64](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}
