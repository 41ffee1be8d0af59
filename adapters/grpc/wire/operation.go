package wire

import (
	"maps"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	gitv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/git/v1"
	optionsv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/options/v1"
)

// Operation is what the contract says about one RPC.
type Operation struct {
	// Service and Method name it, such as "gitstore.git.v1.RefService" and "ListRefs".
	Service, Method string
	Kind            optionsv1.OperationKind
	Cost            optionsv1.OperationCost
	Retry           optionsv1.OperationRetry
	// Streaming reports that either side sends a stream.
	Streaming bool
}

var operations = readOperations(
	gitv1.File_gitstore_git_v1_repository_proto, gitv1.File_gitstore_git_v1_ref_proto,
	gitv1.File_gitstore_git_v1_content_proto, gitv1.File_gitstore_git_v1_commit_proto,
	gitv1.File_gitstore_git_v1_history_proto, gitv1.File_gitstore_git_v1_event_proto,
	gitv1.File_gitstore_git_v1_transport_proto,
)

func readOperations(files ...protoreflect.FileDescriptor) map[string]Operation {
	all := map[string]Operation{}
	for _, f := range files {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				op := readOperation(methods.Get(j))
				all["/"+op.Service+"/"+op.Method] = op
			}
		}
	}
	return all
}

func readOperation(m protoreflect.MethodDescriptor) Operation {
	o, _ := proto.GetExtension(m.Options(), optionsv1.E_Operation).(*optionsv1.OperationOptions)
	return Operation{
		Service: string(m.Parent().FullName()), Method: string(m.Name()),
		Kind: o.GetKind(), Cost: o.GetCost(), Retry: o.GetRetry(),
		Streaming: m.IsStreamingClient() || m.IsStreamingServer(),
	}
}

// OperationOf returns the operation of an RPC of the contract by its full name, such as
// "/gitstore.git.v1.RefService/ListRefs", and whether there is such an RPC.
func OperationOf(fullMethod string) (Operation, bool) {
	op, ok := operations[fullMethod]
	return op, ok
}

// Operations returns every operation of the contract by the full name of its RPC. The caller owns the map.
func Operations() map[string]Operation { return maps.Clone(operations) }

// Timeout is the time that the operation has: a client whose caller set no deadline sets this one, and a server allows
// no more. It is 0 for one that waits for as long as the client does.
func (o Operation) Timeout() time.Duration {
	switch {
	case o.Cost == optionsv1.OperationCost_OPERATION_COST_WATCH:
		return 0
	case o.Streaming || o.Cost == optionsv1.OperationCost_OPERATION_COST_HEAVY || o.Cost == optionsv1.OperationCost_OPERATION_COST_PACK:
		return 10 * time.Minute
	case o.Cost == optionsv1.OperationCost_OPERATION_COST_CHEAP:
		return 10 * time.Second
	}
	return 30 * time.Second
}
