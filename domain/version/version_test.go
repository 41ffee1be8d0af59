package version_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/version"
)

func TestParseTakesSemanticVersionsAlone(t *testing.T) {
	for tag, want := range map[string]string{
		"1.2.3": "1.2.3", "v1.2.3": "1.2.3", "v0.0.0": "0.0.0", "1.0.0-rc.1": "1.0.0-rc.1", "v1.0.0-rc.1+build.7": "1.0.0-rc.1+build.7",
		"1.0.0+20240101": "1.0.0+20240101", "1.0.0--": "1.0.0--", "18446744073709551615.0.0": "18446744073709551615.0.0",
		"": "", "v": "", "1": "", "1.2": "", "v1.2": "", "vv1.2.3": "", "V1.2.3": "", "1.2.3.4": "", "01.2.3": "", "1.2.03": "", "1.2.3-": "", "1.2.3-01": "",
		"1.2.3-a..b": "", "1.2.3+": "", "1.2.3-ä": "", " 1.2.3": "", "1.2.3 ": "", "-1.2.3": "", "1.2.x": "", "release/1.2.3": "", "latest": "",
		"18446744073709551616.0.0": "", "1.2.3-" + strings.Repeat("a", 300): "",
	} {
		v, ok := version.Parse(tag)
		if ok != (want != "") || v.String() != want || v.IsZero() == ok {
			t.Errorf("Parse(%q) = %q, %t, want %q", tag, v, ok, want)
		}
	}
}

func TestAPrereleaseHasAnIdentifierBehindItsNumbers(t *testing.T) {
	for tag, want := range map[string]bool{"1.2.3": false, "1.2.3-rc.1": true, "1.2.3+b-1": false, "none": false} {
		v, _ := version.Parse(tag)
		if v.IsPrerelease() != want {
			t.Errorf("IsPrerelease of %q = %t, want %t", tag, !want, want)
		}
	}
}

func TestSortTagsOrdersByPrecedenceThenName(t *testing.T) {
	// The pre-releases are the example of https://semver.org/#spec-item-11.
	want := []string{
		"v2.0.0", "v1.10.0", "1.9.0", "v1.9.0", "1.0.0", "1.0.0+a", "1.0.0+b", "v1.0.0", "v1.0.0-rc.1", "v1.0.0-beta.11", "v1.0.0-beta.2", "v1.0.0-beta",
		"v1.0.0-alpha.beta", "v1.0.0-alpha.1", "v1.0.0-alpha", "0.0.1", "1.2", "V3.0.0", "latest", "release-9", "v9",
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		got := slices.Clone(want)
		rnd.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		version.SortTags(got, func(s string) string { return s })
		if !slices.Equal(got, want) {
			t.Fatalf("SortTags gives\n%q, want\n%q", got, want)
		}
	}
}

func TestRanges(t *testing.T) {
	all := strings.Fields("0.9.0 1.0.0-rc.1 1.0.0 1.2.0 1.2.5 1.4.2 1.10.0 2.0.0-rc.1 2.0.0 2.1.0-beta 3.0.0")
	tests := []struct {
		text        string
		prereleases bool
		want        string
	}{
		{"", false, "0.9.0 1.0.0 1.2.0 1.2.5 1.4.2 1.10.0 2.0.0 3.0.0"},
		{"", true, strings.Join(all, " ")},
		{">=1.2 <2", false, "1.2.0 1.2.5 1.4.2 1.10.0"},
		{">=1.2, <2", false, "1.2.0 1.2.5 1.4.2 1.10.0"},
		{">=1.2 <2", true, "1.2.0 1.2.5 1.4.2 1.10.0 2.0.0-rc.1"},
		{"^1.4", false, "1.4.2 1.10.0"},
		{"~1.2.1", false, "1.2.5"},
		{"1.x", false, "1.0.0 1.2.0 1.2.5 1.4.2 1.10.0"},
		{"=1.2.0", false, "1.2.0"},
		{"1.2.0", false, "1.2.0"},
		{"!=1.2.0 <1.3", false, "0.9.0 1.0.0 1.2.5"},
		{"<1 || >=3", false, "0.9.0 3.0.0"},
		{"1.2.0 - 1.4.2", false, "1.2.0 1.2.5 1.4.2"},
		{">=1.0.0-rc.1 <1.2", false, "1.0.0"},
		{">=1.0.0-rc.1 <1.2", true, "1.0.0-rc.1 1.0.0"},
		{">=v1.2 <v2", false, "1.2.0 1.2.5 1.4.2 1.10.0"},
		{">9", true, ""},
	}
	for _, tt := range tests {
		r, err := version.ParseRange(tt.text)
		if err != nil {
			t.Errorf("ParseRange(%q) fails with %v", tt.text, err)
			continue
		}
		var got []string
		for _, s := range all {
			if v, _ := version.Parse(s); r.Matches(v, tt.prereleases) {
				got = append(got, s)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%q (pre-releases %t) matches %q, want %q", tt.text, tt.prereleases, got, tt.want)
		}
		if r.Matches(version.Version{}, true) {
			t.Errorf("%q matches no version", tt.text)
		}
	}
}

func TestParseRangeRefuses(t *testing.T) {
	for _, s := range []string{
		" ", "latest", ">=", "1.2.3 foo", "=>>1", "^^1", "1..2", "1 ||", "|| 1", ">= 1.2 and < 2", "1.2.3;rm", "\x00", "99999999999999999999",
		strings.Repeat(">=1 ", 1000), strings.Repeat("1||", 40) + "1",
	} {
		_, err := version.ParseRange(s)
		if !errs.Is(err, errs.ReasonInvalidVersionRange) || errs.From(err).Meta[errs.MetaField] != "range" {
			t.Errorf("ParseRange(%.40q) fails with %v, want INVALID_VERSION_RANGE", s, err)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"", ">=1.2 <2", "^1 || ~2.x", "1.0 - 2.0", "*", "v1.2.3-rc.1+x"} {
		f.Add(s, "1.2.3")
	}
	f.Fuzz(func(t *testing.T, s, tag string) {
		r, err := version.ParseRange(s)
		if err != nil && !errs.Is(err, errs.ReasonInvalidVersionRange) {
			t.Errorf("ParseRange(%q) fails with %v", s, err)
		}
		v, ok := version.Parse(tag)
		if err == nil && !ok && r.Matches(v, true) {
			t.Errorf("%q matches %q, which is no version", s, tag)
		}
		if ok && strings.TrimPrefix(tag, "v") != v.String() {
			t.Errorf("Parse(%q) = %q", tag, v)
		}
	})
}
