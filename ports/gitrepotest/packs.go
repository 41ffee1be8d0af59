package gitrepotest

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/pktline"
	"github.com/gitstore-dev/gitstore/ports"
)

var packCases = []testCase{
	{"an advertisement names branches and tags, and no other refs", advertisementNamesRefs},
	{"version 2 advertises capabilities alone, and lists refs when asked", version2Advertises},
	{"an empty repository is advertised as one", emptyAdvertisement},
	{"a fetch has all objects, in every version", fetchHasAll},
	{"what is not there cannot be fetched", fetchOfNothing},
	{"what is not of the protocol is told", packNonsense},
	{"a repository that does not exist is told", packOfNoRepository},
	{"a push creates, moves and deletes refs, and brings objects along", pushMovesRefs},
	{"a push without commands is none", pushOfNothing},
	{"a ref that moved meanwhile is refused, and others are not", pushOfAMovedRef},
	{"an atomic push moves all refs or none", atomicPush},
	{"a push moves what UpdateRefs would", pushOfOddRefs},
	{"a push of tags of tags is taken up to a depth", pushOfTagsOfTags},
	{"a push that lacks objects is refused", pushWithHoles},
	{"a damaged pack is refused, and nothing is left of it", damagedPacks},
	{"objects that git would not check out are refused", crookedObjects},
	{"pushes and commits that race are all there", pushesRace},
	{"a push that is cancelled while it is sent leaves nothing", cancelledPush},
	{"a fetch that is cancelled leaves nothing at work", cancelledFetch},
}

// packs returns the store as git clients see it.
func (c *tc) packs(store ports.RepositoryStore) ports.PackTransport {
	c.Helper()
	if c.h.NoPacks != "" {
		c.Skip("the store serves no git clients: " + c.h.NoPacks)
	}
	packs, ok := store.(ports.PackTransport)
	if !ok {
		c.Fatalf("%T is no ports.PackTransport: implement it, or say in NoPacks why not", store)
	}
	return packs
}

func (c *tc) advertise(id git.RepositoryID, service git.PackService, v git.ProtocolVersion) string {
	c.Helper()
	var out bytes.Buffer
	c.ok(c.packs(c.store).AdvertiseRefs(c.ctx, id, ports.AdvertiseRefs{Service: service, Version: v}, &out))
	return out.String()
}

func advertisementNamesRefs(c *tc) {
	c.packs(c.store)
	r, w := c.readSample()
	for _, service := range []git.PackService{git.UploadPackService, git.ReceivePackService} {
		for _, v := range []git.ProtocolVersion{0, 1} {
			got := c.advertise(r.id, service, v)
			if strings.HasPrefix(got, "000eversion 1\n") != (v == 1) {
				c.Errorf("%s in version %d begins with %.20q", service, v, got)
			}
			for _, want := range []string{
				w.id("second").String() + " refs/heads/main", w.id("first").String() + " refs/tags/light", "object-format=" + c.format.String(),
			} {
				if !strings.Contains(got, want) {
					c.Errorf("%s in version %d does not name %q:\n%s", service, v, want, got)
				}
			}
			if strings.Contains(got, "refs/notes") || !strings.HasSuffix(got, pktline.Flush) {
				c.Errorf("%s in version %d is\n%s", service, v, got)
			}
		}
	}
}

func version2Advertises(c *tc) {
	c.packs(c.store)
	r, w := c.readSample()
	got := c.advertise(r.id, git.UploadPackService, 2)
	if !strings.HasPrefix(got, "000eversion 2\n") || strings.Contains(got, "refs/") {
		c.Errorf("version 2 advertises\n%s", got)
	}
	list := c.upload(r.id, 2, pktLines("command=ls-refs\n", "object-format="+c.format.String())+delimiter+pktLines("symrefs\n")+pktline.Flush)
	for _, want := range []string{w.id("second").String() + " refs/heads/main\n", w.id("second").String() + " HEAD symref-target:refs/heads/main\n"} {
		if !strings.Contains(list, want) {
			c.Errorf("no %q in\n%s", want, list)
		}
	}
	if strings.Contains(list, "refs/notes") {
		c.Errorf("a hidden ref is listed:\n%s", list)
	}
}

