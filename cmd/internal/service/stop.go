package service

import (
	"bytes"
	"log/slog"
	"runtime/pprof"
	"sync"
	"time"
)

// Stop is the stop of a service, part by part, so that the log of one that is not orderly names the part that did not end.
// It is safe for concurrent use.
type Stop struct {
	mu    sync.Mutex
	parts []*part
}

// part is a part of a stop.
type part struct {
	name  string
	begun time.Time
	took  time.Duration
	ended bool
}

// Part does a part of the stop and returns what it fails with. The name is a word in lower case, with underscores.
func (s *Stop) Part(name string, do func() error) error {
	p := &part{name: name, begun: time.Now()}
	s.mu.Lock()
	s.parts = append(s.parts, p)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		p.ended, p.took = true, time.Since(p.begun)
	}()
	return do()
}

// Wait is a part of the stop that does nothing but wait, and cannot fail.
func (s *Stop) Wait(name string, wait func()) {
	_ = s.Part(name, func() error {
		wait()
		return nil
	})
}

// unfinished are the parts that have begun and not ended.
func (s *Stop) unfinished() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if !p.ended {
			names = append(names, p.name)
		}
	}
	return names
}

// attrs are how long each part took up to now, and of a stop that has not ended which parts did not.
func (s *Stop) attrs() []slog.Attr {
	unfinished := s.unfinished()
	s.mu.Lock()
	defer s.mu.Unlock()
	var parts []any
	for _, p := range s.parts {
		took := p.took
		if !p.ended {
			took = time.Since(p.begun)
		}
		parts = append(parts, slog.Duration(p.name, took))
	}
	attrs := []slog.Attr{slog.Group("parts", parts...)}
	if len(unfinished) > 0 {
		attrs = append(attrs, slog.Any("unfinished", unfinished))
	}
	return attrs
}

// goroutines returns the stacks of all goroutines, each stack once: a process that is about to end cannot be asked later.
func goroutines() string {
	var stacks bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1) // a buffer takes everything
	return stacks.String()
}
