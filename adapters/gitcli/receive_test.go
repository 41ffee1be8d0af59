package gitcli_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/pktline"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
	"github.com/gitstore-dev/gitstore/ports"
)

// delta adds a delta that says its base has baseSize bytes, and makes of it the insertion and times copies of its first
// length bytes.
func (p *handmade) delta(base git.ObjectID, baseSize int, insertion string, times, length int) {
	content := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(baseSize)), uint64(len(insertion)+times*length))
	for rest := insertion; rest != ""; {
		n := min(len(rest), 127)
		content = append(append(content, byte(n)), rest[:n]...)
		rest = rest[n:]
	}
	for range times {
		content = append(content, 0xf0, byte(length), byte(length>>8), byte(length>>16))
	}
	p.entry(7, string(base.Bytes()), string(content))
}

func TestWhatADeltaMakesIsHeldToTheLimitOfItsType(t *testing.T) {
	s := newPushShop(t, gitcli.Options{MaxFileSize: 2 << 20})
	const head = "author A <a@example.com> 1700000000 +0000\ncommitter A <a@example.com> 1700000000 +0000\n\n"
	line := strings.Repeat("x", 1023) + "\n"

	p := &handmade{}
	tree := p.tree()
	base := "tree " + tree.String() + "\n" + head + strings.Repeat(line, 900)
	first := p.add(git.CommitObject, base)
	insertion := "tree " + tree.String() + "\nparent " + first.String() + "\n" + head
	p.delta(first, len(base), insertion, 10, len(base))
	second := git.SHA1.HashObject(git.CommitObject, []byte(insertion+strings.Repeat(base, 10)))
	_, report := s.push(p.pack(), "", move("refs/heads/main", git.ObjectID{}, second))
	require.Contains(t, report, "unpack a commit or tag of 9217522 bytes is larger than the limit of 1048576")
	require.False(t, s.has("refs/heads/main"))

	file := strings.Repeat(line, 1000)
	withFile := func(times int) (pack string, head git.ObjectID) {
		p := &handmade{}
		from := p.add(git.BlobObject, file)
		p.delta(from, len(file), "", times, len(file))
		to := git.SHA1.HashObject(git.BlobObject, bytes.Repeat([]byte(file), times))
		head = p.commit(p.tree(git.TreeEntry{Name: "a", Mode: git.ModeRegular, ID: from}, git.TreeEntry{Name: "b", Mode: git.ModeRegular, ID: to}))
		return p.pack(), head
	}
	pack, to := withFile(3)
	_, report = s.push(pack, "", move("refs/heads/main", git.ObjectID{}, to))
	require.Contains(t, report, "unpack a file of 3072000 bytes is larger than the limit of 2097152")
	require.False(t, s.has("refs/heads/main"))
	pack, to = withFile(2)
	_, report = s.push(pack, "", move("refs/heads/main", git.ObjectID{}, to))
	require.Contains(t, report, "ok refs/heads/main\n", "a file may be larger than a commit")
}

func TestWhatGitAddsToAThinPackIsHeldToTheLimits(t *testing.T) {
	s := newPushShop(t, gitcli.Options{})
	content := strings.Repeat("large", 13<<20)
	head := commit(t, s.repo, upsert(path(t, "large"), content), upsert(path(t, "small"), "small")).Commit
	push := func(base string, baseSize int) string {
		p := &handmade{}
		p.delta(git.SHA1.HashObject(git.BlobObject, []byte(base)), baseSize, "new", 0, 0)
		to := p.commit(p.tree(git.TreeEntry{Name: "a", Mode: git.ModeRegular, ID: git.SHA1.HashObject(git.BlobObject, []byte("new"))}), head)
		_, report := s.push(p.pack(), "", move("refs/heads/other", git.ObjectID{}, to))
		return report
	}
	require.Contains(t, push(content, len("small")), "unpack a file of more than 67108864 bytes comes as a delta", "whatever the delta says")
	require.False(t, s.has("refs/heads/other"))
	require.Contains(t, push("small", len("small")), "ok refs/heads/other\n")
}

