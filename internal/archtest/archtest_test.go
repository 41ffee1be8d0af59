package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/gitstore-dev/gitstore"
	root   = "../.."
	api    = "./cmd/gitstore-api"
)

func TestEveryPackageImportsOnlyWhatItsRowAllows(t *testing.T) {
	for _, p := range goList(t, "./...") {
		for _, complaint := range p.check(table) {
			t.Error(complaint)
		}
	}
}

func TestGitstoreAPIHoldsNoGit(t *testing.T) {
	for _, p := range goList(t, "-deps", api) {
		for _, complaint := range p.checkGitless() {
			t.Errorf("%s depends on %s", api, complaint)
		}
	}
}

func TestNoPatternHasTwoRows(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range table {
		if seen[r.pattern] {
			t.Errorf("%s has two rows", r.pattern)
		}
		seen[r.pattern] = true
	}
}

func TestTheTableRefusesWhatTheRuleForbids(t *testing.T) {
	const ours = module + "/"
	tests := []struct{ importer, imported string }{
		{"domain/git", ours + "ports"},
		{"domain/git", "golang.org/x/text/unicode/norm"},
		{"domain/errs", "os"},
		{"domain/event", "net/http"},
		{"ports", "os"},
		{"ports", ours + "adapters/gitcli"},
		{"ports/gitrepotest", ours + "adapters/gitcli"},
		{"adapters/gitcli", "os/exec"},
		{"adapters/gitcli", ours + "adapters/grpc/wire"},
		{"adapters/gitcli", ours + "contracts/gen/gitstore/git/v1"},
		{"adapters/gitcli/catfile", "os/exec"},
		{"adapters/gitcli/command", ours + "adapters/gitcli"},
		{"adapters/grpc/wire", ours + "adapters/grpc/gitserver"},
		{"adapters/grpc/gitclient", ours + "adapters/grpc/gitserver"},
		{"adapters/grpc/gitserver", ours + "adapters/gitcli"},
		{"adapters/grpc/gitserver", "go.uber.org/fx"},
		{"adapters/httpapi", ours + "contracts/gen/gitstore/git/v1"},
		{"adapters/httpapi", ours + "adapters/grpc/gitclient"},
		{"adapters/httpapi", "google.golang.org/protobuf/proto"},
		{"cmd/gitstore-api", ours + "adapters/gitcli"},
		{"cmd/gitstore-api", ours + "adapters/grpc/gitserver"},
		{"cmd/gitstore-api", "os/exec"},
		{"cmd/gitstore-git-service", ours + "adapters/httpapi"},
		{"internal/config", "go.uber.org/fx"},
		{"domain", "strings"},
		{"nowhere", "strings"},
	}
	for _, tt := range tests {
		p := listed{ImportPath: ours + tt.importer, Imports: []string{tt.imported}}
		if len(p.check(table)) == 0 {
			t.Errorf("%s may import %s", tt.importer, tt.imported)
		}
	}
}

func TestAGitLibraryIsRecognised(t *testing.T) {
	for path, want := range map[string]bool{
		"github.com/go-git/go-git/v5/plumbing":    true,
		"github.com/libgit2/git2go/v34":           true,
		"github.com/gogs/git-module":              true,
		"code.gitea.io/gitea/modules/git":         true,
		"gopkg.in/src-d/go-git.v4":                true,
		"github.com/danielgtaylor/huma/v2":        false,
		"google.golang.org/grpc/internal/digits":  false,
		"github.com/opencontainers/go-digest":     false,
		"github.com/sabhiram/go-gitignore":        false,
		module + "/contracts/gen/gitstore/git/v1": false,
	} {
		p := listed{ImportPath: path, Module: &struct{ Main bool }{strings.HasPrefix(path, module)}}
		if got := len(p.checkGitless()) > 0; got != want {
			t.Errorf("checkGitless(%s) complains: %t, want %t", path, got, want)
		}
	}
}

// listed is what `go list -json` says about a package.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Module       *struct{ Main bool }
}

// goList runs in the module's root, and fails the test if a package cannot be loaded.
func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	readTree(t)
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json"}, args...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	var packages []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// readTree opens the module's folders, so that `go test` reuses no result from before one of their files changed: of
// what a child process reads it knows nothing.
func readTree(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (p listed) check(table []row) []string {
	r, ok := rowOf(table, p.ImportPath)
	if !ok {
		return []string{p.ImportPath + " has no row in internal/archtest: add one that says what it may import"}
	}
	var complaints []string
	for _, path := range p.Imports {
		if !r.allows(path) {
			complaints = append(complaints, fmt.Sprintf("%s must not import %s", p.ImportPath, path))
		}
	}
	for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
		if path != p.ImportPath && !r.allowsInTests(path) {
			complaints = append(complaints, fmt.Sprintf("tests of %s must not import %s", p.ImportPath, path))
		}
	}
	return complaints
}

// gitElement matches an element of an import path that names Git, such as go-git, git2go or libgit2.
var gitElement = regexp.MustCompile(`^(lib)?git[0-9]|(^|[-_.])git([-_.]|$)|gitoxide`)

func (p listed) checkGitless() []string {
	if p.Module == nil {
		return nil
	}
	if !p.Module.Main {
		_, path, _ := strings.Cut(p.ImportPath, "/") // without the host
		if slices.ContainsFunc(strings.Split(path, "/"), gitElement.MatchString) {
			return []string{p.ImportPath + ", a Git library"}
		}
		return nil
	}
	var complaints []string
	if covers("adapters/gitcli/...", relative(p.ImportPath)) {
		complaints = append(complaints, p.ImportPath)
	}
	if slices.Contains(p.Imports, "os/exec") {
		complaints = append(complaints, p.ImportPath+", which imports os/exec")
	}
	return complaints
}

// rowOf finds the row with the longest pattern; at equal length a package wins over a tree.
func rowOf(table []row, path string) (row, bool) {
	var best row
	rank := -1
	for _, r := range table {
		tree, isTree := strings.CutSuffix(r.pattern, "/...")
		n := 2 * len(tree)
		if !isTree {
			n++
		}
		if n > rank && covers(r.pattern, relative(path)) {
			best, rank = r, n
		}
	}
	return best, rank >= 0
}

func (r row) allows(path string) bool {
	if standard(path) && !anyCovers(restricted, path) {
		return !r.pure || !anyCovers(impure, path)
	}
	return anyCovers(r.allow, relative(path))
}

func (r row) allowsInTests(path string) bool {
	return standard(path) || anyCovers(slices.Concat(r.allow, r.tests, testLibraries), relative(path))
}

func relative(path string) string { return strings.TrimPrefix(path, module+"/") }

// standard reports whether a package is of the standard library: other paths begin with the name of a host.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func anyCovers(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return covers(pattern, path) })
}

func covers(pattern, path string) bool {
	tree, isTree := strings.CutSuffix(pattern, "/...")
	return path == tree || isTree && strings.HasPrefix(path, tree+"/")
}
