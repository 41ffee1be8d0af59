// Package configtest holds the documentation of a program to its settings and metrics.
package configtest

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/internal/config"
)

var update = flag.Bool("update", false, "write the tables of settings into the documentation")

// CheckDocument fails the test unless the first table below the Markdown heading "## heading" says what the settings of
// target say. With -update it writes that table.
func CheckDocument(t *testing.T, path, heading string, target any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	text, rest, isTable := strings.Cut(after, "\n|")
	if !ok || !isTable || strings.Contains(text, "\n## ") {
		t.Fatalf("%s has no table below %q", path, heading)
	}
	got, rest, _ := strings.Cut("|"+rest, "\n\n")
	want := table(t, target)
	if strings.TrimSuffix(got, "\n") == want {
		return
	}
	if !*update {
		t.Fatalf("%s, %q: the table differs from the settings, run the test with -update: it should be\n\n%s", path, heading, want)
	}
	whole := strings.TrimSuffix(before+"\n## "+heading+"\n"+text+"\n"+want+"\n\n"+rest, "\n") + "\n"
	if err := os.WriteFile(path, []byte(whole), 0o600); err != nil { //nolint:gosec // the test names the file
		t.Fatal(err)
	}
}

func table(t *testing.T, target any) string {
	t.Helper()
	settings, err := config.Settings(target)
	if err != nil {
		t.Fatal(err)
	}
	rows := []string{"| flag | variable | default | allowed | meaning |", "|---|---|---|---|---|"}
	for _, s := range settings {
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s | %s |", s.Flag, code(s.Env), code(s.Default), cmp.Or(s.Allowed, "–"), s.Help))
	}
	return strings.Join(rows, "\n")
}

func code(s string) string {
	if s == "" {
		return "–"
	}
	return "`" + s + "`"
}

var metricType = regexp.MustCompile(`(?m)^# TYPE (gitstore_\w+)`)

// CheckMetrics fails the test unless a table of the document has a row for each metric of GitStore's own in metrics, which
// is what a service exposes.
func CheckMetrics(t *testing.T, path, metrics string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range metricType.FindAllStringSubmatch(metrics, -1) {
		if !strings.Contains(string(b), "\n| `"+m[1]) {
			t.Errorf("%s does not explain %s", path, m[1])
		}
	}
}
