package main

import (
	"testing"

	"github.com/gitstore-dev/gitstore/internal/config/configtest"
)

func TestTheDocumentationHasEverySetting(t *testing.T) {
	configtest.CheckDocument(t, "../../docs/configuration.md", "gitstore-git-service", &settings{})
}
