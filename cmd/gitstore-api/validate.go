package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/cmd/internal/service"
	"github.com/gitstore-dev/gitstore/domain/catalog"
)

const (
	validateWord  = "validate"
	validateUsage = `Usage: gitstore-api validate [DIR]

Checks the catalog in the files below DIR, the current directory if it is not
given, as the service does with those of a commit. Each problem is a line:

  path:line:column: field: message (REASON)

The exit code is 0 if there is none, 1 if there are some, 2 if DIR cannot be
read. docs/catalogs.md has a hook for git that checks what is to be committed.
`
)

// validate checks the catalog in the directory that the arguments name and returns an exit code.
func validate(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	dir := "."
	switch {
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		_, _ = io.WriteString(stdout, validateUsage)
		return service.ExitOK
	case len(args) > 1, len(args) == 1 && strings.HasPrefix(args[0], "-"):
		_, _ = io.WriteString(stderr, validateUsage)
		return service.ExitUsage
	case len(args) == 1 && args[0] != "":
		dir = args[0]
	}
	snapshot, err := readDirectory(ctx, dir)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "gitstore-api validate: %v\n", err)
		return service.ExitUsage
	}
	problems := 0
	for p := range snapshot.Problems() {
		problems++
		_, _ = fmt.Fprintln(stdout, catalogs.Line(p))
	}
	documents := 0
	for _, n := range snapshot.Counts() {
		documents += n
	}
	_, _ = fmt.Fprintf(stderr, "%s, %s\n", counted(documents, "document"), counted(problems, "problem"))
	if documents+problems == 0 {
		_, _ = fmt.Fprintln(stderr, "hint: there is no catalog below this directory: name the one that holds products/, categories/ and the like")
	}
	if problems > 0 {
		return service.ExitFailure
	}
	return service.ExitOK
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

func readDirectory(ctx context.Context, dir string) (*catalog.Snapshot, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return catalogs.ReadDirectory(ctx, root.FS())
}
