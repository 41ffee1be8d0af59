package packfile_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/packfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

var ample = packfile.Limits{Bytes: 1 << 30, Objects: 1000, Blob: 1 << 30}

// packOf is a pack of entries, without its checksum being right.
func packOf(entries ...string) string {
	b := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(entries)))
	return string(b) + strings.Join(entries, "") + strings.Repeat("x", git.SHA1.Size())
}

// entry is one of a type that says it has size bytes.
func entry(kind byte, size int64, base string, deflated []byte) string {
	first := kind<<4 | byte(size&15)
	var b []byte
	for size >>= 4; size > 0; size >>= 7 {
		b = append(b, first|0x80)
		first = byte(size & 0x7f)
	}
	return string(append(b, first)) + base + string(deflated)
}

func deflated(t testing.TB, r io.Reader) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, err := io.Copy(w, r)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// delta is one that says how large its base and its result are.
func delta(t testing.TB, base, result uint64) string {
	content := append(binary.AppendUvarint(binary.AppendUvarint(nil, base), result), "insert"...)
	return entry(7, int64(len(content)), strings.Repeat("i", git.SHA1.Size()), deflated(t, bytes.NewReader(content)))
}

// zeros is the deflated form (RFC 1950) of n times a MiB of zeros. All but the first are deflated to the same bytes, which are
// repeated here rather than deflated each time.
func zeros(t testing.TB, n int) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	mib := make([]byte, 1<<20)
	ends := make([]int, 3)
	for i := range ends {
		_, err := w.Write(mib)
		require.NoError(t, err)
		require.NoError(t, w.Flush())
		ends[i] = b.Len()
	}
	require.Equal(t, b.Bytes()[ends[0]:ends[1]], b.Bytes()[ends[1]:ends[2]])
	all := append(bytes.Clone(b.Bytes()[:ends[0]]), bytes.Repeat(b.Bytes()[ends[0]:ends[1]], n-1)...)
	all = append(all, 1, 0, 0, 0xff, 0xff) // an empty last block
	// Adler-32 of zeros.
	return binary.BigEndian.AppendUint32(all, uint32(n<<20%65521)<<16|1)
}

func TestAPackOfGitIsTaken(t *testing.T) {
	for _, format := range []git.ObjectFormat{git.SHA1, git.SHA256} {
		r := gitcmd.InitFormat(t, format)
		r.FastImport([]byte("blob\nmark :1\ndata 10000\n" + strings.Repeat("a line\n\n\n\n", 1000) + "\ncommit refs/heads/main\ncommitter A <a@example.com> 1 +0000\ndata 1\nx\nM 100644 :1 a\n" +
			"commit refs/heads/main\ncommitter A <a@example.com> 1 +0000\ndata 1\nx\nM 100644 inline a\ndata 9999\n" + strings.Repeat("a line\n\n\n\n", 1000)[1:] + "\ndone\n"))
		pack := r.Git([]byte("HEAD\n"), "pack-objects", "--revs", "--stdout", "--delta-base-offset", "--quiet")
		contents, err := packfile.Check(iotest.OneByteReader(bytes.NewReader(pack)), format, ample)
		require.NoError(t, err)
		assert.Equal(t, int64(6), contents.Objects)
		for n := range pack {
			_, err := packfile.Check(bytes.NewReader(pack[:n]), format, ample)
			require.True(t, errs.Is(err, errs.ReasonInvalidPack), "cut to %d bytes: %v", n, err)
		}
	}
}

func TestWhatAPackBecomesIsLimited(t *testing.T) {
	bomb := zeros(t, 1<<10)
	require.Less(t, len(bomb), 2<<20)
	small := entry(3, 5, "", deflated(t, strings.NewReader("small")))
	limits := packfile.Limits{Bytes: 1 << 20, Objects: 2, Blob: 1 << 30}
	for what, tt := range map[string]struct {
		pack   string
		limits packfile.Limits
		want   string
	}{
		"a GiB in a MiB":         {packOf(entry(3, 1<<30, "", bomb)), ample, "200 times as large"},
		"a file above the limit": {packOf(entry(3, 1<<30+1, "", nil)), ample, "a file of 1073741825 bytes is larger than the limit"},
		"a large tree":           {packOf(entry(2, 16<<20+1, "", nil)), ample, "a directory whose list of entries has 16777217 bytes"},
		"a long message":         {packOf(entry(1, 1<<20+1, "", nil)), ample, "a commit or tag of 1048577 bytes"},
		"a long tag":             {packOf(entry(4, 1<<20+1, "", nil)), ample, "write a shorter message"},
		"a large delta":          {packOf(small, entry(6, 64<<20+1, string([]byte{byte(len(small))}), nil)), ample, "a delta of"},
		"a delta of much":        {packOf(delta(t, 1<<40, 5)), ample, "comes as a delta"},
		"a delta to much":        {packOf(delta(t, 5, 1<<40)), ample, "core.bigFileThreshold=32m"},
		"too many objects":       {packOf(small, small, small), limits, "the push has 3 objects"},
		"too many bytes":         {packOf(entry(3, 2<<20, "", deflated(t, io.LimitReader(rand.Reader, 2<<20)))), limits, "larger than the limit of 1048576 bytes"},
	} {
		_, err := packfile.Check(strings.NewReader(tt.pack), git.SHA1, tt.limits)
		assert.True(t, errs.Is(err, errs.ReasonPackTooLarge), "%s: %v", what, err)
		assert.ErrorContains(t, err, tt.want, what)
	}
	many := make([]string, 200)
	for i := range many {
		many[i] = delta(t, 5, 64<<20)
	}
	_, err := packfile.Check(strings.NewReader(packOf(many...)), git.SHA1, ample)
	assert.ErrorContains(t, err, "have more than 8589934592 bytes together")
}

