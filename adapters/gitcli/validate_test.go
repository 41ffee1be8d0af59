package gitcli_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/pktline"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
	"github.com/gitstore-dev/gitstore/ports"
)

// validator is a validator of an embedder's own.
type validator func(ctx context.Context, p ports.PushedRefs, problem func(ports.PushProblem)) error

func (v validator) ValidatePush(ctx context.Context, p ports.PushedRefs) iter.Seq2[ports.PushProblem, error] {
	return func(yield func(ports.PushProblem, error) bool) {
		going := true
		err := v(ctx, p, func(found ports.PushProblem) { going = going && yield(found, nil) })
		if err != nil && going {
			yield(ports.PushProblem{}, err)
		}
	}
}

// noPrices finds files a.md that say "bad".
func noPrices(ctx context.Context, p ports.PushedRefs, problem func(ports.PushProblem)) error {
	for _, ref := range p.Refs {
		a, _ := git.ParseTreePath("a.md")
		file, err := p.Contents.GetFile(ctx, git.AtCommit(ref.Commit), a)
		if err != nil {
			return err
		}
		if string(file.Content) == "bad" {
			problem(ports.PushProblem{Ref: ref.Name, Path: a, Line: 2, Column: 7, Field: "price", Reason: "NO_PRICE", Message: "there is \x1b[1mno\n price"})
		}
	}
	return nil
}

// pushShop is a store with a repository to push to.
type pushShop struct {
	*gitcli.Store
	t    testing.TB
	repo ports.GitRepository
	log  *bytes.Buffer
}

func newPushShop(t testing.TB, opts gitcli.Options) pushShop {
	t.Helper()
	log := &bytes.Buffer{}
	opts.Dir, opts.Logger = t.TempDir(), slog.New(slog.NewJSONHandler(log, nil))
	s, err := gitcli.Open(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return pushShop{s, t, createShop(t, s), log}
}

// elsewhere commits a file in another repository, and returns the commit with a pack of all that it leads to.
func elsewhere(t *testing.T, content string) (git.ObjectID, string) {
	t.Helper()
	dir := t.TempDir()
	head := commit(t, createShop(t, openStore(t, dir)), upsert(path(t, "a.md"), content)).Commit
	return head, runGit(t, repositoryDir(t, dir), command.Git("pack-objects", "--all", "--stdout", "--quiet"))
}

// imported is like elsewhere, of a stream of git-fast-import(1) that makes main.
func imported(t *testing.T, stream string) (git.ObjectID, string) {
	t.Helper()
	dir := t.TempDir()
	from := openStore(t, dir)
	repo := createShop(t, from)
	require.NoError(t, from.Import(t.Context(), shopID(t), strings.NewReader(stream)))
	head := value[ports.Resolved](t)(repo.ResolveRevision(t.Context(), git.Head())).Commit
	return head, runGit(t, repositoryDir(t, dir), command.Git("pack-objects", "--all", "--stdout", "--quiet"))
}

func emptyPack() string {
	b := "PACK\x00\x00\x00\x02\x00\x00\x00\x00"
	sum := sha1.Sum([]byte(b))
	return b + string(sum[:])
}

func move(ref string, from, to git.ObjectID) string {
	text := func(id git.ObjectID) string {
		if id.IsZero() {
			return strings.Repeat("0", 40)
		}
		return id.String()
	}
	return text(from) + " " + text(to) + " " + ref
}

// push returns what a person reads behind "remote:", and the report.
func (s pushShop) push(pack, capabilities string, commands ...string) (remote, report string) {
	s.t.Helper()
	var req []byte
	commands[0] += "\x00report-status side-band-64k " + capabilities
	for _, c := range commands {
		req = pktline.Append(req, c)
	}
	var out bytes.Buffer
	require.NoError(s.t, s.ReceivePack(s.t.Context(), shopID(s.t), 0, strings.NewReader(string(append(req, pktline.Flush...))+pack), &out))
	for lines := pktline.NewReader(&out); ; {
		kind, line, err := lines.Next()
		require.NoError(s.t, err)
		switch {
		case kind == pktline.FlushLine:
			return remote, report
		case pktline.Band(line[0]) == pktline.TextBand:
			remote += string(line[1:])
		default:
			report += string(line[1:])
		}
	}
}

func (s pushShop) has(name string) bool {
	s.t.Helper()
	_, err := s.repo.ResolveRevision(s.t.Context(), git.AtRef(value[git.RefName](s.t)(git.ParseRefName(name))))
	return err == nil
}

func enforced() ports.Policy { return ports.Policy{Validation: ports.EnforceValid} }

func TestAnInvalidPushIsRefusedWithItsProblems(t *testing.T) {
	s := newPushShop(t, gitcli.Options{Policy: enforced(), Validator: validator(noPrices)})
	bad, pack := elsewhere(t, "bad")
	remote, report := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, bad))
	require.Equal(t, "main has 1 problem and is refused:\na.md:2:7: price: there is  [1mno  price (NO_PRICE)\n", remote)
	require.Contains(t, report, "unpack ok\n")
	require.Contains(t, report, "ng refs/heads/main catalog invalid\n")
	require.False(t, s.has("refs/heads/main"))
	require.Contains(t, s.log.String(), `"validation":"enforce","refs":1,"problems":1,"first_problems":[{"ref":"refs/heads/main","path":"a.md","line":2,"column":7,"field":"price","reason":"NO_PRICE"`)

	good, pack := elsewhere(t, "good")
	remote, report = s.push(pack, "", move("refs/heads/main", git.ObjectID{}, good))
	require.Empty(t, remote)
	require.Contains(t, report, "ok refs/heads/main\n")
	require.True(t, s.has("refs/heads/main"))
	stats := s.Stats()
	require.Equal(t, []int64{2, 1, 0}, []int64{stats.Validations, stats.ValidationsInvalid, stats.ValidationsFailed})
}