func TestAPushBringsNoLongerChainsOfDeltasThanTheLimit(t *testing.T) {
	const limit = 4095
	for _, known := range []bool{false, true} { // whether the repository has all that the deltas make
		for links, taken := range map[int]bool{limit: true, limit + 1: false} {
			s := newPushShop(t, gitcli.Options{})
			whole, p := &handmade{}, &handmade{}
			at := whole.add(git.BlobObject, "0")
			p.add(git.BlobObject, "0")
			for i := range links {
				p.delta(at, len(fmt.Sprint(i)), fmt.Sprint(i+1), 0, 0)
				at = whole.add(git.BlobObject, fmt.Sprint(i+1))
			}
			from := whole.commit(whole.tree(wide(at, 1)...))
			to := p.commit(p.tree(wide(at, 2)...))
			if known {
				_, report := s.push(whole.pack(), "", move("refs/heads/whole", git.ObjectID{}, from))
				require.Contains(t, report, "ok refs/heads/whole\n")
			}
			_, report := s.push(p.pack(), "", move("refs/heads/main", git.ObjectID{}, to))
			if taken {
				require.Contains(t, report, "ok refs/heads/main\n")
				continue
			}
			require.Contains(t, report, "unpack a chain of more than 4095 deltas takes too long to read")
			require.False(t, s.has("refs/heads/main"))
		}
	}
}

func TestAFailureOfGitIsNotTheClients(t *testing.T) {
	head, pack := elsewhere(t, "x")
	for _, tt := range []struct{ command, does, logged string }{
		{"index-pack", "kill -9 $$", "signal: killed"},
		{"index-pack", "echo fatal: read error on input: Input/output error >&2; exit 128", "read error on input"},
		{"index-pack", "exit 3", "exit status 3"},
		{"rev-list", "kill -9 $$", "signal: killed"},
		{"rev-list", "echo fatal: packed object 1234 is corrupt >&2; exit 128", "packed object 1234 is corrupt"},
	} {
		s := newPushShop(t, gitcli.Options{GitPath: scripted(t, fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = %s ]; then %s; fi\nexec git \"$@\"\n", tt.command, tt.does))})
		_, report := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head))
		told := regexp.MustCompile(`ng refs/heads/main internal error: the log has it under incident (\w+)\n`).FindStringSubmatch(report)
		require.NotEmpty(t, told, "%+v: %s", tt, report)
		require.Contains(t, s.log.String(), `"level":"ERROR","msg":"a push failed","incident":"`+told[1]+`"`)
		require.Contains(t, s.log.String(), tt.logged)
		require.Equal(t, 1, strings.Count(s.log.String(), "a push failed"), "it is logged once")
		require.Equal(t, map[errs.Reason]int64{errs.ReasonInternal: 1}, s.Stats().PushesRefused, "%+v", tt)
	}
	s := newPushShop(t, gitcli.Options{GitPath: scripted(t, "#!/bin/sh\nif [ $1 = rev-list ]; then echo fatal: unable to write file: No space left on device >&2; exit 128; fi\nexec git \"$@\"\n")})
	_, report := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head))
	require.Contains(t, report, "ng refs/heads/main the disk is full")
}

func TestAPushThatCannotBeginIsReadToItsEnd(t *testing.T) {
	head, pack := elsewhere(t, "x")
	dir := t.TempDir()
	s := openStore(t, dir)
	createShop(t, s)
	tmp := filepath.Join(dir, "tmp")
	require.NoError(t, os.RemoveAll(tmp))
	require.NoError(t, os.WriteFile(tmp, nil, 0o600))
	req := pktline.Append(nil, move("refs/heads/main", git.ObjectID{}, head)+"\x00report-status")
	in, out := strings.NewReader(string(append(req, pktline.Flush...))+pack), &bytes.Buffer{}
	require.NoError(t, s.ReceivePack(t.Context(), shopID(t), 0, in, out))
	require.Contains(t, out.String(), "unpack internal error")
	require.Contains(t, out.String(), "ng refs/heads/main internal error")
	require.Zero(t, in.Len(), "a client that sends looks at no answer")
}

