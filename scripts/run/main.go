// Command run lets a newcomer try GitStore: it starts both services on loopback, imports the sample catalog as the
// repository "shop" if there is none, prints what to try, and stops both when it is interrupted. `make run` builds and
// runs it. GITSTORE_* variables reach the services as they are.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "`directory` of the services' binaries")
	flag.StringVar(&o.data, "data", ".data", "`directory` for the repositories and the logs")
	flag.StringVar(&o.catalog, "catalog", "examples/catalog", "`directory` to import")
	api := flag.String("import", "", "only import the catalog through the API at this `URL`, which runs already")
	flag.Parse()
	if *api != "" {
		if err := (shop{*api + "/v1/repositories/shop"}).importIfMissing(context.Background(), o.catalog); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if err := run(o, signals, os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct{ bin, data, catalog string }

// run ends at the first signal. A second one ends the services without draining.
func run(o options, signals <-chan os.Signal, out io.Writer) error {
	ctx, interrupt := context.WithCancel(context.Background())
	killed, kill := context.WithCancel(context.Background())
	done := make(chan struct{})
	defer close(done)
	go func() {
		for _, act := range []func(){interrupt, kill} {
			select {
			case <-signals:
				act()
			case <-done:
			}
		}
		interrupt()
		kill()
	}()
	err := serve(ctx, killed, o, out)
	if ctx.Err() == nil || err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	_, err = fmt.Fprintln(out, "Both services have stopped.")
	return err
}

// serve runs both services until ctx ends or one of them does. Both have ended when it returns.
func serve(ctx, killed context.Context, o options, out io.Writer) (err error) {
	where := addressesOf(os.LookupEnv)
	if err := where.checkFree(); err != nil {
		return err
	}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return err
	}
	gitService, err := o.start(killed, "gitstore-git-service", map[string]string{
		"GITSTORE_DATA_DIR": filepath.Join(o.data, "git"), "GITSTORE_GRPC_LISTEN": where.grpc, "GITSTORE_EVENTS_LISTEN": where.events,
	})
	if err != nil {
		return err
	}
	defer gitService.stop(&err)
	if err := gitService.waitReady(ctx, "http://"+reachable(where.events)); err != nil {
		return err
	}
	api, err := o.start(killed, "gitstore-api", map[string]string{
		"GITSTORE_HTTP_LISTEN": where.http, "GITSTORE_GIT_ADDRESS": reachable(where.grpc),
		"GITSTORE_EVENTS_URL": "ws://" + reachable(where.events) + "/v1/events", "GITSTORE_CATALOGS": "shop",
	})
	if err != nil {
		return err
	}
	defer api.stop(&err)
	base := "http://" + reachable(where.http)
	if err := api.waitReady(ctx, base); err != nil {
		return err
	}
	s := shop{base + "/v1/repositories/shop"}
	if err := s.importIfMissing(ctx, o.catalog); err != nil {
		return fmt.Errorf("import of %s: %w", o.catalog, err)
	}
	n, err := s.unusedNumber(ctx)
	if err != nil {
		return err
	}
	if err := printGuide(out, guide{API: base, Events: "http://" + reachable(where.events), Data: o.data, N: n}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-gitService.ended:
		return gitService.failure()
	case <-api.ended:
		return api.failure()
	}
}

// addresses are where the services listen.
type addresses struct{ grpc, events, http string }

func addressesOf(lookup func(string) (string, bool)) addresses {
	get := func(name, fallback string) string {
		if v, ok := lookup(name); ok {
			return v
		}
		return fallback
	}
	return addresses{
		grpc:   get("GITSTORE_GRPC_LISTEN", "127.0.0.1:50051"),
		events: get("GITSTORE_EVENTS_LISTEN", "127.0.0.1:8081"),
		http:   get("GITSTORE_HTTP_LISTEN", "127.0.0.1:8080"),
	}
}

// checkFree finds out before anything is started whether others have the ports.
func (a addresses) checkFree() error {
	for _, setting := range []struct{ name, address string }{
		{"GITSTORE_GRPC_LISTEN", a.grpc}, {"GITSTORE_EVENTS_LISTEN", a.events}, {"GITSTORE_HTTP_LISTEN", a.http},
	} {
		l, err := net.Listen("tcp", setting.address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s is in use: stop what listens there, or set %s to another address", setting.address, setting.name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", setting.name, err)
		}
		_ = l.Close()
	}
	return nil
}

// reachable is where to call a service that listens at the address.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}