func TestAnInvalidPushIsTakenWithAWarning(t *testing.T) {
	s := newPushShop(t, gitcli.Options{Policy: ports.Policy{Validation: ports.WarnInvalid}, Validator: validator(noPrices)})
	bad, pack := elsewhere(t, "bad")
	remote, report := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, bad))
	require.Contains(t, remote, "main has 1 problem and is taken all the same:\na.md:2:7: price: ")
	require.Contains(t, report, "ok refs/heads/main\n")
	require.True(t, s.has("refs/heads/main"))
}

func TestOfAnAtomicPushNothingMovesIfOneRefIsInvalid(t *testing.T) {
	branches := value[git.BranchPatterns](t)(git.ParseBranchPatterns("branches", []string{"release/*"}))
	s := newPushShop(t, gitcli.Options{Policy: ports.Policy{Validation: ports.EnforceValid, ValidatedBranches: branches}, Validator: validator(noPrices)})
	bad, pack := elsewhere(t, "bad")
	commands := []string{move("refs/heads/main", git.ObjectID{}, bad), move("refs/heads/release/1", git.ObjectID{}, bad)}
	_, report := s.push(pack, "atomic", commands...)
	require.Contains(t, report, "ng refs/heads/main the push is atomic")
	require.Contains(t, report, "ng refs/heads/release/1 catalog invalid\n")
	require.False(t, s.has("refs/heads/main"))

	commands[0] = move("refs/heads/main", git.ObjectID{}, bad)
	_, report = s.push(pack, "", commands...)
	require.Contains(t, report, "ok refs/heads/main\n", "it is not validated")
	require.Contains(t, report, "ng refs/heads/release/1 catalog invalid\n")
	require.True(t, s.has("refs/heads/main"))
	require.False(t, s.has("refs/heads/release/1"))

	_, report = s.push(emptyPack(), "", move("refs/tags/v1.0.0", git.ObjectID{}, bad), move("refs/tags/other", git.ObjectID{}, bad))
	require.Contains(t, report, "ng refs/tags/v1.0.0 catalog invalid\n")
	require.Contains(t, report, "ok refs/tags/other\n")
}

func TestOfManyProblemsTheFirstAreTold(t *testing.T) {
	s := newPushShop(t, gitcli.Options{Policy: enforced(), Validator: validator(func(_ context.Context, p ports.PushedRefs, problem func(ports.PushProblem)) error {
		for _, ref := range p.Refs {
			for i := range 1000 {
				problem(ports.PushProblem{Ref: ref.Name, Path: path(t, fmt.Sprint(i)), Reason: "X", Message: strings.Repeat("long ", 1000)})
			}
		}
		return nil
	})})
	head, pack := elsewhere(t, "x")
	remote, _ := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head), move("refs/heads/x", git.ObjectID{}, head))
	lines := strings.Split(strings.TrimSuffix(remote, "\n"), "\n")
	require.Len(t, lines, 22)
	require.Equal(t, "main has 1000 problems and is refused:", lines[0])
	require.Equal(t, "... and 1980 more", lines[21])
	require.Less(t, len(remote), 20_000)
	require.Less(t, s.log.Len(), 20_000)
}

func TestWhileAPushIsValidatedOthersWrite(t *testing.T) {
	var s pushShop
	s = newPushShop(t, gitcli.Options{Policy: enforced(), Validator: validator(func(context.Context, ports.PushedRefs, func(ports.PushProblem)) error {
		commit(t, s.repo, upsert(path(t, "b.md"), "quicker"))
		return nil
	})})
	head, pack := elsewhere(t, "x")
	_, report := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head), move("refs/heads/x", git.ObjectID{}, head))
	require.Contains(t, report, `ng refs/heads/main ref "refs/heads/main" is not where it was expected: fetch, rebase or merge, and push again`+"\n")
	require.Contains(t, report, "ok refs/heads/x\n")
}

func TestWhatWasNotValidatedIsNotTakenWhereARefMovesBack(t *testing.T) {
	var s pushShop
	var first, second git.ObjectID
	s = newPushShop(t, gitcli.Options{Policy: enforced(), Validator: validator(func(ctx context.Context, p ports.PushedRefs, _ func(ports.PushProblem)) error {
		for _, ref := range p.Refs {
			require.NotEqual(t, mainBranch(t), ref.Name)
		}
		_, err := s.repo.UpdateRefs(ctx, []git.RefUpdate{{Name: mainBranch(t), Expected: git.ExpectID(second), New: first, Force: true}})
		return err
	})})
	first = commit(t, s.repo, upsert(path(t, "b.md"), "1")).Commit
	second = commit(t, s.repo, upsert(path(t, "b.md"), "2")).Commit
	head, pack := elsewhere(t, "bad")
	_, report := s.push(pack, "", move("refs/heads/main", first, head), move("refs/heads/x", git.ObjectID{}, head))
	require.Contains(t, report, `ng refs/heads/main ref "refs/heads/main" is not where it was expected: fetch, rebase or merge, and push again`+"\n")
	require.Contains(t, report, "ok refs/heads/x\n")
}

