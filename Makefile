# GitStore's tasks. They need Go, git and make; some tests need Docker and root, as
# docs/testing.md says;
# every other tool is pinned in a module under tools/ and built into .bin/.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN   := $(CURDIR)/.bin
BUF   := $(BIN)/buf
LINT  := $(BIN)/golangci-lint
# protoc-gen-go-grpc is built by the same command.
PROTOC_GEN := $(BIN)/protoc-gen-go
GQLGEN     := $(BIN)/gqlgen
BENCHSTAT  := $(BIN)/benchstat

FUZZTIME ?= 10s

# The race detector needs cgo, which is off where there is no C compiler: the
# tests run all the same, and `make test` says what was left out.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# All else is built in one way, that of the images: what one task compiles no other compiles again.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath $(GOFLAGS)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build both services and run them on loopback with a sample catalog
	@go build -o bin/run ./scripts/run
	@exec bin/run

.PHONY: build
build: ## Build the binaries into bin/
	go build -o bin/ ./cmd/...

# --- containers ---------------------------------------------------------

GITSTORE_IMAGE_TAG ?= dev
export GITSTORE_IMAGE_TAG
# An image with git to build on; deploy/base.sh has one where none is named.
export GIT_BASE
VERSION  ?= $(shell git describe --tags --always --dirty)
REVISION ?= $(shell git rev-parse HEAD)
SOURCE   := https://$(shell awk '$$1 == "module" { print $$2 }' go.mod)

# Told by the linker, so that a binary is the same from any directory, with or without a Git work tree around it.
BUILDINFO := $(shell awk '$$1 == "module" { print $$2 }' go.mod)/internal/buildinfo
DIST_BUILD = go build -buildvcs=false \
	-ldflags '-s -w -buildid= -X $(BUILDINFO).version=$(VERSION) -X $(BUILDINFO).commit=$(REVISION)'

.PHONY: dist
dist: ## Build the binaries of the images into bin/dist/
	@mkdir -p bin/dist/data
	GOOS=linux $(DIST_BUILD) -o bin/dist/ ./cmd/gitstore-api ./cmd/gitstore-git-service

.PHONY: images
images: dist ## Build the images gitstore-api and gitstore-git-service
	@base=$$(deploy/base.sh); \
	for target in api git-service; do \
		docker build --quiet --file deploy/Dockerfile --target $$target --build-arg GIT_BASE=$$base \
			--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg SOURCE=$(SOURCE) \
			--tag gitstore-$$target:$(GITSTORE_IMAGE_TAG) bin/dist >/dev/null; \
		docker image ls gitstore-$$target:$(GITSTORE_IMAGE_TAG); \
	done

# Version 2 is a plugin of docker, version 1 a program.
COMPOSE = $(shell if docker compose version >/dev/null 2>&1; then echo docker compose; else command -v docker-compose; fi)

# Where the replicas are published: see deploy/compose.yaml.
PORTS = $(or $(GITSTORE_PORT_1),8080) $(or $(GITSTORE_PORT_2),8082) $(or $(GITSTORE_PORT_3),8083)

.PHONY: compose
compose: ## Install docker compose and curl, where there is none; needs Debian and root
	@[[ -n "$(COMPOSE)" ]] || tools/apt-install.sh docker-compose
	@command -v curl >/dev/null || tools/apt-install.sh curl

.PHONY: up
up: compose images ## Run a git-service and three API replicas in containers, with the sample catalog
	@$(COMPOSE) --project-name gitstore --file deploy/compose.yaml up --detach || { \
		echo 'The containers were not all started. If a port is in use, stop what listens there (`make run` does, on 8080), or name others: GITSTORE_PORT_1=9080 make up' >&2; exit 1; }
	@for port in $(PORTS); do \
		curl -fs -o /dev/null --retry 60 --retry-delay 1 --retry-all-errors http://127.0.0.1:$$port/readyz || { \
			echo "http://127.0.0.1:$$port/readyz does not answer that it is ready: look at $(COMPOSE) --project-name gitstore --file deploy/compose.yaml logs" >&2; exit 1; }; \
	done
	@go run ./scripts/run -import http://127.0.0.1:$(firstword $(PORTS))
	@echo 'GitStore is running; `make down` stops it. Three replicas serve the sample catalog:'
	@for port in $(PORTS); do echo "curl http://127.0.0.1:$$port/v1/repositories/shop/files/README.md"; done

.PHONY: down
down: compose ## Stop those containers; the volume with the repositories is kept
	$(COMPOSE) --project-name gitstore --file deploy/compose.yaml down

# --- test ---------------------------------------------------------------
# `test` is a list of stages. Tests that need Docker are a stage of their own.

.PHONY: test
test: test-go test-catalogs test-embed test-tools e2e test-powercut test-reproducible test-containers ## Run every test

