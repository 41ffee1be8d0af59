package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// The words of a health check on the command line.
const (
	healthWord = "healthcheck"
	readyWord  = "ready"
)

// healthHelp tells --help of the health check; %s is the program's name.
const healthHelp = `"%[1]s healthcheck" asks the service that runs with the same settings, at its own address, whether it answers, and ` +
	`"%[1]s healthcheck ready" whether it is ready: the exit code is 0 for yes and 1 for no. Containers without a shell need no other program for it.`

// healthTimeout bounds a health check; who runs it expects a quick answer.
const healthTimeout = 4 * time.Second

// healthPath returns the path that the arguments ask the health of the service at, "" if they do not ask, and the
// arguments that are left.
func healthPath(args []string) (path string, rest []string) {
	switch {
	case len(args) == 0 || args[0] != healthWord:
		return "", args
	case len(args) > 1 && args[1] == readyWord:
		return "/readyz", args[2:]
	default:
		return "/healthz", args[1:]
	}
}

// checkHealth asks the service that listens at the address and returns an exit code.
func checkHealth(ctx context.Context, name, listen, path string, stderr io.Writer) int {
	if err := askHealth(ctx, listen, path); err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return ExitFailure
	}
	return ExitOK
}

func askHealth(ctx context.Context, listen, path string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return err
	}
	if port == "0" {
		return errors.New("a service that listens on port 0 has another one each time: give it a port to be asked at")
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, http.NoBody) //nolint:gosec // it asks where its own settings say
	if err != nil {
		return err
	}
	// Its own service is never behind a proxy.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s: %s: %s", path, resp.Status, said)
	}
	return nil
}
