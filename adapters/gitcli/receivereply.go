package gitcli

import (
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/gitstore-dev/gitstore/internal/pktline"
)

// keepAlive is how often a client that waits is told that it has not been forgotten, as git does by default
// (git-config(1): receive.keepAlive).
const keepAlive = 5 * time.Second

// receiveReply is the answer to a push.
type receiveReply struct {
	req *receiveRequest
	// keepAlive is how often a client that waits hears something.
	keepAlive time.Duration

	mu  sync.Mutex
	out io.Writer
	err error
}

func (r *receiveReply) write(b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && len(b) > 0 {
		_, r.err = r.out.Write(b)
	}
	return r.err
}

// say shows lines to the person in front of the client.
func (r *receiveReply) say(lines ...string) {
	if r.req.sideBand && len(lines) > 0 {
		_ = r.write(pktline.AppendBand(nil, pktline.TextBand, strings.Join(lines, "\n")+"\n")) // report tells
	}
}

// wait keeps the client waiting until stop.
func (r *receiveReply) wait() (stop func()) {
	if !r.req.sideBand {
		return func() {}
	}
	ended := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		ticker := time.NewTicker(r.keepAlive)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_ = r.write(pktline.AppendBand(nil, pktline.PackBand, "")) // report tells
			case <-ended:
				return
			}
		}
	})
	return func() {
		close(ended)
		waiting.Wait()
	}
}

// report tells what became of the pack and of each command (gitprotocol-pack(5), "Report Status").
func (r *receiveReply) report(unpacked string, refused []error) error {
	var report []byte
	if r.req.report {
		report = pktline.Append(report, "unpack "+unpacked+"\n")
		for i, c := range r.req.commands {
			line := "ok " + c.name
			if refused[i] != nil {
				line = "ng " + c.name + " " + oneLine(refused[i])
			}
			report = pktline.Append(report, line[:min(len(line), pktline.MaxData-1)]+"\n")
		}
		report = append(report, pktline.Flush...)
	}
	if r.req.sideBand {
		report = append(pktline.AppendBand(nil, pktline.PackBand, string(report)), pktline.Flush...)
	}
	return r.write(report)
}

// maxReason is the most of a reason that a client is told in a report, in bytes: it stands at the end of a line.
const maxReason = 300

// oneLine returns what an error says, fit for a line.
func oneLine(err error) string { return plain(err.Error(), maxReason) }

// plain makes a text fit for a line of at most n bytes.
func plain(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
