// Command gitstore-api serves repositories over HTTP. It holds none: every Git operation crosses gRPC to a
// gitstore-git-service.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/fx"

	"github.com/gitstore-dev/gitstore/cmd/internal/service"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == validateWord {
		ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := validate(ctx, os.Args[2:], os.Stdout, os.Stderr)
		restore()
		os.Exit(code)
	}
	var s settings
	os.Exit(service.Main("gitstore-api", "Serves repositories over HTTP. It keeps nothing itself: a gitstore-git-service has the repositories.\n\n"+
		`"gitstore-api validate DIR" checks the catalog in a directory of files and needs no service.`,
		&s, func() fx.Option { return module(s) }))
}