func emptyAdvertisement(c *tc) {
	c.packs(c.store)
	r := c.create()
	if got := c.advertise(r.id, git.UploadPackService, 0); strings.Contains(got, "refs/") { // git before 2.41 tells nothing but the end
		c.Errorf("%q", got)
	}
	got := c.advertise(r.id, git.ReceivePackService, 0)
	if !strings.Contains(got, strings.Repeat("0", 2*c.format.Size())+" capabilities^{}\x00") || strings.Contains(got, "refs/") {
		c.Errorf("%q", got)
	}
}

const delimiter = "0001"

// pktLines are lines of the protocol.
func pktLines(lines ...string) string {
	var b []byte
	for _, line := range lines {
		b = pktline.Append(b, line)
	}
	return string(b)
}

func (c *tc) upload(id git.RepositoryID, v git.ProtocolVersion, req string) string {
	c.Helper()
	var out bytes.Buffer
	c.ok(c.packs(c.store).UploadPack(c.ctx, id, v, strings.NewReader(req), &out))
	return out.String()
}

// wantAll asks for all that a commit leads to.
func (c *tc) wantAll(id git.ObjectID, v git.ProtocolVersion) string {
	if v < 2 {
		return pktLines("want "+id.String()+" ofs-delta object-format="+c.format.String()+"\n") + pktline.Flush + pktLines("done\n")
	}
	return pktLines("command=fetch\n", "object-format="+c.format.String()) + delimiter + pktLines("want "+id.String()+"\n", "done\n") + pktline.Flush
}

func fetchHasAll(c *tc) {
	c.packs(c.store)
	r := c.createWith(create("a", "1"), create("d/b", pattern(100_000)))
	const objects = 5 // a commit, two trees and two blobs
	for v := range git.MaxProtocolVersion + 1 {
		got := c.upload(r.id, v, c.wantAll(r.head(), v))
		at := strings.Index(got, "PACK")
		if at < 0 || binary.BigEndian.Uint32([]byte(got[at+8:])) != objects || len(got) < 100_000 {
			c.Errorf("version %d has no pack of %d objects: %d bytes, %.200q", v, objects, len(got), got)
		}
	}
}

func fetchOfNothing(c *tc) {
	c.packs(c.store)
	r := c.createWith(create("a", "1"))
	for v := range git.MaxProtocolVersion + 1 {
		got := c.upload(r.id, v, c.wantAll(c.unknownID(), v))
		if !strings.Contains(got, "ERR upload-pack: not our ref "+c.unknownID().String()) {
			c.Errorf("version %d answers %q", v, got)
		}
	}
}

func packNonsense(c *tc) {
	packs := c.packs(c.store)
	r := c.createWith(create("a", "1"))
	for what, req := range map[string]string{
		"no length":    "GET / HTTP/1.1\r\n",
		"cut short":    "0032want " + c.unknownID().String()[:20],
		"a bad length": "0003",
		"no command":   pktLines("hello\n") + pktline.Flush,
		"capabilities": pktLines("agent=x\n") + pktline.Flush,
		"two commands": pktLines("command=fetch\n", "command=ls-refs\n") + pktline.Flush,
		"no question":  "0002" + pktline.Flush,
	} {
		for v := range git.MaxProtocolVersion + 1 {
			var out bytes.Buffer
			err := packs.UploadPack(c.ctx, r.id, v, strings.NewReader(req), &out)
			if told := strings.Contains(out.String(), "ERR "); err != nil || !told {
				c.Log(what, v)
				c.fails(err, errs.ReasonInvalidArgument)
			}
		}
		r.unchanged(func() {
			c.fails(packs.ReceivePack(c.ctx, r.id, 0, strings.NewReader(req), io.Discard), errs.ReasonInvalidArgument)
		})
	}
	var many strings.Builder
	for i := range ports.MaxPushedRefs + 1 {
		many.WriteString(pktLines(command(git.ObjectID{}, r.head(), fmt.Sprintf("refs/heads/%d", i), c.format)))
	}
	r.unchanged(func() {
		c.fails(packs.ReceivePack(c.ctx, r.id, 0, strings.NewReader(many.String()), io.Discard), errs.ReasonTooManyActions)
	})
}

