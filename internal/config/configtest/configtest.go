// Package configtest holds a program's documentation to its settings.
package configtest

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/internal/config"
)

// CheckDocument fails the test unless the table below the Markdown heading says what the settings of target say. The
// failure shows the table as it should be.
func CheckDocument(t *testing.T, path, heading string, target any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", path, heading)
	}
	want := table(t, target)
	if got := firstTable(section); !slices.Equal(got, want) {
		t.Errorf("%s, %q: the table should be\n\n%s\n", path, heading, strings.Join(want, "\n"))
	}
}

func table(t *testing.T, target any) []string {
	t.Helper()
	settings, err := config.Settings(target)
	if err != nil {
		t.Fatal(err)
	}
	rows := []string{"| flag | variable | default | allowed | meaning |", "|---|---|---|---|---|"}
	for _, s := range settings {
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s | %s |", s.Flag, code(s.Env), code(s.Default), cmp.Or(s.Allowed, "–"), s.Help))
	}
	return rows
}

func code(s string) string {
	if s == "" {
		return "–"
	}
	return "`" + s + "`"
}

// firstTable returns the rows of the first table in a section, up to the next heading of the same rank or above.
func firstTable(section string) (rows []string) {
	for line := range strings.SplitSeq(section, "\n") {
		switch {
		case strings.HasPrefix(line, "|"):
			rows = append(rows, line)
		case len(rows) > 0 || strings.HasPrefix(line, "## "):
			return rows
		}
	}
	return rows
}
