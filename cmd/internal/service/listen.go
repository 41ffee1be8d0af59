package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Listen opens the listener that a setting asks for; what is wrong with it is told with the setting's name.
func Listen(ctx context.Context, setting, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is in use: stop what listens there, or choose another address", setting, address)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return l, nil
}

// HTTP is a server that is running.
type HTTP struct {
	server *http.Server
	logger *slog.Logger
	ended  chan struct{}
}

// StartHTTP serves on the listener. If that ends before it is asked to, it fails the service.
func StartHTTP(server *http.Server, l net.Listener, fail Fail, logger *slog.Logger) *HTTP {
	h := &HTTP{server: server, logger: logger, ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("HTTP on %s: %w", l.Addr(), err))
		}
	}()
	logger.Info("serving HTTP", "address", l.Addr().String())
	return h
}

// Stop lets requests under way end, for as long as ctx does, and breaks the others off.
func (h *HTTP) Stop(ctx context.Context) error {
	err := h.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		h.logger.WarnContext(ctx, "breaking off HTTP requests that did not end in time")
		err = h.server.Close()
	}
	<-h.ended
	return err
}

// Wait returns after d, or when ctx ends.
func Wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
