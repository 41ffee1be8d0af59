// Package failpoint names the steps of a write at which a test has the process end as kill -9 does, and lets a test have the
// disk be slow or fail. Only a program that is built with the tag failpoints can: in any other, reaching a point is an empty
// function.
package failpoint

// Point is a moment between two steps of a write, named after the one that was just done.
type Point string

// The points of a write to refs, in their order; large contents are on the disk before it queues.
const (
	// WriteQueued is when a write waits for its turn.
	WriteQueued Point = "write-queued"
	// ObjectsWritten is when the objects are in files of their own, and none was synced.
	ObjectsWritten Point = "objects-written"
	// ObjectsSynced is when those files are on the disk.
	ObjectsSynced Point = "objects-synced"
	// ObjectsMoved is when the files have the names by which git finds them.
	ObjectsMoved Point = "objects-moved"
	// RefsPrepared is when git holds the locks of all refs that move.
	RefsPrepared Point = "refs-prepared"
	// ObjectsStored is when the names of the files are on the disk as well.
	ObjectsStored Point = "objects-stored"
	// RefsIntended is when a move of several refs is written down. What moves one ref does not reach it.
	RefsIntended Point = "refs-intended"
	// RefsMoving is when git was told to move the refs, and may be at it.
	RefsMoving Point = "refs-moving"
	// RefsMoved is when git has moved them.
	RefsMoved Point = "refs-moved"
	// RefsSynced is when they are on the disk.
	RefsSynced Point = "refs-synced"
	// RefsPublished is when readers see them.
	RefsPublished Point = "refs-published"
	// EventAppended is when the journal has taken the events. Next is the answer.
	EventAppended Point = "event-appended"
)

// The points of the creation and of the deletion of a repository, before the last two of the above.
const (
	// RepositoryBuilt is when a new repository is on the disk, and not in its place.
	RepositoryBuilt Point = "repository-built"
	// RepositoryMoved is when a repository was moved into its place, or out of it.
	RepositoryMoved Point = "repository-moved"
	// RepositorySynced is when that is on the disk.
	RepositorySynced Point = "repository-synced"
)

// The points of the replacement of a file of a repository, such as the one that has its policy.
const (
	// FileWritten is when the new file is on the disk, and not in its place.
	FileWritten Point = "file-written"
	// FileMoved is when it is in its place. Next that is put on the disk.
	FileMoved Point = "file-moved"
)

// The points of a maintenance that puts refs into one file.
const (
	// RefsPacked is when the file is there, and its name may not be on the disk.
	RefsPacked Point = "refs-packed"
	// PackedRefsSynced is when its name is on the disk.
	PackedRefsSynced Point = "packed-refs-synced"
	// RefsPruned is when the refs have no files of their own any more.
	RefsPruned Point = "refs-pruned"
)

// The files by which a test has a say in what happens, and hears of it.
const (
	// Hold holds the name of a point: who reaches it goes no further while the file is there.
	Hold Point = "hold"
	// SlowSyncs holds how much longer each sync takes, as [time.ParseDuration] reads it.
	SlowSyncs Point = "slow-syncs"
	// FailingSyncs holds a regular expression: syncs of matching paths fail with EIO for as long as the file is there.
	FailingSyncs Point = "failing-syncs"
	// FailingSync is the same for one sync.
	FailingSync Point = "failing-sync"
	// Trace is told, if it is there, of each point that is "reached", by its name, and of each sync: whether it was "synced" or
	// "failed", the inode and when it was last written, and the path.
	Trace Point = "trace"
)