func TestHistoryIsNotReadAgainWhileTheRepositoryIsHeld(t *testing.T) {
	s := newPushShop(t, gitcli.Options{})
	const commits = 300
	var stream strings.Builder
	for i := range commits {
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter A <a@example.com> %d +0000\ndata 1\nx\n", 1_700_000_000+i)
	}
	require.NoError(t, s.Import(t.Context(), shopID(t), strings.NewReader(stream.String()+"done\n")))
	from := value[ports.Resolved](t)(s.repo.ResolveRevision(t.Context(), git.Head())).Commit
	to, pack := elsewhere(t, "x")
	release, err := s.HoldWriter(shopID(t))
	require.NoError(t, err)
	report := make(chan string)
	go func() {
		defer close(report)
		_, got := s.push(pack, "", move("refs/heads/main", from, to))
		report <- got
	}()
	require.NoError(t, s.WaitUntilQueued(shopID(t), 0))
	before := s.Stats().CacheReads
	require.Greater(t, before, int64(commits), "whether commits are dropped is found out first")
	release()
	require.Contains(t, <-report, "ok refs/heads/main\n")
	require.Less(t, s.Stats().CacheReads-before, int64(commits))
}

// awaiting is the answer to a push of a client that notes, in a file, when it is told to go on waiting.
type awaiting struct {
	bytes.Buffer
	file string
}

func (a *awaiting) Write(b []byte) (int, error) {
	if string(b) == "0005\x01" {
		if err := os.WriteFile(a.file, nil, 0o600); err != nil {
			return 0, err
		}
	}
	return a.Buffer.Write(b)
}

func TestAClientThatWaitsForItsPushHearsThatItIsBeingWorkedOn(t *testing.T) {
	head, pack := elsewhere(t, "x")
	for _, command := range []string{"index-pack", "rev-list"} {
		out := &awaiting{file: filepath.Join(t.TempDir(), "heard")}
		s := newPushShop(t, gitcli.Options{GitPath: scripted(t, fmt.Sprintf(`#!/bin/sh
if [ "$1" != %s ]; then exec git "$@"; fi
said=$(git "$@") || exit
tries=1000
while [ ! -e %s ] && [ $((tries -= 1)) -gt 0 ]; do sleep 0.01; done
echo "$said"
`, command, out.file))})
		s.KeepAliveEvery(time.Millisecond)
		req := pktline.Append(nil, move("refs/heads/main", git.ObjectID{}, head)+"\x00report-status side-band-64k")
		req = append(append(req, pktline.Flush...), pack...)
		require.NoError(t, s.ReceivePack(t.Context(), shopID(t), 0, bytes.NewReader(req), out))
		require.FileExists(t, out.file, "while git %s is at work", command)
		require.Contains(t, out.String(), "ok refs/heads/main\n")
	}
}

// broken is an answer that nobody takes.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAPushThatTakesEffectIsCountedThoughItsClientLeaves(t *testing.T) {
	head, pack := elsewhere(t, "x")
	leave := func() {}
	s := newPushShop(t, gitcli.Options{Observer: observer(func(event.Event) { leave() })})
	ctx, cancel := context.WithCancel(t.Context())
	leave = cancel
	request := func(ref string) io.Reader {
		req := pktline.Append(nil, move(ref, git.ObjectID{}, head)+"\x00report-status side-band-64k")
		return strings.NewReader(string(append(req, pktline.Flush...)) + pack)
	}
	require.Error(t, s.ReceivePack(ctx, shopID(t), 0, request("refs/heads/main"), broken{}))
	require.Error(t, ctx.Err())
	require.True(t, s.has("refs/heads/main"))
	require.EqualValues(t, 1, s.Stats().Pushes)

	require.Error(t, s.ReceivePack(ctx, shopID(t), 0, request("refs/heads/other"), broken{}))
	require.False(t, s.has("refs/heads/other"))
	require.EqualValues(t, 1, s.Stats().Pushes, "it had left before")
}

