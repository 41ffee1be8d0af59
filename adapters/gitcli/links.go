package gitcli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/pathrule"
)

// errLinks is why a push is refused that brings what commits over the API cannot bring either.
var errLinks = errs.New(errs.ReasonInvalidMode, "symbolic links and submodules are not taken here")

// linkMemory is what looking for links may allocate, in bytes. Git keeps all that a commit changes, some 150 bytes a file, and of
// a merge that for each of its parents: a few kilobytes of commits and trees that are named again and again can make it
// any number of files.
const linkMemory = 512 << 20

var errTooMuchToLookAt = errs.New(errs.ReasonPackTooLarge,
	"a commit of the push changes too many files to look for links among them: push commits of fewer files, or ask for a policy that takes links")

// checkLinks refuses a push that brings symbolic links or submodules: whoever checks them out
// may be led elsewhere. It looks at every commit that comes, not at where the refs will be alone. Merges are held to what
// none of their parents has.
func (p *push) checkLinks(ctx context.Context, q *quarantine) error {
	if q == nil {
		return nil
	}
	found := &linkFinder{}
	err := p.repo.store.runner.Exchange(ctx, q.dir, command.Git("log", "--stdin", "--format=%H", "--raw", "-r", "-c", "-z", "--root", "--no-renames", "--no-abbrev").
		WithMemory(linkMemory), q.news(p.newIDs()), found)
	if exit, ended := errors.AsType[*command.ExitError](err); ended && exit.OutOfMemory() {
		return errTooMuchToLookAt
	}
	if err != nil || found.total == 0 {
		return err
	}
	if more := found.total - len(found.told); more > 0 {
		found.told = append(found.told, fmt.Sprintf("... and %d more", more))
	}
	p.reply.say(found.told...)
	return errLinks
}

// linkFinder reads what "git log --format=%H --raw -z" says: for each commit its id, and for each path that differs a line
// of modes and ids, and the path, each with a NUL behind it (git-diff-tree(1), "RAW OUTPUT FORMAT").
type linkFinder struct {
	// rest is the beginning of a part whose end did not come yet, and meta the line of the path that comes next.
	rest, meta []byte
	commit     string
	// told are the first of total that were found.
	told  []string
	total int
}

// Write implements io.Writer.
func (f *linkFinder) Write(b []byte) (int, error) {
	f.rest = append(f.rest, b...)
	for {
		part, rest, ok := bytes.Cut(f.rest, []byte{0})
		if !ok {
			return len(b), nil
		}
		f.take(part)
		f.rest = rest
	}
}

func (f *linkFinder) take(part []byte) {
	switch {
	case f.meta != nil:
		f.judge(string(part))
		f.meta = nil
	case bytes.HasPrefix(bytes.TrimPrefix(part, []byte("\n")), []byte(":")):
		f.meta = bytes.Clone(bytes.TrimPrefix(part, []byte("\n")))
	default:
		f.commit = string(part)
	}
}

// judge looks at the mode that a path has in the commit, which stands behind those that it has in each of the parents.
func (f *linkFinder) judge(name string) {
	parents := len(f.meta) - len(bytes.TrimLeft(f.meta, ":"))
	modes := strings.Fields(string(f.meta[parents:]))
	if len(modes) <= parents {
		return
	}
	var what string
	switch modes[parents] {
	case "120000":
		what = "a symbolic link"
	case "160000":
		what = "a submodule"
	case "000000": // it is gone
		return
	default:
		path, err := git.ParseTreePath(name)
		if err != nil || !errs.Is(pathrule.Check(path), errs.ReasonReservedPath) {
			return
		}
		what = "a list of submodules"
	}
	f.total++
	if len(f.told) < maxComplaints {
		f.told = append(f.told, plain("commit "+f.commit+": "+name+" is "+what, maxProblemLine))
	}
}