func TestAPolicyThatIsSetWhileAPushIsValidatedHolds(t *testing.T) {
	main := value[git.BranchPatterns](t)(git.ParseBranchPatterns("branches", []string{"main"}))
	other := value[git.BranchPatterns](t)(git.ParseBranchPatterns("branches", []string{"other"}))
	bad, pack := elsewhere(t, "bad")
	linked, linkPack := imported(t, withLinks)
	for name, c := range map[string]struct {
		before, after ports.Policy
		head          git.ObjectID
		pack          string
		want          string
		validations   int64
	}{
		"enforced": {ports.Policy{Validation: ports.WarnInvalid}, enforced(), bad, pack, "ng refs/heads/main catalog invalid", 2},
		"another branch": {
			ports.Policy{Validation: ports.EnforceValid, ValidatedBranches: other}, ports.Policy{Validation: ports.EnforceValid, ValidatedBranches: main},
			bad, pack, "ng refs/heads/main catalog invalid", 2,
		},
		"off":      {ports.Policy{Validation: ports.WarnInvalid}, ports.Policy{}, bad, pack, "ok refs/heads/main", 1},
		"no links": {ports.Policy{Validation: ports.WarnInvalid, Links: true}, ports.Policy{}, linked, linkPack, "ng refs/heads/main symbolic links", 1},
		"protected": {
			ports.Policy{Validation: ports.WarnInvalid}, ports.Policy{Validation: ports.WarnInvalid, ProtectedBranches: main},
			bad, pack, "ok refs/heads/main", 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s pushShop
			s = newPushShop(t, gitcli.Options{Policy: c.before, Validator: validator(func(ctx context.Context, p ports.PushedRefs, problem func(ports.PushProblem)) error {
				if err := s.SetPolicy(ctx, p.Repository, &c.after); err != nil {
					return err
				}
				return noPrices(ctx, p, problem)
			})})
			_, report := s.push(c.pack, "", move("refs/heads/main", git.ObjectID{}, c.head), move("refs/heads/other", git.ObjectID{}, c.head))
			require.Contains(t, report, c.want)
			require.Equal(t, c.validations, s.Stats().Validations)
		})
	}
}

func TestAValidationThatTakesTooLongEnds(t *testing.T) {
	forever := validator(func(ctx context.Context, _ ports.PushedRefs, _ func(ports.PushProblem)) error {
		<-ctx.Done()
		return errs.From(ctx.Err())
	})
	head, pack := elsewhere(t, "x")
	for policy, want := range map[ports.Validation][2]string{
		ports.EnforceValid: {"", "ng refs/heads/main the catalog could not be checked within 1ms"},
		ports.WarnInvalid:  {"warning: what is pushed could not be validated", "ok refs/heads/main\n"},
	} {
		s := newPushShop(t, gitcli.Options{Policy: ports.Policy{Validation: policy}, Validator: forever, ValidationTimeout: time.Millisecond})
		remote, report := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head))
		require.Contains(t, remote, want[0])
		require.Contains(t, report, want[1])
		require.Equal(t, int64(1), s.Stats().ValidationsFailed)
	}
}

func TestAValidationEndsWithItsClient(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newPushShop(t, gitcli.Options{Policy: enforced(), Validator: validator(func(ctx context.Context, _ ports.PushedRefs, _ func(ports.PushProblem)) error {
		cancel()
		<-ctx.Done()
		return errs.From(ctx.Err())
	})})
	head, pack := elsewhere(t, "x")
	req := pktline.Append(nil, move("refs/heads/main", git.ObjectID{}, head)+"\x00report-status")
	err := s.ReceivePack(ctx, shopID(t), 0, strings.NewReader(string(append(req, pktline.Flush...))+pack), &bytes.Buffer{})
	require.Equal(t, errs.ReasonCanceled, errs.ReasonOf(err))
	require.False(t, s.has("refs/heads/main"))
}

func TestAValidatorThatFailsTellsTheClientNoSecrets(t *testing.T) {
	s := newPushShop(t, gitcli.Options{Policy: enforced(), Validator: validator(func(context.Context, ports.PushedRefs, func(ports.PushProblem)) error {
		return fmt.Errorf("open /secret")
	})})
	head, pack := elsewhere(t, "x")
	remote, report := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head))
	require.NotContains(t, remote+report, "/secret")
	require.Contains(t, report, "ng refs/heads/main internal error")
	require.Contains(t, s.log.String(), "/secret")
}

