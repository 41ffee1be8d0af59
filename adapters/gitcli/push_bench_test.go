package gitcli_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

// BenchmarkPush pushes 1,000 commits, each of which changes one of 400 files of 7 KB, to a repository with as many.
func BenchmarkPush(b *testing.B) {
	const commits = 1000
	s := newPushShop(b, gitcli.Options{})
	var stream strings.Builder
	rnd := rand.NewChaCha8([32]byte{1})
	noise := make([]byte, 5<<10)
	for i := range 2 * commits {
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter A <a@example.com> %d +0000\ndata 1\nx\n", 1_700_000_000+i)
		_, _ = rnd.Read(noise)
		content := base64.StdEncoding.EncodeToString(noise)
		fmt.Fprintf(&stream, "M 100644 inline d%02d/f%02d\ndata %d\n%s\n", rnd.Uint64()%20, rnd.Uint64()%20, len(content), content)
	}
	r := gitcmd.Init(b)
	r.FastImport([]byte(stream.String() + "done\n"))
	id := func(revision string) git.ObjectID {
		return value[git.ObjectID](b)(git.ParseObjectID(r.Lines("rev-parse", revision)[0]))
	}
	pack := func(revisions string) string {
		return string(r.Git([]byte(revisions), "pack-objects", "--revs", "--thin", "--delta-base-offset", "--stdout", "--quiet"))
	}
	head, base := id("main"), id(fmt.Sprintf("main~%d", commits))
	_, report := s.push(pack(base.String()+"\n"), "", move("refs/heads/main", git.ObjectID{}, base))
	require.Contains(b, report, "ok refs/heads/main\n")
	pushed := pack(head.String() + "\n^" + base.String() + "\n")
	b.SetBytes(int64(len(pushed)))
	for b.Loop() {
		_, report := s.push(pushed, "", move("refs/heads/new", git.ObjectID{}, head))
		require.Contains(b, report, "ok refs/heads/new\n")
		b.StopTimer()
		_, report = s.push("", "", move("refs/heads/new", head, git.ObjectID{}))
		require.Contains(b, report, "ok refs/heads/new\n")
		b.StartTimer()
	}
}

// BenchmarkMemoryOfAPush pushes trees that are all different, and tells how much of the heap one takes at most.
func BenchmarkMemoryOfAPush(b *testing.B) {
	const dirs, below = 600, 500
	p := &handmade{}
	blob := p.add(git.BlobObject, "x")
	var top []git.TreeEntry
	for i := range dirs {
		var entries []git.TreeEntry
		for j := range below {
			tree := p.tree(git.TreeEntry{Name: fmt.Sprint(i*below + j), Mode: git.ModeRegular, ID: blob})
			entries = append(entries, git.TreeEntry{Name: fmt.Sprintf("%03d", j), Mode: git.ModeDirectory, ID: tree})
		}
		top = append(top, git.TreeEntry{Name: fmt.Sprintf("%03d", i), Mode: git.ModeDirectory, ID: p.tree(entries...)})
	}
	head := p.commit(p.tree(top...))
	pack := p.pack()
	for b.Loop() {
		s := newPushShop(b, gitcli.Options{})
		before, ended, most := liveHeap(), make(chan bool), make(chan uint64)
		go func() {
			var live uint64
			for {
				select {
				case <-ended:
					most <- live
					return
				default:
					live = max(live, liveHeap())
				}
			}
		}()
		_, report := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head))
		close(ended)
		require.Contains(b, report, "ok refs/heads/main\n")
		held := <-most - before - uint64(len(pack)) // the request of the test is a copy of it
		b.ReportMetric(float64(held)/(dirs*below), "bytes/tree")
	}
}

func liveHeap() uint64 {
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}