func TestWhatIsAddedToAThinPackCountsAsWhatItMakes(t *testing.T) {
	once, twice := delta(t, 5, 64<<20), delta(t, 5, 5)
	contents, err := packfile.Check(strings.NewReader(packOf(once, twice, twice)), git.SHA1, ample)
	require.NoError(t, err)
	base, err := git.ObjectIDFromBytes(bytes.Repeat([]byte("i"), git.SHA1.Size()))
	require.NoError(t, err)
	assert.Equal(t, map[git.ObjectID]int32{base: 0}, contents.Bases)
	for range 126 {
		require.NoError(t, contents.Add(64<<20))
	}
	assert.ErrorContains(t, contents.Add(64<<20), "have more than 8589934592 bytes together")
	assert.ErrorContains(t, contents.Add(64<<20+1), "comes as a delta")
}

// deltas is a pack of deltas, of which each tells how many entries in front of it its base is, or names its base.
type deltas struct {
	content []byte // that of each delta, deflated
	size    int64
	entries []string
	offsets []int64
	end     int64
}

func newDeltas(t testing.TB) *deltas {
	content := binary.AppendUvarint(binary.AppendUvarint(nil, 5), 5)
	d := &deltas{content: deflated(t, bytes.NewReader(content)), size: int64(len(content)), end: 12}
	d.add(entry(3, 5, "", deflated(t, strings.NewReader("small"))))
	return d
}

func (d *deltas) add(entry string) {
	d.entries, d.offsets = append(d.entries, entry), append(d.offsets, d.end)
	d.end += int64(len(entry))
}

// on adds a delta on the i-th entry, as gitformat-pack(5) has the distance.
func (d *deltas) on(i int) {
	back := d.end - d.offsets[i]
	distance := []byte{byte(back & 0x7f)}
	for back >>= 7; back > 0; back >>= 7 {
		back--
		distance = append([]byte{byte(back&0x7f) | 0x80}, distance...)
	}
	d.add(entry(6, d.size, string(distance), d.content))
}

// onNamed adds a delta on an object.
func (d *deltas) onNamed(base git.ObjectID) {
	d.add(entry(7, d.size, string(base.Bytes()), d.content))
}

func (d *deltas) check() (*packfile.Contents, error) {
	limits := ample
	limits.Objects = 1 << 20
	return packfile.Check(strings.NewReader(packOf(d.entries...)), git.SHA1, limits)
}

const maxDepth = 4095

func TestChainsOfDeltasAreLimited(t *testing.T) {
	d := newDeltas(t)
	for i := range maxDepth {
		d.on(i)
	}
	contents, err := d.check()
	require.NoError(t, err)
	require.False(t, contents.MayBeDeep(), "the pack names no bases")
	for range 10 {
		d.on(maxDepth - 1)
	}
	_, err = d.check()
	require.NoError(t, err, "several on one base make no chain")
	d.on(maxDepth)
	_, err = d.check()
	require.True(t, errs.Is(err, errs.ReasonPackTooLarge), "%v", err)
	require.ErrorContains(t, err, "a chain of more than 4095 deltas")
}

