// Package failpoints kills a git-service between any two steps of a write, and looks at what the next one makes of it. The
// git-service is a process of its own, built with the tag failpoints, and is called over gRPC.
package failpoints
