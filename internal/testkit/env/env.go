// Package env reads the variables that change what a test does, such as ROUNDS, SEED and DURATION.
package env

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Number returns the value of a variable, or otherwise if it is empty. One that is no number fails the test.
func Number(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// Duration returns the value of a variable, such as 30m, or otherwise if it is empty. One that is no duration fails the
// test.
func Duration(t testing.TB, name string, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}
