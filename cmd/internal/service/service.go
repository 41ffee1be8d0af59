// Package service is what the main functions of GitStore's services share: settings, log, the life of an fx application
// between its start and a signal, and exit codes.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/gitstore-dev/gitstore/internal/buildinfo"
	"github.com/gitstore-dev/gitstore/internal/config"
	"github.com/gitstore-dev/gitstore/internal/telemetry"
)

// Exit codes of a service.
const (
	// ExitOK follows a stop that was asked for, --help and --version, and a health check that says yes.
	ExitOK = 0
	// ExitFailure follows a failure to start or to go on, and a health check that says no.
	ExitFailure = 1
	// ExitUsage follows a wrong setting.
	ExitUsage = 2
)

// Settings are the settings of a service: a pointer to a struct that embeds [config.Common].
type Settings interface {
	Base() *config.Common
	// HealthAddress is where the service listens that answers /healthz and /readyz.
	HealthAddress() string
	// MemoryPercent is how much of the memory of its control group the process may take; the rest is for what it starts, and
	// for what Go does not count.
	MemoryPercent() int64
}

// Fail ends the service with [ExitFailure] after an orderly stop. It never blocks; errors after the first are dropped.
type Fail func(error)

// Main runs a service from its arguments to its end, or asks one for its health, and returns the exit code. The module is made once the settings are
// known; it may ask for *slog.Logger, buildinfo.Info, Fail and *Stop.
func Main(name, description string, settings Settings, module func() fx.Option) int {
	build := buildinfo.Read()
	health, args := healthPath(os.Args[1:])
	description += "\n\n" + fmt.Sprintf(healthHelp, name)
	program := config.Program{Name: name, Description: description, Version: build.String()}
	switch err := config.Parse(program, settings, args, os.Stdout); {
	case errors.Is(err, config.ErrDone):
		return ExitOK
	case err != nil:
		_, _ = fmt.Fprintf(os.Stderr, "%s: %v\nSee %s --help.\n", name, err, name)
		return ExitUsage
	}
	if health != "" {
		return checkHealth(context.Background(), name, settings.HealthAddress(), health, os.Stderr)
	}
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	limitMemory(settings.MemoryPercent())
	return run(ctx, restore, name, build, settings.Base(), module(), os.Stderr)
}

// stopMargin is what a stop may take beside draining.
const stopMargin = 15 * time.Second

// run serves until ctx ends. It calls restore before it stops: from then on a signal has its default effect, so that a
// second one ends the process at once.
func run(ctx context.Context, restore func(), name string, build buildinfo.Info, common *config.Common, module fx.Option, stderr io.Writer) int {
	defer restore()
	logger, err := telemetry.NewLogger(stderr, common.LogLevel, common.LogFormat)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return ExitUsage
	}
	logger = logger.With("service", name)
	logger.InfoContext(ctx, "starting", "version", build.Version, "commit", build.Commit, "go_version", build.GoVersion, "pid", os.Getpid())
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	stop := &Stop{}
	app := New(logger, build, fail, stop, module)
	if err := app.Start(context.WithoutCancel(ctx)); err != nil {
		logger.ErrorContext(ctx, "cannot start", "error", err)
		return ExitFailure
	}
	var failure error
	select {
	case failure = <-failed:
	case <-ctx.Done():
	}
	restore()
	if failure != nil {
		logger.ErrorContext(ctx, "cannot go on", "error", failure)
	} else {
		logger.InfoContext(ctx, "stopping", "cause", context.Cause(ctx))
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), common.DrainDelay+common.DrainTimeout+stopMargin)
	defer cancel()
	if err := app.Stop(stopping); err != nil {
		if len(stop.unfinished()) > 0 {
			// It is long, and a line of its own, so that the last one is found whole wherever a log is cut.
			logger.ErrorContext(ctx, "what is at work while the stop does not end", "goroutines", goroutines())
		}
		logger.LogAttrs(ctx, slog.LevelError, "the stop was not orderly", append(stop.attrs(), slog.Any("error", err))...)
		return ExitFailure
	}
	if failure != nil {
		return ExitFailure
	}
	logger.LogAttrs(ctx, slog.LevelInfo, "stopped", stop.attrs()...)
	return ExitOK
}

// New returns the application of a module with what [Main] provides to it.
func New(logger *slog.Logger, build buildinfo.Info, fail Fail, stop *Stop, module fx.Option) *fx.App {
	return fx.New(options(logger, build, fail, stop), module)
}

// Validate checks that everything the module's parts ask for is there, without making any of it.
func Validate(module fx.Option) error {
	logger := slog.New(slog.DiscardHandler)
	return fx.ValidateApp(options(logger, buildinfo.Info{}, func(error) {}, &Stop{}), module)
}

func options(logger *slog.Logger, build buildinfo.Info, fail Fail, stop *Stop) fx.Option {
	return fx.Options(fx.Supply(logger, build, fail, stop), fx.WithLogger(func() fxevent.Logger {
		l := &fxevent.SlogLogger{Logger: logger}
		l.UseContext(context.Background())
		l.UseLogLevel(slog.LevelDebug)
		l.UseErrorLevel(slog.LevelDebug) // what matters comes back as an error and is logged once
		return l
	}))
}