func TestPushOptionsAreTakenByName(t *testing.T) {
	var got []string
	s := newPushShop(t, gitcli.Options{
		Policy: enforced(), PushOptions: []string{"topic", "ci.skip"},
		Validator: validator(func(_ context.Context, p ports.PushedRefs, _ func(ports.PushProblem)) error {
			got = p.Options
			return nil
		}),
	})
	head, pack := elsewhere(t, "x")
	options := func(all ...string) string {
		var b []byte
		for _, o := range all {
			b = pktline.Append(b, o)
		}
		return string(b) + pktline.Flush
	}
	_, report := s.push(options("topic=a=b; c", "ci.skip")+pack, "push-options", move("refs/heads/main", git.ObjectID{}, head))
	require.Contains(t, report, "ok refs/heads/main\n")
	require.Equal(t, []string{"topic=a=b; c", "ci.skip"}, got)
	require.Contains(t, s.log.String(), `"options":["topic=a=b; c","ci.skip"]`)
	for _, bad := range []string{"topics", "", "=x", "topic=a\nb", "topic=\xff", "topic=" + strings.Repeat("x", 2000)} {
		req := pktline.Append(nil, move("refs/heads/x", git.ObjectID{}, head)+"\x00report-status push-options")
		req = append(append(req, pktline.Flush...), options(bad)+pack...)
		err := s.ReceivePack(t.Context(), shopID(t), 0, bytes.NewReader(req), &bytes.Buffer{})
		require.Error(t, err, "%q", bad)
		require.Equal(t, errs.Invalid, errs.KindOf(err))
		require.False(t, s.has("refs/heads/x"))
	}
}

// withLinks is a history whose first commit has links, which are gone in the last.
const withLinks = `commit refs/heads/main
mark :1
committer A <a@example.com> 1700000000 +0000
data 5
First
M 120000 inline up
data 5
../up
M 160000 0123456789012345678901234567890123456789 sub
M 100644 inline .gitmodules
data 0
M 100644 inline a.md
data 1
x
commit refs/heads/main
mark :2
committer A <a@example.com> 1700000001 +0000
data 6
Second
D up
D sub
D .gitmodules
done
`

// What a tag leads to is looked at from commits on: a tag of a tree would bring what no commit may.
func TestATagThatLeadsToNoCommitIsNotPushed(t *testing.T) {
	p := &handmade{}
	link := p.add(git.BlobObject, "/etc/passwd")
	tree := p.tree(git.TreeEntry{Name: "link", Mode: git.ModeSymlink, ID: link})
	tag := func(of git.ObjectID, kind git.ObjectType) git.ObjectID {
		return p.add(git.TagObject, string((&git.Tag{Target: of, TargetType: kind, Name: "t", Tagger: git.Signature{Name: "A", Email: "a@example.com", When: time.Unix(1_700_000_000, 0)}, Message: "t\n"}).Encode()))
	}
	ofTree := tag(tree, git.TreeObject)
	refs := map[string]git.ObjectID{
		"refs/tags/blob": link, "refs/tags/tree": tree, "refs/tags/of-blob": tag(link, git.BlobObject), "refs/tags/of-tree": ofTree,
		"refs/tags/of-tag": tag(ofTree, git.TagObject), "refs/heads/tree": tree,
	}
	s := newPushShop(t, gitcli.Options{})
	for name, id := range refs {
		_, report := s.push(p.pack(), "", move(name, git.ObjectID{}, id))
		require.Regexp(t, "ng "+name+" .*does not lead to a commit|ng "+name+" .*is not a commit", report)
		require.False(t, s.has(name))
	}
}

func TestSymbolicLinksAndSubmodulesAreNotPushed(t *testing.T) {
	dir := t.TempDir()
	from := openStore(t, dir)
	repo := createShop(t, from)
	require.NoError(t, from.Import(t.Context(), shopID(t), strings.NewReader(withLinks)))
	head := value[ports.Resolved](t)(repo.ResolveRevision(t.Context(), git.Head())).Commit
	first := value[*git.Commit](t)(repo.GetCommit(t.Context(), git.Head())).Parents[0]
	pack := runGit(t, repositoryDir(t, dir), command.Git("pack-objects", "--all", "--stdout", "--quiet"))

	s := newPushShop(t, gitcli.Options{})
	remote, report := s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head))
	require.ElementsMatch(t, []string{
		"commit " + first.String() + ": up is a symbolic link", "commit " + first.String() + ": sub is a submodule",
		"commit " + first.String() + ": .gitmodules is a list of submodules", "",
	}, strings.Split(remote, "\n"))
	require.Contains(t, report, "ng refs/heads/main symbolic links and submodules are not taken here\n")
	require.False(t, s.has("refs/heads/main"))

	s = newPushShop(t, gitcli.Options{Policy: ports.Policy{Links: true}})
	_, report = s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head))
	require.Contains(t, report, "ok refs/heads/main\n")
}