.PHONY: test-go
# For an object of more than 64 KiB the race detector maps new shadow memory instead of
# clearing the old one: the page faults took a quarter of the time.
test-go: export GORACE := clear_shadow_mmap_threshold=16777216 $(GORACE)
test-go: export CGO_ENABLED := $(if $(RACE),1,0)
test-go: ## Run the tests of all packages but those in e2e, with the race detector
	$(if $(RACE),,@echo 'no C compiler found: running without the race detector' >&2)
	go test $(RACE) -timeout 20m -skip '$(CATALOGS)' $$(go list ./... | grep -v '/e2e')

# One goroutine looks through thousands of documents: the race detector finds nothing there, and takes minutes.
CATALOGS := ^TestRealCatalogsAreTheirFiles$$

.PHONY: test-catalogs
test-catalogs: ## Ask the API everything about a catalog of 10,200 documents, and look into their files for the answers
	go test -count 1 -run '$(CATALOGS)' ./adapters/httpapi

.PHONY: test-embed
test-embed: ## Run the embedder's program, a module of its own
	go test -C examples/embed -count 1 ./...

.PHONY: test-tools
test-tools: ## Run the tests of what checks the Kubernetes manifests and the OpenAPI document, modules of their own
	go test -C tools/kubecheck -count 1 ./...
	go test -C tools/openapi ./lint

.PHONY: chromium
chromium: ## Install the browser that the tests of the web page use, where there is none; needs Debian and root
	@for name in chromium chromium-browser google-chrome chrome; do command -v $$name >/dev/null && exit; done; \
	tools/apt-install.sh chromium

.PHONY: e2e
e2e: chromium ## Run the end-to-end tests against real processes
	go test -count 1 -timeout 15m -skip '^TestPowerCut' ./e2e ./e2e/failpoints

# How long the load goes on, and where its figures go.
DURATION ?= 30m
OUT      ?= bin/soak

.PHONY: soak
soak: ## Run both services for DURATION (30m) under a mixed load; fail if something is lost, or what they use is not flat; figures go to OUT
	COMMIT=$$(git describe --always --dirty --exclude '*' 2>/dev/null) OUT=$(abspath $(OUT)) DURATION=$(DURATION) SEED=$(SEED) go test -count 1 -v -timeout 0 -run '^TestSoak$$' ./e2e

# Mounting a file system takes root.
, := ,
AS_ROOT := $(if $(filter 0,$(shell id -u)),,-exec 'sudo --preserve-env=PATH$(,)HOME$(,)ROUNDS$(,)SEED')

.PHONY: test-powercut
test-powercut: ## Cut the power of a git-service and look for what it acknowledged; needs root, loop devices and mkfs.ext4
	go test -count 1 -v -timeout 0 $(AS_ROOT) -run '^TestPowerCut' ./e2e

.PHONY: test-reproducible
test-reproducible: dist ## Build the binaries of the images again in another directory, without Git around it, and compare
	@copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
	git ls-files -z --cached --others --exclude-standard --deduplicate | tar --null --files-from=- -cf - | tar -C "$$copy" -xf -; \
	$(MAKE) -C "$$copy" dist VERSION=$(VERSION) REVISION=$(REVISION); \
	cd bin/dist; sha256sum gitstore-api gitstore-git-service | (cd "$$copy/bin/dist" && sha256sum --check)

.PHONY: test-containers
test-containers: compose chromium images ## Build the images and run the tests against containers; needs Docker
	TESTCONTAINERS_RYUK_DISABLED=true go test -count 1 -timeout 20m ./e2e/containers
	TESTCONTAINERS_RYUK_DISABLED=true go test -C examples/integrationtest -count 1 ./...

# Where the other git is from: a suite of Debian, or the image GIT_OTHER if one is named.
GIT_SUITE ?= trixie

.PHONY: test-git-versions
test-git-versions: images ## Run the scripts of git clients and the tests of what runs git with another git, that of GIT_SUITE (trixie); needs Docker
	GIT_BASE='$(GIT_OTHER)' tools/git-versions.sh $(GIT_SUITE)

.PHONY: test-upgrade
test-upgrade: images ## Upgrade containers under load from the revision FROM to this one, and go back
	@[[ -n "$(FROM)" ]] || { echo 'say from which revision: make test-upgrade FROM=<revision>' >&2; exit 1; }
	@from=$$(git rev-parse --short=12 --verify '$(FROM)^{commit}'); old=$$(mktemp -d); trap 'rm -rf "$$old"' EXIT; \
	git archive "$$from" | tar -x -C "$$old"; \
	$(MAKE) -C "$$old" images GITSTORE_IMAGE_TAG="$$from" VERSION="$$from" REVISION="$$from"; \
	GITSTORE_UPGRADE_FROM="$$from" TESTCONTAINERS_RYUK_DISABLED=true \
		go test -count 1 -v -timeout 20m -run '^TestAnUpgradeFailsNoRequest$$' ./e2e/containers

