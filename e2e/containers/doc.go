// Package containers holds the images to the contracts that the services are held to as processes: the conformance suites
// over gRPC and WebSocket, the flows of the HTTP API through several replicas, and that no replica has a repository, a
// volume or git. It runs deploy/compose.yaml as the README says. It does to containers what goes wrong in production, and
// checks that nothing is lost. `make test-containers` builds the images and runs it, `make torture` does the faults for
// longer.
package containers