func packOfNoRepository(c *tc) {
	packs := c.packs(c.store)
	id := c.newID()
	in := func() io.Reader { return strings.NewReader(pktline.Flush) }
	c.fails(packs.AdvertiseRefs(c.ctx, id, ports.AdvertiseRefs{Service: git.UploadPackService}, io.Discard), errs.ReasonRepositoryNotFound)
	c.fails(packs.UploadPack(c.ctx, id, 2, in(), io.Discard), errs.ReasonRepositoryNotFound)
	c.fails(packs.ReceivePack(c.ctx, id, 0, in(), io.Discard), errs.ReasonRepositoryNotFound)
}

// command is the line of a push for one ref. A zero ID is none.
func command(from, to git.ObjectID, ref string, f git.ObjectFormat) string {
	zero := strings.Repeat("0", 2*f.Size())
	text := func(id git.ObjectID) string {
		if id.IsZero() {
			return zero
		}
		return id.String()
	}
	return text(from) + " " + text(to) + " " + ref
}

// pushed is a push in the making.
type pushed struct {
	c       *tc
	entries [][]byte
}

// put adds an object and returns its ID.
func (p *pushed) put(t git.ObjectType, content []byte) git.ObjectID {
	var b bytes.Buffer
	size := len(content)
	head := byte(t)<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		b.WriteByte(head | 0x80)
		head = byte(size & 0x7f)
	}
	b.WriteByte(head)
	zw := zlib.NewWriter(&b)
	_, err := zw.Write(content)
	p.c.ok(err)
	p.c.ok(zw.Close())
	p.entries = append(p.entries, b.Bytes())
	return p.c.format.HashObject(t, content)
}

// commit adds a commit of one file.
func (p *pushed) commit(parent git.ObjectID, file, content string) git.ObjectID {
	blob := p.put(git.BlobObject, []byte(content))
	return p.commitTree(parent, p.put(git.TreeObject, git.EncodeTree([]git.TreeEntry{{Name: file, Mode: git.ModeRegular, ID: blob}})))
}

func (p *pushed) commitTree(parent, tree git.ObjectID) git.ObjectID {
	commit := &git.Commit{Tree: tree, Author: ada(epoch), Committer: ada(epoch), Message: "Push\n"}
	if !parent.IsZero() {
		commit.Parents = []git.ObjectID{parent}
	}
	return p.put(git.CommitObject, commit.Encode())
}

// pack returns the pack of all objects.
func (p *pushed) pack() string {
	b := []byte("PACK\x00\x00\x00\x02")
	b = binary.BigEndian.AppendUint32(b, uint32(len(p.entries))) //nolint:gosec // a few
	for _, e := range p.entries {
		b = append(b, e...)
	}
	h := p.c.format.New()
	h.Write(b)
	return string(h.Sum(b))
}

// commands are the lines before a pack.
func (c *tc) commands(capabilities string, lines ...string) string {
	lines[0] += "\x00report-status object-format=" + c.format.String() + " " + capabilities
	return pktLines(lines...) + pktline.Flush
}

// push sends a push and returns the lines of its report.
func (r *repo) push(req string) []string {
	r.c.Helper()
	var out bytes.Buffer
	r.c.ok(r.c.packs(r.c.store).ReceivePack(r.c.ctx, r.id, 0, strings.NewReader(req), &out))
	return r.c.lines(&out)
}

