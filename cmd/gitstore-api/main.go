// Command gitstore-api serves repositories over HTTP. It holds none: every Git operation crosses gRPC to a
// gitstore-git-service.
package main

import (
	"os"

	"go.uber.org/fx"

	"github.com/gitstore-dev/gitstore/cmd/internal/service"
)

func main() {
	var s settings
	os.Exit(service.Main("gitstore-api", "Serves repositories over HTTP. It keeps nothing itself: a gitstore-git-service has the repositories.",
		&s, func() fx.Option { return module(s) }))
}
