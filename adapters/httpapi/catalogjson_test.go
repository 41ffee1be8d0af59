package httpapi

import (
	"runtime"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/git"
)

func (e *encodedDocuments) size() (n int) {
	e.byDocument.Range(func(any, any) bool {
		n++
		return true
	})
	return n
}

// note is a snapshot of one document.
func note(t *testing.T, base *catalog.Snapshot, text string) *catalog.Snapshot {
	t.Helper()
	path, err := git.ParseTreePath("collections/a.yaml")
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("id: a\nslug: a\ntitle: A\nproducts: []\nnote: " + text + "\n")
	id := git.SHA1.HashObject(git.BlobObject, content)
	s, err := catalog.Build(t.Context(), base, id, []catalog.Change{{Path: path, Blob: id, Size: int64(len(content)), Content: content}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestADocumentIsEncodedOnceAndForgottenWithIt(t *testing.T) {
	var encoded encodedDocuments
	snapshot := note(t, nil, "one")
	first := encoded.of(snapshot.Document("a"))
	if again := encoded.of(snapshot.Document("a")); again != first {
		t.Error("it is encoded twice")
	}
	snapshot = note(t, snapshot, "two")
	if second := encoded.of(snapshot.Document("a")); second.etag == first.etag {
		t.Errorf("the changed document is still %s", second.line)
	}
	// A first collection finds that nobody has the document of before any more, and the clean-up runs soon after.
	for range 1000 {
		if runtime.GC(); encoded.size() == 1 {
			break
		}
		runtime.Gosched()
	}
	if n := encoded.size(); n != 1 {
		t.Errorf("%d documents are kept, want the one that the snapshot has", n)
	}
	runtime.KeepAlive(snapshot)
}
