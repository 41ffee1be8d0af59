package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// binaries is the directory of the services under test.
var binaries string

// TestMain is curl to the shell that a test runs, for machines that have none.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "curl" {
		exitOn(curl(os.Args[1:], os.Stdout))
		return
	}
	var err error
	binaries, err = os.MkdirTemp("", "gitstore-run-")
	exitOn(err)
	build := exec.Command("go", "build", "-trimpath", "-o", binaries+string(filepath.Separator), "./cmd/...")
	build.Dir, build.Env, build.Stderr = "../..", append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	exitOn(build.Run())
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(binaries)
		os.Exit(code)
	}))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// curl understands what the guide says, and takes an error of HTTP for one.
func curl(args []string, out io.Writer) error {
	method, data, url := "", "", ""
	for len(args) > 0 {
		switch arg := args[0]; arg {
		case "-X":
			method, args = args[1], args[2:]
		case "-N":
			args = args[1:]
		case "-d", "--data-binary":
			data, args = args[1], args[2:]
		default:
			url, args = arg, args[1:]
		}
	}
	if method == "" && data != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, url, strings.NewReader(data))
	if err != nil {
		return err
	}
	if data != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(out, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s", method, url, resp.Status)
	}
	return nil
}

// printed hands on what is printed, one piece for each time.
type printed chan string

func (p printed) Write(b []byte) (int, error) {
	p <- string(b)
	return len(b), nil
}

// listenElsewhere lets the services listen where nobody else does.
func listenElsewhere(t *testing.T) {
	t.Helper()
	for _, name := range []string{"GITSTORE_GRPC_LISTEN", "GITSTORE_EVENTS_LISTEN", "GITSTORE_HTTP_LISTEN"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		t.Setenv(name, l.Addr().String())
	}
}

// session is a run from its start to its end.
type session struct {
	guide   string
	signals chan os.Signal
	out     printed
	ended   chan error
}

func begin(t *testing.T, o options) *session {
	t.Helper()
	s := &session{signals: make(chan os.Signal, 2), out: make(printed), ended: make(chan error, 1)}
	go func() { s.ended <- run(o, s.signals, s.out) }()
	select {
	case s.guide = <-s.out:
	case err := <-s.ended:
		t.Fatal(err)
	}
	return s
}

func (s *session) interrupt(t *testing.T) {
	t.Helper()
	s.signals <- os.Interrupt
	select {
	case said := <-s.out:
		if !strings.Contains(said, "stopped") {
			t.Errorf("it says %q", said)
		}
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
	case err := <-s.ended:
		t.Fatal(err)
	}
}

// shell is one that has what the guide shows for a terminal pasted into it.
func (s *session) shell(t *testing.T, terminal string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "curl")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-eux")
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	cmd.Stdin = strings.NewReader(s.section(t, terminal))
	return cmd
}

// section is what the guide shows for a terminal.
func (s *session) section(t *testing.T, terminal string) string {
	t.Helper()
	_, script, ok := strings.Cut(s.guide, terminal+"\n")
	if !ok {
		t.Fatalf("there is nothing for %q in %s", terminal, s.guide)
	}
	script, _, _ = strings.Cut(script, "In another terminal:\n")
	return script
}

// paste runs what the guide shows, to its end.
func (s *session) paste(t *testing.T) (output string) {
	t.Helper()
	cmd := s.shell(t, "In another terminal:")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &stderr)
	}
	return string(out)
}

// watcher is the terminal that watches.
type watcher struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// watch begins to watch as the guide shows, and returns once it does.
func (s *session) watch(t *testing.T) *watcher {
	t.Helper()
	cmd := s.shell(t, "watch it change:")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := &watcher{cmd, bufio.NewScanner(out)}
	w.until(t, "heartbeat")
	return w
}

// until returns what is printed up to a line with all of the words.
func (w *watcher) until(t *testing.T, words ...string) (seen string) {
	t.Helper()
	for w.lines.Scan() {
		seen += w.lines.Text() + "\n"
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(w.lines.Text(), word) }) {
			return seen
		}
	}
	t.Fatalf("there was no %q in\n%s", words, seen)
	return ""
}

