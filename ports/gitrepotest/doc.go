// Package gitrepotest is the conformance suite of [ports.RepositoryStore]: it holds an implementation to every sentence
// of package ports. It runs on any of them, also on those of other modules: the in-memory reference in package memrepo,
// the store over the git binary, that store behind gRPC, or yours.
//
// # Running it
//
// Describe your implementation by a [Harness] and hand it to [Run] in a test of your own:
//
//	func TestConformance(t *testing.T) {
//		gitrepotest.Run(t, gitrepotest.Harness{
//			New: func(t testing.TB) ports.RepositoryStore {
//				store := mystore.Open(t.TempDir())
//				t.Cleanup(func() { store.Close() })
//				return store
//			},
//			NoImport: "mystore reads no fast-import streams",
//			NoReopen: "mystore keeps nothing",
//			NoPacks:  "mystore serves no git clients",
//		})
//	}
//
// Run it with -race. Cases run in parallel, so the store is used concurrently all the time; give it a limit of open
// files and processes that allows for some dozens of repositories at work. The suite never waits for a time to pass, and
// never judges how long something took: a case fails by hanging only after minutes.
//
// Only New is needed. What a harness lacks it says why it lacks, and the cases that need it are skipped with that reason.
// Provide Import if you can: only imported history has merges, symbolic links, submodules, tags of tags, or names that
// are not UTF-8, which is where implementations differ.
//
// [Bench] measures the same implementation by the same harness.
//
// # What is promised when it passes
//
// Cases are grouped by what they are about: repositories, revisions, refs, files, batches, listings, trees, branches, ref
// updates, tags, history, comparisons, commits, expectations, requests, releases, concurrency, cancellation, errors, bad
// input, object formats, and packs: clones, fetches and pushes in the protocol that git clients speak. Every error is judged by Kind, Reason and the metadata that callers read; every call that
// fails is followed by a look at what it might have changed; every listing is compared with its whole order and cut into
// pages of every size. All of it is tried over SHA-1 and over SHA-256.
//
// The suite cannot see what has no way through the port: whether an acknowledged commit is on the disk, what a damaged
// repository looks like, and what a full disk, a lost connection or a killed process leave behind. An implementation
// tests these itself.
//
// # Fixtures
//
// Fixtures are declared as commits, tags and refs with fixed dates and rendered as streams for git-fast-import(1). The
// object IDs are the same in every store, and some are written down in the suite as git gave them.
package gitrepotest