# How many faults are done, and the number that chooses them.
ROUNDS ?= 100
SEED   ?=

.PHONY: torture
torture: images ## Do ROUNDS (100) random faults to containers under load, cut the power, pushes and clones as often, kill under load and races as often, and at each step of each write; SEED repeats a run
	GITSTORE_IMAGE_TAG=$(GITSTORE_IMAGE_TAG) TESTCONTAINERS_RYUK_DISABLED=true ROUNDS=$(ROUNDS) SEED=$(SEED) \
		go test -count 1 -v -timeout 0 -run '^TestNothingIsLostWhateverFails$$' ./e2e/containers
	ROUNDS=$(ROUNDS) SEED=$(SEED) $(MAKE) test-powercut
	ROUNDS=$(ROUNDS) SEED=$(SEED) go test -count 1 -v -timeout 0 -run '^(TestPushesAndFetchesThatAreCutOffLeaveNothing|TestKillAndRestart|TestConditionalWritesAreLinearizable)$$' ./e2e
	go test -count 10 -timeout 0 ./e2e/failpoints

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s) each
	tools/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: ## Run the benchmarks and print the table
	go run ./bench

.PHONY: bench-growth
bench-growth: ## Measure how GitStore behaves as repositories, callers and histories grow; FULL=1 goes on to a million files
	go run ./bench -growth docs/performance $(if $(FULL),-full)

# What is compared, how often, and for how long each time.
BENCH     ?= .
COUNT     ?= 6
BENCHTIME ?= 100ms

.PHONY: bench-compare
bench-compare: $(BENCHSTAT) ## Compare the Go benchmarks BENCH (.) with those of the revision BASE, COUNT (6) rounds
	@[[ -n "$(BASE)" ]] || { echo 'say what to compare with: make bench-compare BASE=main' >&2; exit 2; }
	@PATH="$(BIN):$$PATH" tools/bench-compare.sh '$(BASE)' '$(BENCH)' $(COUNT) $(BENCHTIME)

# --- lint ---------------------------------------------------------------

.PHONY: lint
lint: lint-fmt lint-mod lint-contracts lint-gen lint-openapi lint-kubernetes lint-go ## Check formatting, modules, contracts, generated code, the OpenAPI document, manifests and Go code

.PHONY: lint-fmt
lint-fmt:
	@unformatted=$$(gofmt -l .); \
	if [[ -n $$unformatted ]]; then echo "not gofmt'ed:" $$unformatted >&2; exit 1; fi

.PHONY: lint-mod
lint-mod:
	for module in . bench/gogit bench/plot examples/embed examples/integrationtest tools/kubecheck tools/openapi; do go mod tidy -C $$module -diff; done

.PHONY: lint-contracts
lint-contracts: $(BUF)
	$(BUF) lint contracts
	BUF=$(BUF) tools/breaking.sh

.PHONY: lint-gen
lint-gen: $(BUF) $(PROTOC_GEN) $(GQLGEN)
	PATH="$(BIN):$$PATH" tools/gen.sh --check

.PHONY: lint-openapi
lint-openapi:
	go vet -C tools/openapi ./lint
	go run ./scripts/openapi | go run -C tools/openapi ./lint

.PHONY: lint-kubernetes
lint-kubernetes:
	go vet -C tools/kubecheck .
	go run -C tools/kubecheck . $(CURDIR)/deploy/kubernetes $(CURDIR)/docs/configuration.md

.PHONY: lint-go
lint-go: $(LINT)
	go vet ./...
	$(LINT) run

# --- generated code -----------------------------------------------------

.PHONY: gen
gen: $(BUF) $(PROTOC_GEN) $(GQLGEN) ## Regenerate contracts/gen from contracts/proto, and the executor of GraphQL from contracts/graphql
	PATH="$(BIN):$$PATH" tools/gen.sh

# --- tools --------------------------------------------------------------

.PHONY: tools
tools: $(BUF) $(LINT) $(PROTOC_GEN) $(GQLGEN) $(BENCHSTAT) ## Build the tools that the other targets use

$(BUF): tools/buf/go.mod tools/buf/go.sum
$(LINT): tools/lint/go.mod tools/lint/go.sum
$(PROTOC_GEN): tools/protoc/go.mod tools/protoc/go.sum
$(GQLGEN): tools/gqlgen/go.mod tools/gqlgen/go.sum
$(BENCHSTAT): tools/benchstat/go.mod tools/benchstat/go.sum
$(BUF) $(LINT) $(PROTOC_GEN) $(GQLGEN) $(BENCHSTAT):
	go build -C $(dir $<) -buildvcs=false -o $(BIN)/ tool
	@touch $@

.PHONY: clean
clean: ## Remove what was built; keep the data of `make run`
	rm -rf bin .bin