func (c *tc) lines(in io.Reader) (lines []string) {
	c.Helper()
	pkts := pktline.NewReader(in)
	for {
		kind, line, err := pkts.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		c.ok(err)
		if kind == pktline.Data {
			lines = append(lines, strings.TrimSuffix(string(line), "\n"))
		}
	}
}

func pushMovesRefs(c *tc) {
	c.packs(c.store)
	r := c.create()
	p := &pushed{c: c}
	first := p.commit(git.ObjectID{}, "a", "1")
	second := p.commit(first, "a", "2")
	got := r.push(c.commands("", command(git.ObjectID{}, first, "refs/heads/main", c.format), command(git.ObjectID{}, second, "refs/tags/v1", c.format)) + p.pack())
	c.equal("report", got, []string{"unpack ok", "ok refs/heads/main", "ok refs/tags/v1"})
	c.equal("main", r.read("a"), "1")
	c.equal("tag", r.at(revision("v1")), second)

	none := &pushed{c: c}
	got = r.push(c.commands("", command(first, second, "refs/heads/main", c.format), command(git.ObjectID{}, first, "refs/heads/old", c.format)) + none.pack())
	c.equal("report", got, []string{"unpack ok", "ok refs/heads/main", "ok refs/heads/old"})
	c.equal("main", r.read("a"), "2")

	got = r.push(c.commands("delete-refs", command(first, git.ObjectID{}, "refs/heads/old", c.format), command(second, git.ObjectID{}, "refs/tags/v1", c.format)))
	c.equal("report", got, []string{"unpack ok", "ok refs/heads/old", "ok refs/tags/v1"})
	c.equal("refs", len(r.refs(ports.RefQuery{})), 1)

	r.commit(update("a", "3"))
	c.equal("first parent", must(r.GetCommit(c.ctx, git.Head())).Parents[0], second)
}

func pushOfNothing(c *tc) {
	c.packs(c.store)
	r := c.create()
	c.equal("report", r.push(pktline.Flush), []string(nil))
}

func pushOfAMovedRef(c *tc) {
	c.packs(c.store)
	r := c.createWith(create("a", "1"))
	then := r.head()
	now := r.commit(update("a", "2")).Commit
	p := &pushed{c: c}
	mine := p.commit(then, "a", "mine")
	got := r.push(c.commands("", command(then, mine, "refs/heads/main", c.format), command(git.ObjectID{}, mine, "refs/heads/mine", c.format)) + p.pack())
	if len(got) != 3 || got[0] != "unpack ok" || !strings.HasPrefix(got[1], "ng refs/heads/main ") || got[2] != "ok refs/heads/mine" {
		c.Errorf("%q", got)
	}
	c.equal("main", r.head(), now)
	c.equal("mine", r.at(revision("mine")), mine)
}

func atomicPush(c *tc) {
	c.packs(c.store)
	r := c.createWith(create("a", "1"))
	p := &pushed{c: c}
	mine := p.commit(r.head(), "a", "mine")
	r.unchanged(func() {
		got := r.push(c.commands("atomic", command(git.ObjectID{}, mine, "refs/heads/x", c.format), command(mine, mine, "refs/heads/y", c.format)) + p.pack())
		if len(got) != 3 || !strings.HasPrefix(got[1], "ng refs/heads/x ") || !strings.HasPrefix(got[2], "ng refs/heads/y ") {
			c.Errorf("%q", got)
		}
	})
	got := r.push(c.commands("atomic", command(git.ObjectID{}, mine, "refs/heads/x", c.format), command(git.ObjectID{}, mine, "refs/heads/y", c.format)) + p.pack())
	c.equal("report", got, []string{"unpack ok", "ok refs/heads/x", "ok refs/heads/y"})
}

