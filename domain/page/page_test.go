package page_test

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/page"
)

func TestSize(t *testing.T) {
	for requested, want := range map[int]int{0: 100, 1: 1, 99: 99, 1000: 1000, 1001: 1000, math.MaxInt: 1000} {
		if got, err := page.Size(requested); err != nil || got != want {
			t.Errorf("Size(%d) = %d, %v, want %d", requested, got, err, want)
		}
	}
	for _, requested := range []int{-1, math.MinInt} {
		if _, err := page.Size(requested); !errs.Is(err, errs.ReasonInvalidPageSize) {
			t.Errorf("Size(%d) fails with %v, want INVALID_PAGE_SIZE", requested, err)
		}
	}
}

func tokens() []page.Token {
	return []page.Token{
		{},
		{Skip: 100},
		{After: "refs/tags/v1.0.0"},
		{Commit: git.SHA1.EmptyTree(), After: "products/a.md"},
		{Commit: git.SHA256.EmptyTree(), After: strings.Repeat("x", 4096), Skip: math.MaxInt},
		{Commit: git.SHA1.EmptyTree(), After: "\xff\x00\n"},
	}
}

func TestATokenIsReadBack(t *testing.T) {
	for _, want := range tokens() {
		s := page.Encode("ListFiles shop", want)
		if got, err := page.Decode("ListFiles shop", s); err != nil || got != want {
			t.Errorf("Decode(%q) = %v, %v, want %v", s, got, err, want)
		}
		if strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("token %q has to be escaped in a URL", s)
		}
	}
}

func TestATokenIsGoodForItsQuestionAlone(t *testing.T) {
	for _, token := range tokens() {
		s := page.Encode("ListFiles shop", token)
		for _, scope := range []string{"", "ListFiles sho", "ListFiles shop ", "ListTags shop"} {
			if _, err := page.Decode(scope, s); !errs.Is(err, errs.ReasonInvalidPageToken) {
				t.Errorf("Decode for %q fails with %v, want INVALID_PAGE_TOKEN", scope, err)
			}
		}
	}
}

func TestAnAlteredTokenIsRefused(t *testing.T) {
	s := page.Encode("scope", page.Token{Commit: git.SHA1.EmptyTree(), After: "a", Skip: 7})
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	altered := map[string]string{
		"empty": "", "padding": s + "=", "newline": s[:8] + "\n" + s[8:], "another alphabet": "+" + s[1:], "twice": s + s,
		"too long": strings.Repeat("A", 1<<20), "text": "page 2", "not UTF-8": "\xff" + s,
	}
	for i := range raw {
		b := append([]byte(nil), raw...)
		b[i] ^= 1
		altered["bit flipped in byte "+string(rune('0'+i))] = base64.RawURLEncoding.EncodeToString(b)
		altered["cut before byte "+string(rune('0'+i))] = base64.RawURLEncoding.EncodeToString(raw[:i])
	}
	for name, s := range altered {
		if _, err := page.Decode("scope", s); !errs.Is(err, errs.ReasonInvalidPageToken) {
			t.Errorf("%s: Decode fails with %v, want INVALID_PAGE_TOKEN", name, err)
		}
	}
}

func FuzzPageToken(f *testing.F) {
	for _, token := range tokens() {
		f.Add("scope", page.Encode("scope", token), token.After, uint32(token.Skip&math.MaxInt32), token.Commit.Bytes())
	}
	f.Fuzz(func(t *testing.T, scope, s, after string, skip uint32, commit []byte) {
		if token, err := page.Decode(scope, s); err == nil && page.Encode(scope, token) != s {
			t.Errorf("Decode(%q) = %v, which is not what it encodes", s, token)
		}
		id, _ := git.ObjectIDFromBytes(commit)
		want := page.Token{Commit: id, After: after[:min(len(after), 4096)], Skip: int(skip)}
		s = page.Encode(scope, want)
		if got, err := page.Decode(scope, s); err != nil || got != want {
			t.Errorf("Decode(Encode(%v)) = %v, %v", want, got, err)
		}
		if _, err := page.Decode(scope+"x", s); !errs.Is(err, errs.ReasonInvalidPageToken) {
			t.Errorf("Decode of another scope's token fails with %v", err)
		}
	})
}
