// Package gitrepotest is the conformance suite of [ports.RepositoryStore]: it holds an implementation to the comments
// of package ports.
package gitrepotest