func TestARefIsTakenThoughAnotherOfThePushBringsWhatIsNotTaken(t *testing.T) {
	p := &handmade{}
	file := p.add(git.BlobObject, "x")
	with := p.tree(git.TreeEntry{Name: "a", Mode: git.ModeRegular, ID: file}, git.TreeEntry{Name: "up", Mode: git.ModeSymlink, ID: file})
	wideTree := p.tree(wide(file, git.MaxTreeEntries+1)...)
	first := p.commit(p.tree(git.TreeEntry{Name: "a", Mode: git.ModeRegular, ID: file}))
	plain := p.commit(p.tree(git.TreeEntry{Name: "b", Mode: git.ModeRegular, ID: file}), first)
	link := p.commit(with, first)
	late := p.commit(p.tree(git.TreeEntry{Name: "c", Mode: git.ModeRegular, ID: file}), link)
	same := p.commit(with, plain) // what is wrong with it is found before, at another commit
	same = p.commit(p.within(with, 1, "e"), same)
	crowded := p.commit(wideTree, first)
	deep := p.commit(p.within(with, 70, "d"), first)
	tag := p.add(git.TagObject, string((&git.Tag{Target: late, TargetType: git.CommitObject, Name: "t", Tagger: git.Signature{Name: "A", Email: "a@example.com", When: time.Unix(1_700_000_000, 0)}, Message: "t\n"}).Encode()))
	moves := []string{
		move("refs/heads/plain", git.ObjectID{}, plain), move("refs/heads/link", git.ObjectID{}, link), move("refs/heads/late", git.ObjectID{}, late),
		move("refs/heads/same", git.ObjectID{}, same), move("refs/heads/crowded", git.ObjectID{}, crowded), move("refs/heads/deep", git.ObjectID{}, deep),
		move("refs/tags/late", git.ObjectID{}, tag), move("refs/heads/first", git.ObjectID{}, first),
	}
	s := newPushShop(t, gitcli.Options{})
	_, report := s.push(p.pack(), "", slices.Clone(moves)...)
	const links, paths, entries = "symbolic links and submodules are not taken here", "paths are taken of 64 components and 4096 bytes at most", "directories are taken of 50000 entries at most: use several"
	for ref, want := range map[string]string{"heads/link": links, "heads/late": links, "heads/same": links, "heads/crowded": entries, "heads/deep": paths, "tags/late": links} {
		require.Contains(t, report, "ng refs/"+ref+" "+want+"\n")
		require.False(t, s.has("refs/"+ref), ref)
	}
	for _, ref := range []string{"heads/plain", "heads/first"} {
		require.Contains(t, report, "ok refs/"+ref+"\n")
		require.True(t, s.has("refs/"+ref), ref)
	}

	s = newPushShop(t, gitcli.Options{})
	_, report = s.push(p.pack(), "atomic", slices.Clone(moves)...)
	require.NotContains(t, report, "ok refs/")
	require.Contains(t, report, "ng refs/heads/link "+links+"\n")
	require.False(t, s.has("refs/heads/plain"))
}

// Each time the trees are looked at, one more of such commits is found.
func TestWhichOfManyRefsAreAtFaultIsFoundOutAFewTimes(t *testing.T) {
	p := &handmade{}
	file := p.add(git.BlobObject, "x")
	with := p.tree(git.TreeEntry{Name: "up", Mode: git.ModeSymlink, ID: file})
	moves := []string{move("refs/heads/plain", git.ObjectID{}, p.commit(p.tree(git.TreeEntry{Name: "a", Mode: git.ModeRegular, ID: file})))}
	for i := range 10 {
		other := p.add(git.BlobObject, fmt.Sprint(i))
		head := p.commit(p.tree(git.TreeEntry{Name: "d", Mode: git.ModeDirectory, ID: with}, git.TreeEntry{Name: "z", Mode: git.ModeRegular, ID: other}))
		moves = append(moves, move(fmt.Sprintf("refs/heads/%d", i), git.ObjectID{}, head))
	}
	s := newPushShop(t, gitcli.Options{})
	_, report := s.push(p.pack(), "", slices.Clone(moves)...)
	require.Equal(t, 4, strings.Count(report, " symbolic links and submodules are not taken here\n"))
	require.Equal(t, 7, strings.Count(report, " other refs of the push bring what is not taken here: push this one by itself\n"))
	require.NotContains(t, report, "ok refs/")
	_, report = s.push(p.pack(), "", moves[0])
	require.Contains(t, report, "ok refs/heads/plain\n")
}

// handmade is a pack that no git would make.
type handmade struct {
	bytes.Buffer
	n        uint32
	deflater *zlib.Writer
}

func (p *handmade) add(kind git.ObjectType, content string) git.ObjectID {
	p.entry(byte(kind), "", content)
	return git.SHA1.HashObject(kind, []byte(content))
}

// entry adds what gitformat-pack(5) has for a kind, with what names the base of a delta.
func (p *handmade) entry(kind byte, base, content string) {
	size := len(content)
	head := []byte{kind<<4 | byte(size&15)}
	for size >>= 4; size > 0; size >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(size&127))
	}
	p.Write(head)
	p.WriteString(base)
	if p.deflater == nil {
		p.deflater = zlib.NewWriter(p)
	}
	p.deflater.Reset(p)
	_, _ = io.WriteString(p.deflater, content)
	_ = p.deflater.Close()
	p.n++
}

func (p *handmade) tree(entries ...git.TreeEntry) git.ObjectID {
	return p.add(git.TreeObject, string(git.EncodeTree(entries)))
}

func (p *handmade) commit(tree git.ObjectID, parents ...git.ObjectID) git.ObjectID {
	head := "tree " + tree.String() + "\n"
	for _, parent := range parents {
		head += "parent " + parent.String() + "\n"
	}
	return p.add(git.CommitObject, head+"author A <a@example.com> 1700000000 +0000\ncommitter A <a@example.com> 1700000000 +0000\n\nx\n")
}

