// Package eventstest is the conformance suite of [ports.EventLog]: it holds an implementation to every sentence of the
// port. It runs on any of them: the in-memory reference in package memlog, the journal on JetStream, or yours.
//
// # Running it
//
// Describe your implementation by a [Harness] and hand it to [Run] in a test of your own:
//
//	func TestConformance(t *testing.T) {
//		eventstest.Run(t, eventstest.Harness{
//			New: func(t testing.TB) ports.EventLog {
//				log := mylog.Open(t.TempDir())
//				t.Cleanup(func() { log.Close() })
//				return log
//			},
//			NoReopen:  "mylog keeps nothing",
//			NoBounded: "mylog drops nothing",
//		})
//	}
//
// Run it with -race. Cases run in parallel, each on a journal of its own. The suite never waits for a time to pass, and
// never judges how long something took: a case fails by hanging only after minutes.
//
// # What is promised when it passes
//
// Cases are grouped by what they are about: appending, reading, cursors that lead nowhere, waiting, states, restarts,
// retention, concurrency and cancellation. Every error is judged by Kind, Reason and the metadata that callers read.
//
// The suite cannot see what has no way through the port: what a damaged journal looks like, or what a killed process, a
// lost connection or a power cut leave behind. An implementation tests these itself.
package eventstest
