// Command lint checks the OpenAPI document on its standard input by the rules of a stock linter, and that every member of a schema is
// described and every example is valid. It prints what it finds, and exits with 1 if that is anything.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/speakeasy-api/openapi/linter"
	"github.com/speakeasy-api/openapi/openapi"
	openapilinter "github.com/speakeasy-api/openapi/openapi/linter"
)

// left are the rules that do not hold here, with the reason.
var left = map[string]string{
	"oas3-example-missing":    "what a type and a description say needs no example",
	"style-info-contact":      "whoever runs an API is its contact",
	"style-license-url":       "the license is told by its SPDX identifier, which excludes a URL",
	"style-oas3-api-servers":  "the server is where the document came from",
	"style-tags-alphabetical": "the tags are in the order in which people read about them",
}

// refusing are the operations that are there to refuse what git may ask for, and so have no answer of success.
var refusing = regexp.MustCompile("`(gitLFS|getGitLFS|getGitFile)`")

func main() {
	found, err := check(context.Background(), os.Stdin)
	for _, f := range found {
		_, _ = fmt.Fprintln(os.Stderr, f)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || len(found) > 0 {
		os.Exit(1)
	}
}

// check returns all that is wrong with a document.
func check(ctx context.Context, r io.Reader) ([]error, error) {
	document, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	parsed, invalid, err := openapi.Unmarshal(ctx, bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("this is no OpenAPI document: %w", err)
	}
	disabled := true
	// The security rules are about what a gateway in front of the API adds: who calls, and how often.
	config := &linter.Config{Extends: []string{"all"}, Categories: map[string]linter.CategoryConfig{"security": {Enabled: new(bool)}}}
	for rule := range left {
		config.Rules = append(config.Rules, linter.RuleEntry{ID: rule, Disabled: &disabled})
	}
	config.Rules = append(config.Rules, linter.RuleEntry{ID: "style-operation-success-response", Match: refusing, Disabled: &disabled})
	l, err := openapilinter.NewLinter(config)
	if err != nil {
		return nil, err
	}
	out, err := l.Lint(ctx, linter.NewDocumentInfo(parsed, "openapi.json"), invalid, nil)
	if err != nil {
		return nil, err
	}
	own, err := checkMembers(document)
	return append(out.Results, own...), err
}
