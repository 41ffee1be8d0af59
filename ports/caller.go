package ports

import "context"

type callerKey struct{}

// WithCaller returns a context whose calls are made for somebody, such as the address of a client. A service that has more to do than it
// can takes the calls of a repository's callers in turns, so that whoever asks for much holds up itself and not the others. It is
// no proof of who that is. Calls without are those of the host that makes them.
func WithCaller(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, callerKey{}, who)
}

// Caller returns for whom calls are made, "" if nobody said.
func Caller(ctx context.Context) string {
	who, _ := ctx.Value(callerKey{}).(string)
	return who
}
