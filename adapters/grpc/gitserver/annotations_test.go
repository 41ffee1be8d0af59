package gitserver

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	"github.com/gitstore-dev/gitstore/ports/gitrepotest/memrepo"
)

func TestEveryMethodServedIsAnnotatedOrGRPCsOwn(t *testing.T) {
	server := New(memrepo.New(), Options{Reflection: true})
	defer server.grpc.Stop()
	n := 0
	for name, info := range server.grpc.GetServiceInfo() {
		if strings.HasPrefix(name, "grpc.") {
			continue
		}
		for _, m := range info.Methods {
			n++
			op, ok := wire.OperationOf("/" + name + "/" + m.Name)
			assert.True(t, ok && op.Kind > 0 && op.Cost > 0 && op.Retry > 0, "%s/%s lacks an annotation", name, m.Name)
		}
	}
	assert.Len(t, wire.Operations(), n, "an RPC of the contract is not served")
}
