package git_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

func TestHashObjectEqualsGitHashObject(t *testing.T) {
	contents := [][]byte{nil, []byte("x"), []byte("a\nb\n"), []byte("a\r\nb"), {0}, []byte("\xff\xfe"), bytes.Repeat([]byte("0123456789"), 10_000)}
	for _, format := range []git.ObjectFormat{git.SHA1, git.SHA256} {
		r := gitcmd.InitFormat(t, format)
		for _, content := range contents {
			for _, typ := range []git.ObjectType{git.BlobObject, git.CommitObject, git.TagObject, git.TreeObject} {
				if got, want := format.HashObject(typ, content), r.Put(typ, content); got != want || got.Format() != format {
					t.Errorf("%s: HashObject(%s, %.10q) = %s, want %s", format, typ, content, got, want)
				}
			}
		}
		if got, want := format.EmptyTree(), r.ID(strings.TrimSpace(string(r.Git(nil, "mktree")))); got != want {
			t.Errorf("%s: EmptyTree = %s, want %s", format, got, want)
		}
	}
}

func TestObjectIDIsReadFromTextAndBytes(t *testing.T) {
	for _, s := range []string{strings.Repeat("0123456789", 4), strings.Repeat("0", 39) + "1", strings.Repeat("f", 64), strings.Repeat("0", 63) + "1"} {
		id, err := git.ParseObjectID(s)
		if err != nil || id.String() != s || id.IsZero() || len(id.Bytes()) != id.Format().Size() {
			t.Errorf("ParseObjectID(%q) = %q, %v", s, id, err)
		}
		if upper, err := git.ParseObjectID(strings.ToUpper(s)); err != nil || upper != id {
			t.Errorf("ParseObjectID(%q) = %q, %v, want %q", strings.ToUpper(s), upper, err, id)
		}
		if again, err := git.ObjectIDFromBytes(id.Bytes()); err != nil || again != id {
			t.Errorf("ObjectIDFromBytes(%x) = %q, %v, want %q", id.Bytes(), again, err, id)
		}
		if text, err := json.Marshal(id); err != nil || string(text) != `"`+s+`"` {
			t.Errorf("the JSON of %s is %s, %v", s, text, err)
		}
	}
}

func TestObjectIDRefusesWhatIsNotOneInFull(t *testing.T) {
	for _, s := range []string{
		"", "0", "abc1234", strings.Repeat("a", 39), strings.Repeat("a", 41), strings.Repeat("a", 63), strings.Repeat("a", 65), strings.Repeat("0", 40), strings.Repeat("0", 64),
		strings.Repeat("g", 40), " " + strings.Repeat("a", 39), strings.Repeat("a", 39) + "\n", "0x" + strings.Repeat("a", 38), "-" + strings.Repeat("a", 39), strings.Repeat("é", 20),
	} {
		if id, err := git.ParseObjectID(s); !errs.Is(err, errs.ReasonInvalidObjectID) || !id.IsZero() {
			t.Errorf("ParseObjectID(%q) = %q, %v, want INVALID_OBJECT_ID", s, id, err)
		}
	}
	for _, n := range []int{0, 1, 19, 20, 21, 31, 32, 33} {
		if id, err := git.ObjectIDFromBytes(make([]byte, n)); !errs.Is(err, errs.ReasonInvalidObjectID) || !id.IsZero() {
			t.Errorf("ObjectIDFromBytes of %d zeros = %q, %v, want INVALID_OBJECT_ID", n, id, err)
		}
	}
}

func TestZeroObjectIDNamesNothing(t *testing.T) {
	var id git.ObjectID
	if !id.IsZero() || id.String() != "" || len(id.Bytes()) != 0 || id.Format() != 0 || id.Format().Size() != 0 {
		t.Errorf("the zero ID is %q of format %s", id, id.Format())
	}
}

func TestNamesOfFormatsAndTypesAreReadBack(t *testing.T) {
	for _, f := range []git.ObjectFormat{git.SHA1, git.SHA256} {
		if got, err := git.ParseObjectFormat(f.String()); err != nil || got != f {
			t.Errorf("ParseObjectFormat(%q) = %v, %v", f, got, err)
		}
	}
	for _, s := range []string{"", "SHA1", "sha-1", "md5", "unknown"} {
		if _, err := git.ParseObjectFormat(s); !errs.Is(err, errs.ReasonInvalidArgument) {
			t.Errorf("ParseObjectFormat(%q) fails with %v", s, err)
		}
	}
	for _, typ := range []git.ObjectType{git.CommitObject, git.TreeObject, git.BlobObject, git.TagObject} {
		if got, ok := git.ParseObjectType(typ.String()); !ok || got != typ {
			t.Errorf("ParseObjectType(%q) = %v, %t", typ, got, ok)
		}
	}
	for _, s := range []string{"", "Blob", "unknown", "blob "} {
		if _, ok := git.ParseObjectType(s); ok {
			t.Errorf("ParseObjectType accepts %q", s)
		}
	}
}