func pushOfOddRefs(c *tc) {
	c.packs(c.store)
	r := c.createWith(create("a", "1"))
	p := &pushed{c: c}
	mine := p.commit(r.head(), "a", "mine")
	blob := p.put(git.BlobObject, []byte("no commit"))
	r.unchanged(func() {
		for _, bad := range []struct {
			ref string
			to  git.ObjectID
		}{
			{"HEAD", mine}, {"refs/notes/x", mine}, {"refs/heads/-x", mine}, {"refs/heads/a..b", mine}, {"refs/heads/HEAD", mine}, {"refs/heads/main/x", mine},
			{"refs/heads/" + c.unknownID().String(), mine}, {"refs/heads/x.lock", mine}, {"refs/heads/\xff", mine}, {"refs/heads/blob", blob}, {"config", mine},
			{"refs/heads/../../config", mine}, {"refs/tags/" + strings.Repeat("x", 300), mine},
		} {
			got := r.push(c.commands("", command(git.ObjectID{}, bad.to, bad.ref, c.format)) + p.pack())
			if len(got) != 2 || got[0] != "unpack ok" || !strings.HasPrefix(got[1], "ng "+bad.ref+" ") {
				c.Errorf("%q: %q", bad.ref, got)
			}
		}
		got := r.push(c.commands("", command(r.head(), git.ObjectID{}, "refs/heads/main", c.format)))
		if len(got) != 2 || !strings.HasPrefix(got[1], "ng refs/heads/main the default branch") {
			c.Errorf("%q", got)
		}
	})
	got := r.push(c.commands("", command(git.ObjectID{}, mine, "refs/heads/x", c.format), command(git.ObjectID{}, mine, "refs/heads/x/y", c.format)) + p.pack())
	if len(got) != 3 || got[1] != "ok refs/heads/x" || !strings.HasPrefix(got[2], "ng refs/heads/x/y ") {
		c.Errorf("%q", got)
	}
}

func pushOfTagsOfTags(c *tc) {
	c.packs(c.store)
	r := c.createWith(create("a", "1"))
	p := &pushed{c: c}
	commit := p.commit(r.head(), "a", "2")
	tagged := []git.ObjectID{commit}
	for t := git.CommitObject; len(tagged) <= git.MaxTagDepth+1; t = git.TagObject {
		of := tagged[len(tagged)-1]
		tagged = append(tagged, p.put(git.TagObject, (&git.Tag{Target: of, TargetType: t, Name: "v1", Tagger: ada(epoch), Message: "Tag\n"}).Encode()))
	}
	deepest, deeper := tagged[git.MaxTagDepth], tagged[git.MaxTagDepth+1]
	got := r.push(c.commands("", command(git.ObjectID{}, deepest, "refs/tags/deepest", c.format), command(git.ObjectID{}, deeper, "refs/tags/deeper", c.format)) + p.pack())
	if len(got) != 3 || got[1] != "ok refs/tags/deepest" || !strings.HasPrefix(got[2], "ng refs/tags/deeper ") || !strings.Contains(got[2], "more than 8 tags") {
		c.Errorf("%q", got)
	}
	c.equal("deepest", r.at(revision("deepest")), commit)
	c.equal("tags", len(r.refs(ports.RefQuery{Patterns: []string{"refs/tags/*"}})), 1)
}

func pushWithHoles(c *tc) {
	c.packs(c.store)
	r := c.createWith(create("a", "1"))
	lacksParent, lacksTree, lacksBlob := &pushed{c: c}, &pushed{c: c}, &pushed{c: c}
	for what, push := range map[string]struct {
		*pushed
		to git.ObjectID
	}{
		"no parent": {lacksParent, lacksParent.commit(c.unknownID(), "a", "2")},
		"no tree":   {lacksTree, lacksTree.commitTree(r.head(), c.unknownID())},
		"no blob": {lacksBlob, lacksBlob.commitTree(r.head(),
			lacksBlob.put(git.TreeObject, git.EncodeTree([]git.TreeEntry{{Name: "a", Mode: git.ModeRegular, ID: c.unknownID()}})))},
		"nothing": {&pushed{c: c}, c.unknownID()},
	} {
		r.unchanged(func() {
			got := r.push(c.commands("", command(git.ObjectID{}, push.to, "refs/heads/x", c.format)) + push.pack())
			if len(got) != 2 || !strings.HasPrefix(got[1], "ng refs/heads/x ") {
				c.Errorf("%s: %q", what, got)
			}
		})
	}
}

