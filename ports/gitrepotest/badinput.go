package gitrepotest

import (
	"strings"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var badInputCases = []testCase{
	{"paths that a file system would read as .git are refused", dotGitIsRefused},
	{"paths that would make submodules are refused", gitmodulesIsRefused},
	{"paths that are not the same on every file system are refused", badPathsAreRefused},
	{"an action that lacks a field, or has one too many, is refused", badActionsAreRefused},
	{"a message that Git could not store is refused", badMessagesAreRefused},
	{"a person that Git could not store is refused", badPeopleAreRefused},
	{"a request id that is no UUID is refused", badRequestIDsAreRefused},
	{"a commit to what is no writable branch is refused", badBranchesAreRefused},
	{"as many actions as the limit are taken, and no more", actionsHaveALimit},
}

// refusesPath reports it if a file can be written at the path.
func (r *repo) refusesPath(p string, reason errs.Reason) {
	r.c.Helper()
	for _, change := range []git.Change{create(p, "x"), upsert(p, "x"), move("a", p), moveWith("a", p, "x")} {
		r.refuses(ports.CommitFiles{}, []git.Change{create("fine", ""), change}, reason, errs.MetaPath, p, errs.MetaField, "path")
	}
}

func (c *tc) refusePaths(reason errs.Reason, all ...string) {
	c.Helper()
	r := c.createWith(create("a", "1"))
	for _, p := range all {
		r.refusesPath(p, reason)
	}
}

func dotGitIsRefused(c *tc) {
	c.refusePaths(errs.ReasonDotGitComponent,
		".git", ".git/config", "a/.git", "a/.git/hooks/pre-commit", ".GIT", ".Git/x", ".git.", ".git ", ".git . .", "git~1", "GIT~1/x", "git~2",
		".git::$INDEX_ALLOCATION", ".git:x", ".git\\config", ".g\u200cit", ".gi\u200dt/config", "\ufeff.git", ".git\u206f", "x/.\u202egit")
}

func gitmodulesIsRefused(c *tc) {
	c.refusePaths(errs.ReasonReservedPath, ".gitmodules", "sub/.gitmodules", ".GitModules", "gitmod~1", "GITMOD~4", ".gitmodules ", ".gitmodules:x", "gi7eba~1", ".gitmod\u200cules")
}

func badPathsAreRefused(c *tc) {
	c.refusePaths(errs.ReasonInvalidPath,
		"caf\xe9", "cafe\u0301", "a\nb", "tab\t", "\x01", "a\x7f", "back\\slash", "con", "CON", "a/aux.txt", "nul", "com1", "LPT9.md", "dot.", "dir./x", "space ", "a /b",
		strings.Repeat("x", 256), strings.Repeat("a/", 32)+"deep", strings.Repeat(strings.Repeat("y", 204)+"/", 5)+"1025")
}

func badActionsAreRefused(c *tc) {
	r := c.createWith(create("a", "1"), create("b", "2"))
	content := func() git.Change { return upsert("a", "x") }
	with := func(change git.Change, do func(*git.Change)) git.Change {
		do(&change)
		return change
	}
	executable := true
	for what, change := range map[string]git.Change{
		"no action":                  with(content(), func(c *git.Change) { c.Action = 0 }),
		"an unknown action":          with(content(), func(c *git.Change) { c.Action = 99 }),
		"no path":                    with(content(), func(c *git.Change) { c.Path = git.TreePath{} }),
		"create without content":     {Action: git.ActionCreate, Path: path("c"), Size: -1},
		"update without content":     {Action: git.ActionUpdate, Path: path("a"), Size: -1},
		"upsert without content":     {Action: git.ActionUpsert, Path: path("a"), Size: -1},
		"delete with content":        with(content(), func(c *git.Change) { c.Action = git.ActionDelete }),
		"chmod with content":         with(content(), func(c *git.Change) { c.Action, c.Executable = git.ActionChmod, &executable }),
		"chmod without a mode":       {Action: git.ActionChmod, Path: path("a"), Size: -1},
		"delete with a mode":         with(del("a"), func(c *git.Change) { c.Executable = &executable }),
		"move from nowhere":          {Action: git.ActionMove, Path: path("c"), Size: -1},
		"move onto itself":           move("a", "a"),
		"create from somewhere":      with(create("c", "x"), func(c *git.Change) { c.From = path("a") }),
		"create where a blob is due": expecting(git.ExpectID(c.blobID("1")), create("c", "x")),
	} {
		c.sub(what, func(c *tc) {
			c.repo(c.store, r.id).refuses(ports.CommitFiles{}, []git.Change{update("b", "3"), change}, errs.ReasonInvalidAction)
		})
	}
}

func badMessagesAreRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	for what, message := range badMessages {
		c.sub(what, func(c *tc) {
			c.repo(c.store, r.id).refuses(ports.CommitFiles{Message: message}, []git.Change{create("b", "2")}, errs.ReasonInvalidMessage, errs.MetaField, "message")
		})
	}
	r.unchanged(func() {
		_, err := r.CommitFiles(c.ctx, ports.CommitFiles{Branch: mainBranch()}, each(create("b", "2")))
		c.fails(err, errs.ReasonInvalidMessage, errs.MetaField, "message")
	})
	longest := strings.Repeat("x", 256<<10-1) + "\n"
	_, err := r.CommitFiles(c.ctx, ports.CommitFiles{Branch: mainBranch(), Message: longest}, each(create("b", "2")))
	c.ok(err)
	commit, err := r.GetCommit(c.ctx, git.Head())
	c.ok(err)
	c.equal("whether the longest message came back", commit.Message == longest, true)
}

func badPeopleAreRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	for what, person := range badSignatures() {
		c.sub(what, func(c *tc) {
			r := c.repo(c.store, r.id)
			r.refuses(ports.CommitFiles{Author: person}, []git.Change{create("b", "2")}, errs.ReasonInvalidSignature, errs.MetaField, "author")
			r.refuses(ports.CommitFiles{Author: ada(epoch), Committer: person}, []git.Change{create("b", "2")}, errs.ReasonInvalidSignature, errs.MetaField, "committer")
		})
	}
}

func badRequestIDsAreRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	for _, id := range []string{
		"1", "not-a-uuid", "123e4567-e89b-12d3-a456-42661417400", "123e4567-e89b-12d3-a456-4266141740000", "123e4567e89b12d3a456426614174000",
		"{123e4567-e89b-12d3-a456-426614174000}", "123e4567-e89b-12d3-a456-42661417400g", "123e4567-e89b-12d3-a456-426614174000\n",
		" 123e4567-e89b-12d3-a456-426614174000", strings.Repeat("a", 10_000), "caf\xe9",
	} {
		r.refuses(ports.CommitFiles{RequestID: id}, []git.Change{create("b", "2")}, errs.ReasonInvalidRequestID, errs.MetaField, "request_id")
	}
}

func badBranchesAreRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	for _, bad := range badBranches() {
		r.unchanged(func() {
			_, err := r.CommitFiles(c.ctx, ports.CommitFiles{Branch: bad.name, ExpectedHead: git.ExpectAbsent(), Message: "Change"}, each(create("b", "2")))
			c.fails(err, bad.reason)
		})
	}
}

func actionsHaveALimit(c *tc) {
	r := c.createWith(create("a", "1"))
	many := func(n int) func(func(git.Change, error) bool) {
		p := path("none")
		return func(yield func(git.Change, error) bool) {
			for range n {
				if !yield(git.Change{Action: git.ActionDelete, Path: p, Size: -1}, nil) {
					return
				}
			}
		}
	}
	r.unchanged(func() {
		_, err := r.CommitFiles(c.ctx, request("Change"), many(ports.MaxActions+1))
		c.fails(err, errs.ReasonTooManyActions, errs.MetaField, "actions")
		_, err = r.CommitFiles(c.ctx, request("Change"), many(ports.MaxActions))
		c.fails(err, errs.ReasonDuplicatePath, errs.MetaPath, "none")
	})
}
