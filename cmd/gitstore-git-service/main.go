// Command gitstore-git-service owns Git repositories on a disk and serves them over gRPC.
package main

import (
	"os"

	"go.uber.org/fx"

	"github.com/gitstore-dev/gitstore/cmd/internal/service"
)

func main() {
	var s settings
	os.Exit(service.Main("gitstore-git-service", "Keeps Git repositories in a directory that it owns, and serves them over gRPC.",
		&s, func() fx.Option { return module(s) }))
}