func damagedPacks(c *tc) {
	c.packs(c.store)
	r := c.createWith(create("a", "1"))
	p := &pushed{c: c}
	mine := p.commit(r.head(), "a", pattern(1000))
	good := p.pack()
	flip := func(at int) string { return good[:at] + string(good[at]^0x55) + good[at+1:] }
	r.unchanged(func() {
		for what, pack := range map[string]string{
			"none": "", "a header": good[:10], "cut in the middle": good[:500], "cut by one byte": good[:len(good)-1], "no pack": strings.Repeat("x", 1000),
			"too many objects": good[:8] + "\xff\xff\xff\xff" + good[12:], "one object more": good[:11] + "\x04" + good[12:], "one object less": good[:11] + "\x02" + good[12:],
			"a bad trailer": flip(len(good) - 1), "a bad byte": flip(600), "a bad type": flip(12), "something behind": good + "x",
		} {
			got := r.push(c.commands("", command(git.ObjectID{}, mine, "refs/heads/x", c.format)) + pack)
			if len(got) != 2 || got[0] == "unpack ok" || !strings.HasPrefix(got[1], "ng refs/heads/x ") {
				c.Errorf("%s: %q", what, got)
			}
		}
	})
	got := r.push(c.commands("", command(git.ObjectID{}, mine, "refs/heads/x", c.format)) + good)
	c.equal("report", got, []string{"unpack ok", "ok refs/heads/x"})
}

func crookedObjects(c *tc) {
	c.packs(c.store)
	r := c.createWith(create("a", "1"))
	for what, tree := range map[string]func(blob string) string{
		"a .git":        func(blob string) string { return "100644 .git\x00" + blob },
		"a GIT~1":       func(blob string) string { return "100644 GIT~1\x00" + blob },
		"a ..":          func(blob string) string { return "100644 ..\x00" + blob },
		"twice":         func(blob string) string { return "100644 a\x00" + blob + "100644 a\x00" + blob },
		"a path":        func(blob string) string { return "100644 a/b\x00" + blob },
		"no order":      func(blob string) string { return "100644 b\x00" + blob + "100644 a\x00" + blob },
		"no mode":       func(blob string) string { return "0 a\x00" + blob },
		"null":          func(blob string) string { return "100644 a\x00" + strings.Repeat("\x00", len(blob)) },
		"a .gitmodules": func(blob string) string { return "120000 .gitmodules\x00" + blob },
	} {
		p := &pushed{c: c}
		blob := p.put(git.BlobObject, []byte("x"))
		to := p.commitTree(r.head(), p.put(git.TreeObject, []byte(tree(string(blob.Bytes())))))
		r.unchanged(func() {
			got := r.push(c.commands("", command(git.ObjectID{}, to, "refs/heads/x", c.format)) + p.pack())
			if len(got) != 2 || got[0] == "unpack ok" || !strings.HasPrefix(got[1], "ng refs/heads/x ") {
				c.Errorf("%s: %q", what, got)
			}
		})
	}
}

func pushesRace(c *tc) {
	c.packs(c.store)
	r := c.createWith(create("a", "0"))
	const each = 6
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for i := range each {
				for {
					at := r.head()
					p := &pushed{c: c}
					to := p.commit(at, fmt.Sprintf("push-%d-%d", w, i), "x")
					got := r.push(c.commands("", command(at, to, "refs/heads/main", c.format)) + p.pack())
					if len(got) == 2 && got[1] == "ok refs/heads/main" {
						break
					}
					if len(got) != 2 || got[0] != "unpack ok" {
						c.Errorf("%q", got)
						return
					}
				}
			}
		})
		wg.Go(func() {
			for i := range each {
				r.commit(create(fmt.Sprintf("commit-%d-%d", w, i), "x"))
			}
		})
	}
	wg.Wait()
	_, seq, err := r.ListCommits(c.ctx, ports.ListCommits{Revision: git.Head()})
	c.equal("commits", len(all(c, seq, err)), 1+4*each)
}