func TestChainsOfDeltasAreLimitedOverBasesThatAreNamed(t *testing.T) {
	id := func(i int) git.ObjectID { return git.SHA1.HashObject(git.BlobObject, fmt.Append(nil, i)) }
	for name, tt := range map[string]struct {
		links  int
		named  func(i int) bool // whether the i-th link names its base
		mayBe  bool
		refuse bool
	}{
		"as many as the limit":             {maxDepth, func(int) bool { return true }, true, false},
		"one more":                         {maxDepth + 1, func(int) bool { return true }, true, true},
		"one named in the middle":          {maxDepth + 1, func(i int) bool { return i == 2000 }, true, true},
		"one named in the middle, no more": {maxDepth, func(i int) bool { return i == 2000 }, true, false},
		"few":                              {60, func(i int) bool { return i%2 == 0 }, false, false},
	} {
		for _, backward := range []bool{false, true} {
			d := newDeltas(t)
			at := map[git.ObjectID]int64{}
			if backward && tt.named(1) && tt.named(2) { // bases that are named may come later
				for i := tt.links; i > 0; i-- {
					d.onNamed(id(i - 1))
					at[id(i)] = d.offsets[len(d.offsets)-1]
				}
				at[id(0)] = d.offsets[0]
			} else {
				for i := range tt.links {
					at[id(i)] = d.offsets[i]
					if tt.named(i) {
						d.onNamed(id(i))
					} else {
						d.on(i)
					}
				}
			}
			contents, err := d.check()
			require.NoError(t, err, name)
			require.Equal(t, tt.mayBe, contents.MayBeDeep(), name)
			require.NoError(t, contents.CheckDepth(nil), "%s: the repository has the bases", name)
			err = contents.CheckDepth(at)
			require.Equal(t, tt.refuse, errs.Is(err, errs.ReasonPackTooLarge), "%s, backward %t: %v", name, backward, err)
			if !tt.refuse {
				require.NoError(t, err, name)
			}
		}
	}
}

func TestDeltasThatLeadToEachOtherEndTheCheck(t *testing.T) {
	d := newDeltas(t)
	a, b := git.SHA1.HashObject(git.BlobObject, []byte("a")), git.SHA1.HashObject(git.BlobObject, []byte("b"))
	d.onNamed(b)
	d.onNamed(a)
	contents, err := d.check()
	require.NoError(t, err)
	err = contents.CheckDepth(map[git.ObjectID]int64{a: d.offsets[1], b: d.offsets[2]})
	require.True(t, errs.Is(err, errs.ReasonPackTooLarge), "%v", err)
}

func TestDeltasAreToldThatMayMakeTooMuch(t *testing.T) {
	limits := ample
	pack := packOf(delta(t, 5, 1<<20), delta(t, 5, 1<<20+1), delta(t, 5, 1<<10), delta(t, 5, 1<<20+1))
	size := int64(len(delta(t, 5, 1<<20+1)))
	contents, err := packfile.Check(strings.NewReader(pack), git.SHA1, limits)
	require.NoError(t, err)
	assert.Equal(t, []int64{12 + int64(len(delta(t, 5, 1<<20))), int64(len(pack)-git.SHA1.Size()) - size}, contents.Large, "a commit may not have as much")
	limits.Blob = 1 << 10
	contents, err = packfile.Check(strings.NewReader(pack), git.SHA1, limits)
	require.NoError(t, err)
	assert.Len(t, contents.Large, 3, "a file may not have as much")
}

func TestWhatIsNoPackIsTold(t *testing.T) {
	small := deflated(t, strings.NewReader("small"))
	for what, pack := range map[string]string{
		"nothing":               "",
		"text":                  "hello, this is no pack",
		"version 4":             "PACK\x00\x00\x00\x04\x00\x00\x00\x00" + strings.Repeat("x", 20),
		"type 0":                packOf(entry(0, 5, "", small)),
		"type 5":                packOf(entry(5, 5, "", small)),
		"a size without end":    packOf(strings.Repeat("\xff", 30)),
		"an offset without end": packOf(entry(6, 5, strings.Repeat("\xff", 30), small)),
		"more than it says":     packOf(entry(3, 4, "", small)),
		"less than it says":     packOf(entry(3, 6, "", small)),
		"not deflated":          packOf(entry(3, 5, "", []byte("small"))),
		"a bad deflation":       packOf(entry(3, 5, "", append([]byte{0x78, 0x9c, 0xff}, small...))),
		"an offset of nothing":  packOf(entry(6, 5, "\x00", small)),
		"a base in the header":  packOf(entry(3, 5, "", small), entry(6, 5, string([]byte{byte(len(entry(3, 5, "", small)) + 1)}), small)),
		"an empty delta":        packOf(entry(7, 0, strings.Repeat("i", 20), deflated(t, strings.NewReader("")))),
		"something behind":      packOf(entry(3, 5, "", small)) + "x",
	} {
		_, err := packfile.Check(strings.NewReader(pack), git.SHA1, ample)
		assert.True(t, errs.Is(err, errs.ReasonInvalidPack), "%s: %v", what, err)
	}
	_, err := packfile.Check(iotest.ErrReader(io.ErrClosedPipe), git.SHA1, ample)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(packOf(entry(3, 5, "", deflated(f, strings.NewReader("small"))), delta(f, 5, 5))))
	f.Fuzz(func(t *testing.T, pack []byte) {
		_, err := packfile.Check(bytes.NewReader(pack), git.SHA1, packfile.Limits{Bytes: 1 << 16, Objects: 100, Blob: 1 << 16})
		if err != nil && !errs.Is(err, errs.ReasonInvalidPack, errs.ReasonPackTooLarge) {
			t.Errorf("%v", err)
		}
	})
}
