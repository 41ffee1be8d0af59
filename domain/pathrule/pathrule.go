// Package pathrule holds the rules for paths that GitStore writes. Git takes almost any bytes for a name; a name that
// some file system would read as another one is a danger to everybody who checks the repository out. The package does
// no I/O.
package pathrule

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// Limits of a path. They fit the file systems that a repository may be checked out to.
const (
	// MaxPath is the most bytes of a path.
	MaxPath = 1024
	// MaxComponent is the most bytes of a component.
	MaxComponent = 255
	// MaxDepth is the most components of a path.
	MaxDepth = 32
)

// Check reports whether GitStore writes a file at p. It fails with
//   - DOTGIT_COMPONENT if NTFS, HFS+ or a file system without regard to case takes a component for ".git";
//   - RESERVED_PATH if it takes one for ".gitmodules": GitStore stores no submodules;
//   - INVALID_PATH if p is the root, is not UTF-8 in Unicode's normal form C, is above a limit, or has a component that
//     holds a control character or a backslash, ends with a dot or a space, or is a device of Windows.
//
// The errors name the path as it is. What Git itself refuses at checkout is in its verify_path (read-cache.c) and
// path.c; the rules here are stricter.
func Check(p git.TreePath) error {
	if rule := brokenPathRule(p.String()); rule != "" {
		return broken(errs.ReasonInvalidPath, p, rule)
	}
	for component := range strings.SplitSeq(p.String(), "/") {
		if reason, rule := checkComponent(component); rule != "" {
			return broken(reason, p, rule)
		}
	}
	return nil
}

func broken(reason errs.Reason, p git.TreePath, rule string) error {
	return errs.InvalidField(reason, "path", "path %.80q is refused: %s", p, rule).WithMeta(errs.MetaPath, p.String())
}

func brokenPathRule(path string) string {
	switch {
	case path == "":
		return "it is empty"
	case len(path) > MaxPath:
		return "it is longer than 1024 bytes"
	case strings.Count(path, "/") >= MaxDepth:
		return "it has more than 32 components"
	case !utf8.ValidString(path):
		return "it is not UTF-8"
	case strings.ContainsFunc(path, unicode.IsControl):
		return "it contains a control character"
	case !norm.NFC.IsNormalString(path):
		return "it is not in Unicode normal form C; normalize it first"
	}
	return ""
}

func checkComponent(component string) (errs.Reason, string) {
	name := canonical(component)
	switch {
	case isDotGit(name):
		return errs.ReasonDotGitComponent, `a component stands for ".git" on some file system`
	case isDotGitmodules(name):
		return errs.ReasonReservedPath, `a component stands for ".gitmodules" on some file system, and submodules are not stored`
	case strings.Contains(component, `\`):
		return errs.ReasonInvalidPath, `it contains a backslash; components are divided by "/"`
	case len(component) > MaxComponent:
		return errs.ReasonInvalidPath, "a component is longer than 255 bytes"
	case strings.HasSuffix(component, ".") || strings.HasSuffix(component, " "):
		return errs.ReasonInvalidPath, "a component ends with a dot or a space, which Windows drops"
	case isDevice(name):
		return errs.ReasonInvalidPath, "a component is the name of a device on Windows"
	}
	return "", ""
}

// canonical returns the name that a file system may take component for: HFS+ skips some code points and ignores case,
// NTFS ends a name at a backslash (a new component) or a colon (a stream) and drops dots and spaces at its end.
func canonical(component string) string {
	if i := strings.IndexAny(component, `\:`); i >= 0 {
		component = component[:i]
	}
	component = strings.Map(func(r rune) rune {
		if ignoredByHFS(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, component)
	return strings.TrimRight(component, ". ")
}

// ignoredByHFS lists what git's next_hfs_char (utf8.c) skips.
func ignoredByHFS(r rune) bool {
	return r >= 0x200c && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x206a && r <= 0x206f || r == 0xfeff
}

// NTFS keeps short names: the first six letters, "~" and a number; after a few collisions four hexadecimal digits of a
// hash stand for the letters behind the second. See git's is_ntfs_dot_generic (path.c).
func isDotGit(name string) bool { return name == ".git" || isShortName(name, "git") }

func isDotGitmodules(name string) bool {
	return name == ".gitmodules" || isShortName(name, "gitmod") || isShortName(name, "gi7eba") ||
		isTruncatedHashName(name)
}

func isShortName(name, prefix string) bool {
	number, ok := strings.CutPrefix(name, prefix+"~")
	return ok && isNumber(number)
}

// isTruncatedHashName reports a hashed short name that gave up letters for a longer number, as "gi7eb~10" does.
func isTruncatedHashName(name string) bool {
	head, number, ok := strings.Cut(name, "~")
	return ok && len(name) == 8 && strings.HasPrefix("gi7eba", head) && isNumber(number)
}

func isNumber(s string) bool {
	return s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// devices are the names that Windows keeps for devices, with any extension ("Naming Files, Paths, and Namespaces").
var devices = map[string]bool{"con": true, "prn": true, "aux": true, "nul": true, "conin$": true, "conout$": true}

func isDevice(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.TrimRight(base, " ")
	if devices[base] {
		return true
	}
	number, ok := strings.CutPrefix(base, "com")
	if !ok {
		number, ok = strings.CutPrefix(base, "lpt")
	}
	return ok && utf8.RuneCountInString(number) == 1 && strings.Contains("0123456789¹²³", number)
}