func TestHooksInARepositoryAreNotRun(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	shop := pushShop{Store: s, t: t, repo: createShop(t, s)}
	head := commit(t, shop.repo, upsert(path(t, "a.md"), "1")).Commit
	dir, ran := repositoryDir(t, root), filepath.Join(t.TempDir(), "ran")
	hooks := filepath.Join(dir, "hooks")
	require.NoError(t, os.MkdirAll(hooks, 0o700))
	for _, name := range []string{"pre-receive", "update", "proc-receive", "reference-transaction", "post-receive", "post-update", "push-to-checkout", "pre-auto-gc"} {
		require.NoError(t, os.WriteFile(filepath.Join(hooks, name), []byte("#!/bin/sh\ntouch "+ran+"\n"), 0o700))
	}
	gitcmd.Run(t, nil, "--git-dir="+dir, "update-ref", "refs/notes/x", head.String())
	require.FileExists(t, ran, "git runs them")
	require.NoError(t, os.Remove(ran))

	require.NoError(t, s.Close())
	shop.Store = openStore(t, root)
	to, pack := elsewhere(t, "x")
	_, report := shop.push(pack, "atomic", move("refs/heads/x", git.ObjectID{}, to), move("refs/tags/x", git.ObjectID{}, to))
	require.Contains(t, report, "ok refs/heads/x\n")
	_, report = shop.push("", "delete-refs", move("refs/heads/x", to, git.ObjectID{}))
	require.Contains(t, report, "ok refs/heads/x\n")
	commit(t, shop.Repository(shopID(t)), upsert(path(t, "a.md"), "2"))
	require.NoFileExists(t, ran)
}

// silent is a client that sends no more than it has said, and says when it is stopped.
type silent struct {
	io.Reader
	stopped chan struct{}
}

func (s silent) Read(b []byte) (int, error) {
	if n, err := s.Reader.Read(b); n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	<-s.stopped
	return 0, errors.New("stopped")
}

func (s silent) Stop() { close(s.stopped) }

func TestAFetchEndsWithItsAnswerAlthoughTheClientIsSilent(t *testing.T) {
	s := openStore(t, t.TempDir())
	r := createShop(t, s)
	head := commit(t, r, upsert(path(t, "a.md"), "a")).Commit
	fetch := func(in io.Reader, out io.Writer) {
		require.NoError(t, s.UploadPack(t.Context(), shopID(t), 0, in, out))
	}
	request := append(pktline.Append(nil, "want "+head.String()+"\n"), pktline.Flush...)
	request = pktline.Append(request, "done\n")
	var whole, got bytes.Buffer
	fetch(bytes.NewReader(request), &whole)
	fetch(silent{bytes.NewReader(request), make(chan struct{})}, &got)
	require.Contains(t, got.String(), "NAK\nPACK")
	require.Equal(t, whole.Bytes(), got.Bytes())
}

func TestAFetchThatFailsForDamageIsNotTheClients(t *testing.T) {
	root, log := t.TempDir(), &bytes.Buffer{}
	s, err := gitcli.Open(t.Context(), gitcli.Options{Dir: root, Logger: slog.New(slog.NewJSONHandler(log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	createShop(t, s)
	runner, err := command.NewRunner(t.Context(), "git", 1<<30, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	damage := func(c command.Command, input string) string {
		out, err := runner.Output(t.Context(), repositoryDir(t, root), c, strings.NewReader(input))
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	tree := damage(command.Git("mktree", "--missing"), "100644 blob "+git.SHA1.HashObject(git.BlobObject, []byte("lost")).String()+"\ta.md\n")
	head := damage(command.Git("hash-object", "-w", "-t", "commit", "--stdin"), "tree "+tree+"\nauthor A <a@example.com> 1700000000 +0000\ncommitter A <a@example.com> 1700000000 +0000\n\nx\n")
	damage(command.Git("update-ref", "--stdin"), "create refs/heads/main "+head+"\n")

	request := append(pktline.Append(nil, "command=fetch\n"), "0001"...)
	request = append(pktline.Append(pktline.Append(request, "want "+head+"\n"), "done\n"), pktline.Flush...)
	err = s.UploadPack(t.Context(), shopID(t), 2, bytes.NewReader(request), io.Discard)
	require.True(t, errs.Is(err, errs.ReasonInternal), "%v", err)
	require.Contains(t, log.String(), "git failed to serve a client")
}