// within is a tree below so many directories, each with the name.
func (p *handmade) within(tree git.ObjectID, levels int, name string) git.ObjectID {
	for range levels {
		tree = p.tree(git.TreeEntry{Name: name, Mode: git.ModeDirectory, ID: tree})
	}
	return tree
}

func (p *handmade) pack() string {
	whole := append(binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), p.n), p.Bytes()...)
	sum := sha1.Sum(whole)
	return string(append(whole, sum[:]...))
}

func TestAFewTreesThatAreTheSameAgainAndAgainAreReadOnce(t *testing.T) {
	p := &handmade{}
	below, mode := p.add(git.BlobObject, "x"), git.ModeRegular
	for range 12 {
		var entries []git.TreeEntry
		for i := range 16 {
			entries = append(entries, git.TreeEntry{Name: fmt.Sprintf("%x", i), Mode: mode, ID: below})
		}
		below, mode = p.tree(entries...), git.ModeDirectory
	}
	head := p.commit(below)
	s := newPushShop(t, gitcli.Options{})
	_, report := s.push(p.pack(), "", move("refs/heads/main", git.ObjectID{}, head))
	require.Contains(t, report, "ok refs/heads/main\n")
}

func TestAPushBringsNoPathsThatCouldNotBeRead(t *testing.T) {
	file := func(p *handmade, name string) git.ObjectID {
		return p.tree(git.TreeEntry{Name: name, Mode: git.ModeRegular, ID: p.add(git.BlobObject, "x")})
	}
	beside := func(p *handmade, a, b git.ObjectID) git.ObjectID {
		return p.tree(git.TreeEntry{Name: "a", Mode: git.ModeDirectory, ID: a}, git.TreeEntry{Name: "b", Mode: git.ModeDirectory, ID: b})
	}
	for name, c := range map[string]struct {
		tree  func(p *handmade) git.ObjectID
		taken bool
	}{
		"64 components":  {func(p *handmade) git.ObjectID { return p.within(file(p, "x"), 63, "d") }, true},
		"65 components":  {func(p *handmade) git.ObjectID { return p.within(file(p, "x"), 64, "d") }, false},
		"200 components": {func(p *handmade) git.ObjectID { return p.within(file(p, "x"), 199, "d") }, false},
		"4,096 bytes": {func(p *handmade) git.ObjectID {
			return p.within(file(p, strings.Repeat("x", 256)), 15, strings.Repeat("d", 255))
		}, true},
		"4,097 bytes": {func(p *handmade) git.ObjectID {
			return p.within(file(p, strings.Repeat("x", 257)), 15, strings.Repeat("d", 255))
		}, false},
		"the same deeper": {func(p *handmade) git.ObjectID {
			deep := p.within(file(p, "x"), 40, "d")
			return beside(p, deep, p.within(deep, 30, "e"))
		}, false},
		"the same deeper, found first": {func(p *handmade) git.ObjectID {
			deep := p.within(file(p, "x"), 40, "d")
			return beside(p, p.within(deep, 30, "e"), deep)
		}, false},
	} {
		for _, links := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, links %t", name, links), func(t *testing.T) {
				p := &handmade{}
				head := p.commit(c.tree(p))
				s := newPushShop(t, gitcli.Options{Policy: ports.Policy{Links: links}})
				remote, report := s.push(p.pack(), "", move("refs/heads/main", git.ObjectID{}, head))
				if c.taken {
					require.Contains(t, report, "ok refs/heads/main\n")
					return
				}
				require.Contains(t, remote, "commit "+head.String()+": a path is too long or too deep: ")
				require.Contains(t, report, "ng refs/heads/main paths are taken of 64 components and 4096 bytes at most\n")
				require.False(t, s.has("refs/heads/main"))
			})
		}
	}
}

// wide is a tree of n files.
func wide(blob git.ObjectID, n int) []git.TreeEntry {
	entries := make([]git.TreeEntry, n)
	for i := range entries {
		entries[i] = git.TreeEntry{Name: fmt.Sprintf("%05d", i), Mode: git.ModeRegular, ID: blob}
	}
	return entries
}

func TestAPushBringsNoDirectoriesOfMoreEntriesThanTheLimit(t *testing.T) {
	for more, links := range []bool{false, true} {
		p := &handmade{}
		taken := p.commit(p.within(p.tree(wide(p.add(git.BlobObject, "x"), git.MaxTreeEntries)...), 2, "d"))
		s := newPushShop(t, gitcli.Options{Policy: ports.Policy{Links: links}})
		_, report := s.push(p.pack(), "", move("refs/heads/main", git.ObjectID{}, taken))
		require.Contains(t, report, "ok refs/heads/main\n")

		p = &handmade{}
		blob := p.add(git.BlobObject, "y")
		refused := p.commit(p.within(p.tree(wide(blob, git.MaxTreeEntries+1+more)...), 2, "d"), taken)
		head := p.commit(p.within(p.tree(wide(blob, 1)...), 2, "d"), refused)
		remote, report := s.push(p.pack(), "", move("refs/heads/main", taken, head))
		require.Equal(t, "commit "+refused.String()+": too many entries in directory /d/d/\n", remote)
		require.Contains(t, report, "ng refs/heads/main directories are taken of 50000 entries at most: use several\n")
		require.Equal(t, map[errs.Reason]int64{errs.ReasonPackTooLarge: 1}, s.Stats().PushesRefused)
	}
}

