package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

// shop is the repository of the sample catalog; its value is its URL.
type shop struct{ url string }

// importIfMissing makes the repository if there is none, and commits all files of the directory if it is empty.
func (s shop) importIfMissing(ctx context.Context, dir string) error {
	var info struct {
		Empty bool `json:"empty"`
	}
	status, err := s.ask(ctx, &info)
	if status == http.StatusNotFound {
		parent, id := s.url[:strings.LastIndexByte(s.url, '/')], s.url[strings.LastIndexByte(s.url, '/')+1:]
		_, err = call(ctx, http.MethodPost, parent, strings.NewReader(`{"id":"`+id+`"}`), &info)
	}
	if err != nil || !info.Empty {
		return err
	}
	body, w := io.Pipe()
	go func() { w.CloseWithError(writeCommit(w, os.DirFS(dir))) }()
	_, err = call(ctx, http.MethodPost, s.url+"/commits", body, nil)
	return err
}

// ask asks for the repository, again each second for a minute where the git-service is not there yet: an API that has
// catalogs is ready without it.
func (s shop) ask(ctx context.Context, answer any) (status int, err error) {
	for range 60 {
		status, err = call(ctx, http.MethodGet, s.url, nil, answer)
		if status != http.StatusServiceUnavailable {
			break
		}
		select {
		case <-ctx.Done():
			return status, ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return status, err
}

// writeCommit writes the request for a commit of all files, one after the other.
func writeCommit(w io.Writer, files fs.FS) error {
	if _, err := io.WriteString(w, `{"branch":"main","message":"Import the sample catalog","actions":[`); err != nil {
		return err
	}
	separator := ""
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		action := map[string]any{"action": "create", "path": path}
		if utf8.Valid(content) {
			action["content"] = string(content)
		} else {
			action["content_base64"] = content
		}
		b, err := json.Marshal(action)
		if err == nil {
			_, err = fmt.Fprintf(w, "%s%s", separator, b)
		}
		separator = ","
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "]}")
	return err
}

// unusedNumber returns the least number whose branch and tag of the guide are not there yet, so that what it prints works
// each time that it is printed.
func (s shop) unusedNumber(ctx context.Context) (int, error) {
	for n := 1; ; n++ {
		used := false
		for _, name := range []string{fmt.Sprintf("season-%d", n), fmt.Sprintf("v1.%d.0", n)} {
			status, err := call(ctx, http.MethodGet, s.url+"/commits/"+name, nil, nil)
			if err != nil && status != http.StatusNotFound {
				return 0, err
			}
			used = used || status == http.StatusOK
		}
		if !used {
			return n, nil
		}
	}
}

var client = &http.Client{Timeout: time.Minute}

// call sends a request and decodes a successful answer. A status that is not one of success is an error, too.
func call(ctx context.Context, method, url string, body io.Reader, answer any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return resp.StatusCode, fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, said)
	}
	if answer == nil {
		return resp.StatusCode, nil
	}
	return resp.StatusCode, json.NewDecoder(resp.Body).Decode(answer)
}
