package main

import (
	"bytes"
	"io"
	"text/template"
)

// guide is what the text below is filled with.
type guide struct {
	// API and Events are URLs without a path.
	API, Events string
	// Data is the directory of the repositories and the logs.
	Data string
	// N makes the names of what is created new ones.
	N int
}

var guideText = template.Must(template.New("guide").Parse(`
GitStore is running. Ctrl-C stops it.

  web page        {{.API}}/
  documentation   {{.API}}/docs
  metrics         {{.API}}/metrics
                  {{.Events}}/metrics
  data and logs   {{.Data}}

The sample catalog is the repository "shop". In one terminal, watch it change:

curl -N '{{.API}}/v1/events?repository=shop'

In another terminal:

# list a directory, or all files below it with &recursive=true
curl '{{.API}}/v1/repositories/shop/tree?prefix=products/grinders'

# read a file
curl '{{.API}}/v1/repositories/shop/files/products/grinders/hand-grinder-1e3.md'

# write a file, which makes a commit
curl -X PUT --data-binary 'Open until eight.' '{{.API}}/v1/repositories/shop/files/notes/hours.md?message=Say%20when%20we%20are%20open'

# write many files in one commit, or none
curl -d '{"branch":"main","message":"Note prices and news","actions":[
  {"action":"upsert","path":"notes/prices.md","content":"As on the card.\n"},
  {"action":"upsert","path":"notes/news.md","content":"Season {{.N}} begins.\n"},
  {"action":"move","from":"notes/hours.md","path":"notes/opening-hours-{{.N}}.md"}]}' '{{.API}}/v1/repositories/shop/commits'

# tag a release, and ask for the highest version
curl -d '{"name":"v1.{{.N}}.0","message":"Release 1.{{.N}}"}' '{{.API}}/v1/repositories/shop/tags'
curl '{{.API}}/v1/repositories/shop/tags/latest'

# make a branch, and commit to it
curl -d '{"name":"season-{{.N}}","target":"v1.{{.N}}.0"}' '{{.API}}/v1/repositories/shop/branches'
curl -X PUT --data-binary 'Ten percent off.' '{{.API}}/v1/repositories/shop/files/notes/sale-{{.N}}.md?branch=season-{{.N}}'

# show the history of a directory
curl '{{.API}}/v1/repositories/shop/commits?ref=season-{{.N}}&path=notes&page_size=5'

# compare, as JSON or as a diff that git apply takes
curl '{{.API}}/v1/repositories/shop/compare/main...season-{{.N}}'
curl '{{.API}}/v1/repositories/shop/compare/main...season-{{.N}}?format=diff'

`))

func printGuide(w io.Writer, g guide) error {
	var text bytes.Buffer
	if err := guideText.Execute(&text, g); err != nil {
		return err
	}
	_, err := text.WriteTo(w)
	return err
}
