// Package markdown turns the Markdown of documents into HTML that a page may show as it is.
package markdown

import (
	"html"
	"regexp"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// Limits of what is read as Markdown. The time that reading takes grows with the square of what is opened in one block and
// of how deep blocks lie in each other.
const (
	// MaxSource is the most Markdown, in bytes.
	MaxSource = 256 << 10
	// maxMarks is how many characters one block may have that may open or close something within a line.
	maxMarks = 4000
	// maxPrefix is how many bytes of white space and marks of lists and quotes a line may begin with.
	maxPrefix = 200
)

var (
	reader = goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList))
	policy = newPolicy()
)

func newPolicy() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.AllowURLSchemes("http", "https", "mailto")
	// The boxes of task lists. The reader writes no other inputs, and these such that nobody can tick them.
	p.AllowAttrs("type").Matching(regexp.MustCompile(`^checkbox$`)).OnElements("input")
	p.AllowAttrs("checked", "disabled").Matching(regexp.MustCompile(`^$`)).OnElements("input")
	return p
}

// HTML returns Markdown (CommonMark with tables, strikethrough and task lists) as HTML without anything that could run,
// load or frame something, or change the page around it: raw HTML is left out, links are relative or of http, https and
// mailto. Markdown of more than [MaxSource] bytes, and such as takes too much work to read, comes as preformatted text. It
// may be called concurrently.
func HTML(source string) string {
	if len(source) > MaxSource || laborious(source) {
		return preformatted(source)
	}
	var out strings.Builder
	if err := reader.Convert([]byte(source), &out); err != nil {
		return preformatted(source) // a strings.Builder does not fail: this does not happen
	}
	return policy.Sanitize(out.String())
}

func preformatted(source string) string { return "<pre>" + html.EscapeString(source) + "</pre>\n" }

// laborious reports whether Markdown is above the limits of a block or line.
func laborious(source string) bool {
	marks := 0
	for line := range strings.Lines(source) {
		text := strings.TrimLeft(line, " \t\r\n>-*+.)0123456789")
		if text == "" && strings.TrimSpace(line) == "" {
			marks = 0
			continue
		}
		if len(line)-len(text) > maxPrefix {
			return true
		}
		for i := range len(line) {
			if strings.IndexByte("*_~[]()<`|!", line[i]) >= 0 {
				marks++
			}
		}
		if marks > maxMarks {
			return true
		}
	}
	return false
}
