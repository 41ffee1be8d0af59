package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/gitstore-dev/gitstore/internal/buildinfo"
	"github.com/gitstore-dev/gitstore/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hooks is a module that tells what is done to it.
func hooks(told *[]string, start func(Fail) error, stop error) fx.Option {
	return fx.Invoke(func(lc fx.Lifecycle, fail Fail) {
		lc.Append(fx.Hook{
			OnStart: func(context.Context) error { *told = append(*told, "start"); return start(fail) },
			OnStop:  func(context.Context) error { *told = append(*told, "stop"); return stop },
		})
	})
}

func TestTheExitCodeSaysHowItEnded(t *testing.T) {
	broken := errors.New("it broke")
	fine := func(Fail) error { return nil }
	tests := map[string]struct {
		start    func(Fail) error
		stop     error
		signaled bool
		code     int
		told     string
		log      string
	}{
		"stopped":                 {fine, nil, true, ExitOK, "start stop", `"msg":"stopped"`},
		"could not start":         {func(Fail) error { return broken }, nil, false, ExitFailure, "start", "it broke"},
		"could not go on":         {func(fail Fail) error { fail(broken); fail(errors.New("later")); return nil }, nil, false, ExitFailure, "start stop", "it broke"},
		"could not stop in order": {fine, broken, true, ExitFailure, "start stop", "it broke"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, signal := context.WithCancel(t.Context())
			defer signal()
			if tt.signaled {
				signal()
			}
			var told []string
			var log bytes.Buffer
			common := &config.Common{LogLevel: "info", LogFormat: "json", DrainTimeout: time.Second}
			code := run(ctx, func() {}, "tool", buildinfo.Info{}, common, hooks(&told, tt.start, tt.stop), &log)
			if code != tt.code || strings.Join(told, " ") != tt.told || !strings.Contains(log.String(), tt.log) {
				t.Errorf("exit code %d after %q with the log\n%s", code, told, &log)
			}
			if n := strings.Count(log.String(), `"level":"ERROR"`); (n == 1) != (tt.code != ExitOK) {
				t.Errorf("%d errors in the log\n%s", n, &log)
			}
		})
	}
}

func TestTheLogOfAStopHasItsPartsAndNamesThoseThatDidNotEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		journal    time.Duration // that it takes
		code       int
		unfinished string
	}{
		"orderly":     {stopMargin - time.Second, ExitOK, ""},
		"not orderly": {stopMargin + time.Second, ExitFailure, "journal"},
	} {
		t.Run(name, func(t *testing.T) {
			// The clock of a bubble stands still while anything can run: the stop is at its journal when its time is over, however busy the machine.
			synctest.Test(t, func(t *testing.T) {
				ctx, signal := context.WithCancel(t.Context())
				signal()
				ended := make(chan struct{})
				module := fx.Invoke(func(lc fx.Lifecycle, stop *Stop) {
					lc.Append(fx.StopHook(func() error {
						defer close(ended)
						err := stop.Part("calls", func() error { return nil })
						stop.Wait("journal", func() { <-time.After(tt.journal) })
						return err
					}))
				})
				var log bytes.Buffer
				code := run(ctx, func() {}, "tool", buildinfo.Info{}, &config.Common{LogLevel: "info", LogFormat: "json"}, module, &log)
				<-ended
				var last struct {
					Parts      map[string]float64
					Unfinished []string
				}
				lines := bytes.Split(bytes.TrimSpace(log.Bytes()), []byte("\n"))
				if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil {
					t.Fatal(err)
				}
				_, calls := last.Parts["calls"]
				if took, limit := last.Parts["journal"], min(tt.journal, stopMargin).Seconds(); code != tt.code || !calls || took != limit || len(last.Parts) != 2 {
					t.Errorf("exit code %d, journal %g s of %g, after the log\n%s", code, took, limit, &log)
				}
				if unfinished := strings.Join(last.Unfinished, " "); unfinished != tt.unfinished {
					t.Errorf("%q did not end\n%s", unfinished, &log)
				}
				if hangs := tt.journal > stopMargin; strings.Contains(log.String(), "service.(*Stop).Wait") != hangs {
					t.Errorf("where the goroutines are is not told of a stop that hangs, or of one that does not\n%s", &log)
				}
			})
		})
	}
}

func TestWhatFxDoesIsLoggedForDebugging(t *testing.T) {
	for level, want := range map[string]bool{"debug": true, "info": false} {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		var told []string
		var log bytes.Buffer
		run(ctx, func() {}, "tool", buildinfo.Info{}, &config.Common{LogLevel: level, LogFormat: "text"}, hooks(&told, func(Fail) error { return nil }, nil), &log)
		if got := strings.Contains(log.String(), "OnStart hook executed"); got != want {
			t.Errorf("at %s fx is in the log: %t\n%s", level, got, &log)
		}
	}
}

func TestWrongLogSettingsAreUsageErrors(t *testing.T) {
	if code := run(t.Context(), func() {}, "tool", buildinfo.Info{}, &config.Common{LogLevel: "loud", LogFormat: "json"}, fx.Options(), new(bytes.Buffer)); code != ExitUsage {
		t.Errorf("exit code %d", code)
	}
}

func TestAMissingPartIsFoundWithoutMakingAny(t *testing.T) {
	needs := fx.Invoke(func(*strings.Builder) {})
	if err := Validate(needs); err == nil {
		t.Error("nobody misses what is not provided")
	}
	if err := Validate(fx.Options(needs, fx.Provide(func() *strings.Builder { t.Error("it was made"); return nil }))); err != nil {
		t.Error(err)
	}
}
