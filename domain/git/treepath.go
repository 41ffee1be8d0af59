package git

import (
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// MaxTreePath is the most bytes of a path. Git itself sets no limit; the operating systems that check it out do.
const MaxTreePath = 4096

// TreePath is the path of a file or directory in a tree: relative, of components divided by "/", none of them empty,
// "." or "..". Names are bytes: a path that was pushed need not be UTF-8. Paths that GitStore writes are narrower: see
// package pathrule. The zero value is the root of the tree.
type TreePath struct{ path string }

// ParseTreePath reads a path as it stands; it never cleans one. It fails with INVALID_PATH.
func ParseTreePath(s string) (TreePath, error) {
	if rule := brokenPathRule(s); rule != "" {
		return TreePath{}, errs.New(errs.ReasonInvalidPath, "path "+quote(s)+" is invalid: "+rule,
			errs.MetaField, "path", errs.MetaPath, clip(s))
	}
	return TreePath{s}, nil
}

func brokenPathRule(s string) string {
	switch {
	case s == "":
		return "it is empty"
	case len(s) > MaxTreePath:
		return "it is longer than 4096 bytes"
	case s[0] == '/':
		return `it begins with "/"; paths are relative to the root of the repository`
	case strings.HasSuffix(s, "/"):
		return `it ends with "/"`
	case strings.IndexByte(s, 0) >= 0:
		return "it contains NUL"
	}
	for component := range strings.SplitSeq(s, "/") {
		switch component {
		case "":
			return "it has an empty component"
		case ".", "..":
			return "a component is " + quote(component)
		}
	}
	return ""
}

func clip(s string) string { return s[:min(len(s), MaxTreePath)] }

// IsRoot reports whether p is the root of the tree.
func (p TreePath) IsRoot() bool { return p.path == "" }

// String returns the path, without quoting; "" is the root.
func (p TreePath) String() string { return p.path }

// Components returns the path's components; none for the root.
func (p TreePath) Components() []string {
	if p.IsRoot() {
		return nil
	}
	return strings.Split(p.path, "/")
}

// Dir returns the directory that holds p, the root for a path of one component and for the root.
func (p TreePath) Dir() TreePath {
	i := strings.LastIndexByte(p.path, '/')
	return TreePath{p.path[:max(i, 0)]}
}

// Ancestor returns the path of p's first n components, and p itself if it has no more.
func (p TreePath) Ancestor(n int) TreePath {
	end := 0
	for range n {
		if end > 0 {
			end++
		}
		next := strings.IndexByte(p.path[end:], '/')
		if next < 0 {
			return p
		}
		end += next
	}
	return TreePath{p.path[:end]}
}

// Base returns the last component; "" for the root.
func (p TreePath) Base() string { return p.path[strings.LastIndexByte(p.path, '/')+1:] }

// Join returns the path of the tree entry name in the directory p. The name comes from a tree object: it is not checked.
func (p TreePath) Join(name string) TreePath {
	if p.IsRoot() {
		return TreePath{name}
	}
	return TreePath{p.path + "/" + name}
}

// Contains reports whether q is p or lies below it; the root contains everything.
func (p TreePath) Contains(q TreePath) bool {
	return p.IsRoot() || p == q || strings.HasPrefix(q.path, p.path) && q.path[len(p.path)] == '/'
}

// MarshalText implements [encoding.TextMarshaler].
func (p TreePath) MarshalText() ([]byte, error) { return []byte(p.path), nil }
