// Package sse reads Server-Sent Events as the HTML Standard, section 9.2.6, has them, as far as GitStore sends them.
package sse

import (
	"bufio"
	"io"
	"strings"
)

// maxLine is room for the largest message of GitStore.
const maxLine = 4 << 20

// Read gives each message of a stream to take: the fields that stand before an empty line. The map is good until take
// returns. It returns the error of take, and nil when the stream ends or breaks off.
func Read(stream io.Reader, take func(fields map[string]string) error) error {
	fields := map[string]string{}
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if line := lines.Text(); line != "" {
			name, value, _ := strings.Cut(line, ": ")
			fields[name] = value
			continue
		}
		if err := take(fields); err != nil {
			return err
		}
		clear(fields)
	}
	return nil
}
