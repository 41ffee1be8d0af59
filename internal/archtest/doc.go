// Package archtest holds the packages of this module to the dependency rule, cmd → adapters → app → ports → domain,
// and gitstore-api to its promise to hold no Git. It has tests only. A package without a row in their table fails:
// a new package begins by saying what it may know.
package archtest
