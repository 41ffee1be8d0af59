package main

import (
	"testing"

	"github.com/gitstore-dev/gitstore/internal/config/configtest"
)

func TestTheDocumentationHasEverySetting(t *testing.T) {
	configtest.CheckDocument(t, "../../docs/configuration.md", "gitstore-git-service", &settings{})
}

func TestTheBoundOfGitProcessesHoldsForThoseThatReadAndThoseThatWrite(t *testing.T) {
	s := parse(t, "--git-processes=7")
	if opts := s.store(); opts.Processes.MaxProcesses != 7 || opts.MaxRefProcesses != 7 {
		t.Errorf("%d to read and %d to write", opts.Processes.MaxProcesses, opts.MaxRefProcesses)
	}
}
