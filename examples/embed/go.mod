// A module of its own, as an embedder's is: it sees only what GitStore exports.
module example.com/embed

go 1.26.0

require github.com/gitstore-dev/gitstore v0.0.0

require (
	github.com/Masterminds/semver/v3 v3.5.0 // indirect
	github.com/klauspost/compress v1.20.4 // indirect
	github.com/maypok86/otter/v2 v2.4.0 // indirect
	github.com/pjbgf/sha1cd v0.7.0 // indirect
	github.com/tidwall/btree v1.8.2 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	znkr.io/diff v1.0.0 // indirect
)

replace github.com/gitstore-dev/gitstore => ../..