func TestADirectoryThatHasTooManyEntriesIsPushedWithFewer(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, root)
	shop := pushShop{Store: s, t: t, repo: createShop(t, s)}
	p := &handmade{}
	blob := p.add(git.BlobObject, "x")
	from := p.commit(p.tree(wide(blob, git.MaxTreeEntries+1)...))
	gitcmd.Run(t, []byte(p.pack()), "--git-dir="+repositoryDir(t, root), "index-pack", "--stdin")
	_, err := shop.repo.UpdateRefs(t.Context(), []git.RefUpdate{{Name: mainBranch(t), Expected: git.ExpectAbsent(), New: from}})
	require.NoError(t, err)

	p = &handmade{}
	to := p.commit(p.tree(wide(blob, git.MaxTreeEntries)...), from)
	_, report := shop.push(p.pack(), "", move("refs/heads/main", from, to))
	require.Contains(t, report, "ok refs/heads/main\n")
}

func TestWhatIsThereIsNotPushedDeeperThanItCouldBeRead(t *testing.T) {
	p := &handmade{}
	deep := p.within(p.tree(git.TreeEntry{Name: "x", Mode: git.ModeRegular, ID: p.add(git.BlobObject, "x")}), 40, "d")
	first := p.commit(deep)
	s := newPushShop(t, gitcli.Options{})
	_, report := s.push(p.pack(), "", move("refs/heads/main", git.ObjectID{}, first))
	require.Contains(t, report, "ok refs/heads/main\n")
	p = &handmade{}
	second := p.commit(p.within(deep, 30, "e"), first)
	_, report = s.push(p.pack(), "", move("refs/heads/main", first, second))
	require.Contains(t, report, "ng refs/heads/main paths are taken of 64 components")
}

func TestALinkIsFoundThatACommitBringsWhoseTreeComesBack(t *testing.T) {
	p := &handmade{}
	link := git.TreeEntry{Name: "up", Mode: git.ModeSymlink, ID: p.add(git.BlobObject, "../up")}
	with := p.tree(link)
	brings := p.commit(with)
	changes := p.commit(p.tree(git.TreeEntry{Name: "a", Mode: git.ModeRegular, ID: p.add(git.BlobObject, "x")}, link), brings)
	head := p.commit(with, changes)
	s := newPushShop(t, gitcli.Options{})
	remote, report := s.push(p.pack(), "", move("refs/heads/main", git.ObjectID{}, head))
	require.Equal(t, "commit "+brings.String()+": up is a symbolic link\n", remote)
	require.Contains(t, report, "ng refs/heads/main symbolic links")
}

func TestLinksThatAreThereHoldNoPushUp(t *testing.T) {
	p := &handmade{}
	link := git.TreeEntry{Name: "up", Mode: git.ModeSymlink, ID: p.add(git.BlobObject, "../up")}
	first := p.commit(p.tree(link))
	s := newPushShop(t, gitcli.Options{Policy: ports.Policy{Links: true}})
	_, report := s.push(p.pack(), "", move("refs/heads/main", git.ObjectID{}, first))
	require.Contains(t, report, "ok refs/heads/main\n")

	require.NoError(t, s.SetPolicy(t.Context(), shopID(t), &ports.Policy{}))
	p = &handmade{}
	second := p.commit(p.tree(git.TreeEntry{Name: "a", Mode: git.ModeRegular, ID: p.add(git.BlobObject, "x")}, link), first)
	_, report = s.push(p.pack(), "", move("refs/heads/main", first, second))
	require.Contains(t, report, "ok refs/heads/main\n")
}

