package catalog

import "sync/atomic"

// snapshots counts those that were made.
var snapshots atomic.Uint64

// What things take, in bytes: measured, and rounded up.
const (
	// weightOfFile is that of a document without its texts: the document itself, and its places in the indexes.
	weightOfFile = 2 << 10
	// weightOfValue is that of a plain value without its text.
	weightOfValue = 64
	// weightOfReference is that of a reference to another document.
	weightOfReference = 160
	// timesSchema is how much more of memory a schema takes than other files of its size.
	timesSchema = 64
	// timesContent is how often the content of a document is in memory: as it is, as searches read it, and in the forms in which
	// it is answered with.
	timesContent = 4
	// weightOfIndexes is, for each document, that of what a snapshot may have for itself though it shares all documents: copies
	// of the indexes, and [keptOrders].
	weightOfIndexes = 256 + 8*keptOrders
	// weightOfSnapshot is that of a snapshot without any document.
	weightOfSnapshot = 64 << 10
)

// weigh returns what a file takes that was read from so many bytes.
func (f *file) weigh(content int) int64 {
	weight := weightOfFile
	if d := f.document; d == nil {
		weight += timesContent * content
	} else {
		weight += timesContent * (len(d.Source) + len(d.Body))
		for _, v := range d.values {
			weight += weightOfValue + len(v.text)
		}
	}
	weight += weightOfReference * len(f.references())
	for _, p := range f.problems() {
		weight += 2*weightOfValue + len(p.Message) + len(p.Field) + len(p.about)
	}
	return int64(weight)
}

// Weight is about the memory that the snapshot takes if it shares nothing with others, in bytes; more rather than less.
func (s *Snapshot) Weight() int64 { return s.OwnWeight() + s.weight }

// OwnWeight is about the memory of a snapshot that shares all of its documents with another, in bytes.
func (s *Snapshot) OwnWeight() int64 { return weightOfSnapshot + int64(s.files.Len())*weightOfIndexes }

// Unshared is about the memory of the documents that the snapshot does not share with another, in bytes. What two have in common
// is known only where [Build] made one from the other; of any others it is all documents.
func (s *Snapshot) Unshared(with *Snapshot) int64 {
	switch {
	case with == nil:
		return s.weight
	case s.id == with.id:
		return 0
	case s.from == with.id:
		return s.fresh
	case s.id == with.from:
		return with.replaced
	}
	return s.weight
}
