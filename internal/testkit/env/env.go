// Package env reads the variables that change what a test does, such as ROUNDS and SEED.
package env

import (
	"os"
	"strconv"
	"testing"
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