func TestALinkThatIsThereIsNotPushedToAnotherPlace(t *testing.T) {
	dir := func(name string, id git.ObjectID) git.TreeEntry {
		return git.TreeEntry{Name: name, Mode: git.ModeDirectory, ID: id}
	}
	for name, c := range map[string]struct {
		// trees are those of commits, one on top of the other, over one that has old as d; changed has the link of old.
		trees func(p *handmade, old, changed git.ObjectID) []git.ObjectID
		// want is where a link is found, "" if the push is taken.
		want string
	}{
		"copied": {func(p *handmade, old, _ git.ObjectID) []git.ObjectID {
			return []git.ObjectID{p.tree(dir("d", old), dir("e", old))}
		}, "e/up"},
		"changed and copied": {func(p *handmade, _, to git.ObjectID) []git.ObjectID {
			return []git.ObjectID{p.tree(dir("d", to), dir("e", to))}
		}, "e/up"},
		"changed and copied before": {func(p *handmade, _, to git.ObjectID) []git.ObjectID {
			return []git.ObjectID{p.tree(dir("c", to), dir("d", to))}
		}, "c/up"},
		"changed and copied deeper": {func(p *handmade, _, to git.ObjectID) []git.ObjectID {
			return []git.ObjectID{p.tree(dir("c", p.within(to, 2, "x")), dir("d", to))}
		}, "c/x/x/up"},
		"changed, and copied later": {func(p *handmade, _, to git.ObjectID) []git.ObjectID {
			return []git.ObjectID{p.tree(dir("d", to)), p.tree(dir("d", to), dir("e", to))}
		}, "e/up"},
		"changed, and later over a directory without it": {func(p *handmade, _, to git.ObjectID) []git.ObjectID {
			with, without := p.tree(dir("d", to)), p.tree(git.TreeEntry{Name: "a", Mode: git.ModeRegular, ID: p.add(git.BlobObject, "z")})
			return []git.ObjectID{with, p.tree(dir("d", without)), with}
		}, "d/up"},
		"changed again and again": {func(p *handmade, old, to git.ObjectID) []git.ObjectID {
			return slices.Repeat([]git.ObjectID{p.tree(dir("d", to)), p.tree(dir("d", old))}, 30)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := &handmade{}
			link := git.TreeEntry{Name: "up", Mode: git.ModeSymlink, ID: p.add(git.BlobObject, "../up")}
			old := p.tree(link)
			first := p.commit(p.tree(dir("d", old)))
			s := newPushShop(t, gitcli.Options{Policy: ports.Policy{Links: true}})
			_, report := s.push(p.pack(), "", move("refs/heads/main", git.ObjectID{}, first))
			require.Contains(t, report, "ok refs/heads/main\n")
			require.NoError(t, s.SetPolicy(t.Context(), shopID(t), &ports.Policy{}))

			p = &handmade{}
			changed := p.tree(git.TreeEntry{Name: "a", Mode: git.ModeRegular, ID: p.add(git.BlobObject, "x")}, link)
			head := first
			for _, tree := range c.trees(p, old, changed) {
				head = p.commit(tree, head)
			}
			remote, report := s.push(p.pack(), "", move("refs/heads/main", first, head))
			if c.want == "" {
				require.Contains(t, report, "ok refs/heads/main\n")
				return
			}
			require.Equal(t, "commit "+head.String()+": "+c.want+" is a symbolic link\n", remote)
			require.Contains(t, report, "ng refs/heads/main symbolic links")
		})
	}
}

// mergeOfLinks merges what is there, with a link, into a topic. The merge brings a link of its own where the test says so.
const mergeOfLinks = `commit refs/heads/topic
mark :1
committer A <a@example.com> 1700000002 +0000
data 5
Topic
M 100644 inline b.md
data 1
b
commit refs/heads/topic
mark :2
committer A <a@example.com> 1700000003 +0000
data 5
Merge
from :1
merge MAIN
M 120000 inline up
data 5
../up
M 100644 inline a.md
data 1
x
OWN
done
`

func TestAMergeIsHeldToTheLinksThatNoneOfItsParentsHas(t *testing.T) {
	main := strings.Split(withLinks, "commit refs/heads/main\nmark :2")[0] + "done\n"
	main = strings.Replace(main, "M 160000 0123456789012345678901234567890123456789 sub\nM 100644 inline .gitmodules\ndata 0\n", "", 1)
	for own, want := range map[string]string{
		"":                                  "ok refs/heads/topic\n",
		"M 120000 inline mine\ndata 1\nx\n": "ng refs/heads/topic symbolic links",
	} {
		dir := t.TempDir()
		from := openStore(t, dir)
		repo := createShop(t, from)
		require.NoError(t, from.Import(t.Context(), shopID(t), strings.NewReader(main)))
		head := value[ports.Resolved](t)(repo.ResolveRevision(t.Context(), git.Head())).Commit
		stream := strings.NewReplacer("MAIN", head.String(), "OWN\n", own).Replace(mergeOfLinks)
		require.NoError(t, from.Import(t.Context(), shopID(t), strings.NewReader(stream)))
		topic := value[ports.Resolved](t)(repo.ResolveRevision(t.Context(), git.AtRef(value[git.RefName](t)(git.BranchRef("topic"))))).Commit
		pack := runGit(t, repositoryDir(t, dir), command.Git("pack-objects", "--all", "--stdout", "--quiet"))

		s := newPushShop(t, gitcli.Options{})
		require.NoError(t, s.Import(t.Context(), shopID(t), strings.NewReader(main)))
		_, report := s.push(pack, "", move("refs/heads/topic", git.ObjectID{}, topic))
		require.Contains(t, report, want)
	}
}

func TestRefusedPushesAreCountedByTheReasonOfTheFirstRef(t *testing.T) {
	s := newPushShop(t, gitcli.Options{})
	head, pack := elsewhere(t, "x")
	require.Empty(t, s.Stats().PushesRefused)
	s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head))
	s.push(pack, "", move("refs/heads/main", git.ObjectID{}, head), move("refs/notes/x", git.ObjectID{}, head))
	s.push(pack, "", move("refs/heads/more", git.ObjectID{}, head), move("refs/notes/x", git.ObjectID{}, head))
	s.push(pack, "", move("refs/notes/x", git.ObjectID{}, head))
	stats := s.Stats()
	require.EqualValues(t, 4, stats.Pushes)
	require.Equal(t, map[errs.Reason]int64{errs.ReasonRefMoved: 1, errs.ReasonRefNotWritable: 2}, stats.PushesRefused)
}
