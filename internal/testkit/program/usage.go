package program

import (
	"strings"
	"testing"
)

// Usage is a way to call a program that does not run it.
type Usage struct {
	Name string
	Args []string
	// Env is the whole environment.
	Env []string
	// Code is the exit code. At 0 the program prints to its standard output, else to its standard error, and nothing to
	// the other one.
	Code int
	// Says are parts of what it prints.
	Says []string
}

// CheckUsage calls the test's own binary in each of the ways.
func CheckUsage(t *testing.T, ways ...Usage) {
	t.Helper()
	for _, u := range ways {
		t.Run(u.Name, func(t *testing.T) {
			p := StartSelf(t, t.TempDir(), u.Env, u.Args...)
			code := p.Wait()
			said, silent := p.Stdout.String(), p.Log()
			if u.Code != 0 {
				said, silent = silent, said
			}
			if code != u.Code || silent != "" {
				t.Errorf("exit code %d, want %d; it also says %q", code, u.Code, silent)
			}
			for _, want := range u.Says {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q:\n%s", want, said)
				}
			}
		})
	}
}
