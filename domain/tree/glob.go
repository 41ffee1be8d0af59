package tree

import (
	"math/bits"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

const (
	// maxPatterns bounds the patterns of one listing, each of which is tried on every entry.
	maxPatterns = 100
	// maxPatternComponents is what fits the set of a glob's positions, the end included.
	maxPatternComponents = 63
)

// globs are patterns on their way down a path. Nil matches everything.
type globs []glob

// glob is a pattern, and which of its components the next component of a path may meet: a set of bits, of which the one
// behind the last component says that the path up to here matches.
type glob struct {
	components []string
	at         uint64
}

func parseGlobs(patterns []string) (globs, error) {
	if len(patterns) > maxPatterns {
		return nil, errs.InvalidField(errs.ReasonInvalidPattern, "patterns", "there are %d patterns: use %d at most", len(patterns), maxPatterns)
	}
	var gs globs
	for _, p := range patterns {
		components := strings.Split(p, "/")
		components = slices.CompactFunc(components, func(a, b string) bool { return a == "**" && b == "**" })
		if rule := brokenGlobRule(components); rule != "" {
			return nil, errs.InvalidField(errs.ReasonInvalidPattern, "patterns", "pattern %.80q is invalid: %s", p, rule)
		}
		g := glob{components: components}
		gs = append(gs, g.with(0))
	}
	return gs, nil
}

func brokenGlobRule(components []string) string {
	if len(components) > maxPatternComponents {
		return "it has more than " + strconv.Itoa(maxPatternComponents) + " components"
	}
	for _, c := range components {
		if c == "" {
			return `it is empty, begins or ends with "/" or contains "//"`
		}
		if _, err := path.Match(c, ""); err != nil {
			return `a "[" is not closed or a "\" is at the end of a component`
		}
	}
	return ""
}

// with adds a position, and those that "**" reaches from there by standing for nothing.
func (g glob) with(i int) glob {
	g.at |= 1 << i
	if i < len(g.components) && g.components[i] == "**" {
		return g.with(i + 1)
	}
	return g
}

// enter returns where the globs are behind the component name.
func (gs globs) enter(name string) globs {
	if gs == nil {
		return nil
	}
	next := make(globs, 0, len(gs))
	for _, g := range gs {
		if g = g.enter(name); g.at != 0 {
			next = append(next, g)
		}
	}
	return next
}

func (g glob) enter(name string) glob {
	next := glob{components: g.components}
	for at := g.at &^ (1 << len(g.components)); at != 0; at &= at - 1 {
		i := bits.TrailingZeros64(at)
		if c := g.components[i]; c == "**" {
			next = next.with(i)
		} else if ok, _ := path.Match(c, name); ok {
			next = next.with(i + 1)
		}
	}
	return next
}

// matched reports whether the path up to here matches.
func (gs globs) matched() bool {
	return gs == nil || slices.ContainsFunc(gs, func(g glob) bool { return g.at&(1<<len(g.components)) != 0 })
}

// possible reports whether a longer path may match.
func (gs globs) possible() bool {
	return gs == nil || slices.ContainsFunc(gs, func(g glob) bool { return g.at&^(1<<len(g.components)) != 0 })
}
