package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gitstore-dev/gitstore/internal/pktline"
)

// packClient talks to a server as git does, with the same requests, but only counts what comes: unpacking would take more
// of the cores than serving does.
type packClient struct {
	http http.Client
	// url is that of the repository.
	url string
}

func (c *packClient) get(ctx context.Context, url, protocol string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	return c.send(req, protocol, func(body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		return err
	})
}

func (c *packClient) post(ctx context.Context, service, protocol string, body io.Reader, answer func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/git-"+service, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-git-"+service+"-request")
	return c.send(req, protocol, answer)
}

func (c *packClient) send(req *http.Request, protocol string, answer func(io.Reader) error) error {
	if protocol != "" {
		req.Header.Set("Git-Protocol", protocol)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s %s: %s: %s", req.Method, req.URL, resp.Status, body)
	}
	return answer(resp.Body)
}

const version2 = "version=2"

// fetch asks for all that want leads to and have does not, "" for a clone, and returns the size of the pack in bytes.
func (c *packClient) fetch(ctx context.Context, want, have string) (size int64, err error) {
	if err := c.get(ctx, c.url+"/info/refs?service=git-upload-pack", version2); err != nil {
		return 0, err
	}
	const delimiter = "0001"
	list := pktLines("command=ls-refs\n", "object-format=sha1\n") + delimiter + pktLines("peel\n", "symrefs\n", "ref-prefix refs/heads/\n", "ref-prefix refs/tags/\n") + pktline.Flush
	err = c.post(ctx, "upload-pack", version2, strings.NewReader(list), func(body io.Reader) error {
		refs, err := io.ReadAll(body)
		if err == nil && !strings.Contains(string(refs), want) {
			return fmt.Errorf("the server lists no ref at %s", want)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	args := []string{"thin-pack\n", "no-progress\n", "ofs-delta\n", "want " + want + "\n"}
	if have != "" {
		args = append(args, "have "+have+"\n")
	}
	request := pktLines("command=fetch\n", "object-format=sha1\n") + delimiter + pktLines(append(args, "done\n")...) + pktline.Flush
	err = c.post(ctx, "upload-pack", version2, strings.NewReader(request), func(body io.Reader) error {
		size, err = packSize(body)
		return err
	})
	return size, err
}

// packSize reads the answer to a fetch to its end.
func packSize(body io.Reader) (size int64, err error) {
	in := pktline.NewReader(body)
	for first := true; ; first = false {
		kind, line, err := in.Next()
		switch {
		case err != nil:
			return 0, fmt.Errorf("the pack is not whole: %w", err)
		case kind == pktline.Data && first && string(line) == "packfile\n":
		case kind == pktline.Data && !first && len(line) > 0 && line[0] == 1:
			size += int64(len(line) - 1)
		case kind != pktline.Data && size > 0:
			return size, nil
		default:
			return 0, fmt.Errorf("the server answers %.200q", line)
		}
	}
}

// push makes a branch at a commit whose objects are in the pack. It tells the length of the request: net/http/cgi takes none
// without.
func (c *packClient) push(ctx context.Context, branch, commit, pack string) error {
	if err := c.get(ctx, c.url+"/info/refs?service=git-receive-pack", ""); err != nil {
		return err
	}
	ref := "refs/heads/" + branch
	commands := pktLines(strings.Repeat("0", len(commit))+" "+commit+" "+ref+"\x00report-status object-format=sha1") + pktline.Flush
	body := strings.NewReader(commands + pack)
	return c.post(ctx, "receive-pack", "", body, func(body io.Reader) error {
		report, err := io.ReadAll(body)
		if err == nil && !strings.Contains(string(report), "ok "+ref) {
			err = errors.New(string(report))
		}
		return err
	})
}

// pktLines are lines of the protocol (gitprotocol-common(5)).
func pktLines(lines ...string) string {
	var b []byte
	for _, line := range lines {
		b = pktline.Append(b, line)
	}
	return string(b)
}