// end expects that the stream ends as a whole one, now that the services have stopped.
func (w *watcher) end(t *testing.T) {
	t.Helper()
	for w.lines.Scan() {
	}
	if err := w.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestTheGuideWorksAsPrintedEachTime(t *testing.T) {
	listenElsewhere(t)
	o := options{bin: binaries, data: t.TempDir(), catalog: "../../examples/catalog"}
	for _, round := range []struct{ tag, other string }{{"v1.1.0", "v1.2.0"}, {"v1.2.0", "v1.1.0"}} {
		s := begin(t, o)
		watching := s.watch(t)
		out := s.paste(t)
		seen := watching.until(t, `"subject":"refs/heads/season-`, `"change":"updated"`)
		if tag := `"subject":"refs/tags/` + round.tag + `"`; !strings.Contains(seen, tag) || strings.Contains(seen, round.other) {
			t.Errorf("no %s among what arrives:\n%s", tag, seen)
		}
		for _, want := range []string{"hand-grinder-1e3", `"name":"` + round.tag + `"`, "+Ten percent off.", `"items":[`} {
			if !strings.Contains(out, want) {
				t.Errorf("it does not print %q", want)
			}
		}
		if strings.Contains(s.guide, round.other) {
			t.Errorf("the guide names %s", round.other)
		}
		s.interrupt(t)
		watching.end(t)
	}
}

func TestTheCatalogIsImportedOnce(t *testing.T) {
	listenElsewhere(t)
	o := options{bin: binaries, data: t.TempDir(), catalog: t.TempDir()}
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(o.catalog, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary := "\xff\x00\xfe"
	write("text.md", "first")
	write("image", binary)
	files := "http://" + os.Getenv("GITSTORE_HTTP_LISTEN") + "/v1/repositories/shop/files/"
	for _, edit := range []string{"second", "third"} {
		s := begin(t, o)
		for name, want := range map[string]string{"text.md": "first", "image": binary} {
			var got bytes.Buffer
			if err := curl([]string{files + name}, &got); err != nil || got.String() != want {
				t.Errorf("%s is %q, %v", name, &got, err)
			}
		}
		client.CloseIdleConnections()
		s.interrupt(t)
		write("text.md", edit)
	}
}

func TestAPortInUseIsNamed(t *testing.T) {
	listenElsewhere(t)
	l, err := net.Listen("tcp", os.Getenv("GITSTORE_HTTP_LISTEN"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	data := filepath.Join(t.TempDir(), "data")
	err = run(options{bin: t.TempDir(), data: data}, nil, io.Discard)
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "GITSTORE_HTTP_LISTEN") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it left something: %v", err)
	}
}

func TestAServiceThatDoesNotRunIsNamed(t *testing.T) {
	listenElsewhere(t)
	t.Run("it was not built", func(t *testing.T) {
		err := run(options{bin: t.TempDir(), data: t.TempDir()}, nil, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "gitstore-git-service") || !strings.Contains(err.Error(), "make build") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("it ends at once", func(t *testing.T) {
		t.Setenv("GITSTORE_LOG_LEVEL", "loud")
		err := run(options{bin: binaries, data: t.TempDir()}, nil, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "gitstore-git-service has ended") || !strings.Contains(err.Error(), "GITSTORE_LOG_LEVEL") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("it ends later", func(t *testing.T) {
		data := t.TempDir()
		s := begin(t, options{bin: binaries, data: data, catalog: "../../examples/catalog"})
		pid, err := os.ReadFile(filepath.Join(data, "git", "lock"))
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if _, err := fmt.Sscan(string(pid), &n); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := <-s.ended; err == nil || !strings.Contains(err.Error(), "gitstore-git-service has ended with signal: killed") {
			t.Errorf("got %v", err)
		}
	})
}

func TestASecondInterruptDoesNotWait(t *testing.T) {
	listenElsewhere(t)
	t.Setenv("GITSTORE_DRAIN_DELAY", "5m")
	s := begin(t, options{bin: binaries, data: t.TempDir(), catalog: "../../examples/catalog"})
	s.signals <- os.Interrupt
	s.signals <- os.Interrupt
	select {
	case err := <-s.ended:
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits")
	}
}

func TestTheImportWaitsForAGitServiceThatComesBack(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"empty":false}`)
	}))
	defer server.Close()
	defer client.CloseIdleConnections()
	if err := (shop{server.URL + "/v1/repositories/shop"}).importIfMissing(t.Context(), "../../examples/catalog"); err != nil || asked != 2 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}