// stalled is a client that stops sending and stays until its context ends.
type stalled struct {
	ctx   context.Context
	first io.Reader
	// reached is closed when all of first was read.
	reached chan struct{}
	once    sync.Once
}

func (s *stalled) Read(b []byte) (int, error) {
	n, err := s.first.Read(b)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	s.once.Do(func() { close(s.reached) })
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func cancelledPush(c *tc) {
	store := c.h.New(c)
	packs := c.packs(store)
	r := c.createIn(store)
	p := &pushed{c: c}
	to := p.commit(git.ObjectID{}, "a", pattern(100_000))
	req := c.commands("side-band-64k", command(git.ObjectID{}, to, "refs/heads/main", c.format)) + p.pack()
	for _, n := range []int{2, 100, 1000, len(req) - 1} {
		ctx, cancel := context.WithCancel(c.ctx)
		in := &stalled{ctx: ctx, first: strings.NewReader(req[:n]), reached: make(chan struct{})}
		ended := make(chan error, 1)
		go func() { ended <- packs.ReceivePack(ctx, r.id, 0, in, io.Discard) }()
		<-in.reached
		r.writeMeanwhile()
		cancel()
		c.fails(<-ended, errs.ReasonCanceled)
		c.equal("refs", len(r.refs(ports.RefQuery{Patterns: []string{"refs/heads/main"}})), 0)
		c.idle(store)
	}
	var out bytes.Buffer
	c.ok(packs.ReceivePack(c.ctx, r.id, 0, strings.NewReader(c.commands("", command(git.ObjectID{}, to, "refs/heads/main", c.format))+p.pack()), &out))
	c.equal("report", c.lines(&out), []string{"unpack ok", "ok refs/heads/main"})
}

// writeMeanwhile makes a commit on another branch: a client that sends slowly holds nobody up.
func (r *repo) writeMeanwhile() {
	r.c.Helper()
	_, err := r.CommitFiles(r.c.ctx, ports.CommitFiles{Branch: branch("other"), Message: "Meanwhile", ExpectedHead: git.ExpectAbsent()}, each(create("a", "1")))
	r.c.ok(err)
	r.c.ok(r.DeleteBranch(r.c.ctx, ports.DeleteRef{Name: branch("other")}))
}

// brokenWriter fails behind some bytes.
type brokenWriter struct{ left int }

var errBroken = errors.New("the client is gone")

func (w *brokenWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errBroken
	}
	return len(b), nil
}

func cancelledFetch(c *tc) {
	store := c.h.New(c)
	packs := c.packs(store)
	r := c.createIn(store)
	r.commit(create("a", pattern(4<<20)))
	ctx, cancel := context.WithCancel(c.ctx)
	in := &stalled{ctx: ctx, first: strings.NewReader(pktLines("command=fetch\n")), reached: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- packs.UploadPack(ctx, r.id, 2, in, io.Discard) }()
	<-in.reached
	cancel()
	c.fails(<-ended, errs.ReasonCanceled)
	c.idle(store)
	err := packs.UploadPack(c.ctx, r.id, 2, strings.NewReader(c.wantAll(r.head(), 2)), &brokenWriter{left: 1 << 20})
	if err == nil || !strings.Contains(err.Error()+fmt.Sprint(errors.Unwrap(err)), errBroken.Error()) {
		c.Errorf("a client that is gone is told as %v", err)
	}
	c.idle(store)
	var out bytes.Buffer
	c.ok(packs.UploadPack(c.ctx, r.id, 2, strings.NewReader(c.wantAll(r.head(), 2)), &out))
	if out.Len() < 4<<20 {
		c.Errorf("the next fetch has %d bytes", out.Len())
	}
}
