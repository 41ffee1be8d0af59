package repository

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/tree"
)

// MaxActions is the most changes of one commit.
const MaxActions = 100_000

// ConflictPolicy says what to do when a branch is not at ExpectedHead.
type ConflictPolicy uint8

const (
	// FailOnConflict refuses the commit with REF_MOVED.
	FailOnConflict ConflictPolicy = iota
	// ReplayIfPathsUntouched makes the commit on the branch as it is, if no path of the changes differs between
	// ExpectedHead and there; else it refuses with REF_MOVED.
	ReplayIfPathsUntouched
)

// CommitFiles describes a commit.
type CommitFiles struct {
	// RequestID is a UUID (RFC 9562) that makes a retry return the first call's commit, also after a restart, as long as
	// that commit is young, or among the last of the branch: see [RequestsReach]. The same id with another content is
	// REQUEST_ID_REUSED. What made no commit, a no-op or a dry run, is not remembered. "" is none.
	RequestID string
	// Branch is the branch to commit to. One that does not exist needs a Start, unless it is the unborn default branch
	// or ExpectedHead expects absence: then the commit has no parent.
	Branch git.RefName
	// Start is where a new branch begins; if the branch exists it is REF_EXISTS. Zero is none.
	Start git.Revision
	// ExpectedHead is where the branch must be, if set.
	ExpectedHead git.Expectation
	// OnConflict applies if ExpectedHead expects a commit and the branch is elsewhere.
	OnConflict ConflictPolicy
	// Author made the change; zero is the store's own identity, and its zero time is now.
	Author git.Signature
	// Committer made the commit; zero is the Author.
	Committer git.Signature
	Message   string
	// AllowEmpty makes a commit even if nothing changes. Otherwise such a call is a no-op: it makes no commit.
	AllowEmpty bool
	// DryRun checks everything and makes nothing.
	DryRun bool
}

// CommitResult is what a commit came to.
type CommitResult struct {
	// Commit is the new commit; for a no-op the branch's head, for a dry run the commit that would be.
	Commit git.ObjectID
	// Parent is the commit's first parent; zero for a root commit.
	Parent git.ObjectID
	Tree   git.ObjectID
	// Blobs are the files that the changes left, in their order, those of deletions left out.
	Blobs []git.PathBlob
	// Replayed reports that the RequestID was known and Commit was made before.
	Replayed bool
	// NoOp reports that the changes changed nothing and no commit was made. A new branch is created all the same.
	NoOp bool
}

// requestHeader is the commit and tag header that remembers a request: its id, a space, the request's fingerprint. It is
// as durable as the object itself, and git ignores headers it does not know.
const requestHeader = "gitstore-request-id"

var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

// Prepare checks all of a request that does not depend on the repository and fills what was left out. An
// implementation calls it before it reads the changes, so that a bad request costs nothing.
func (req CommitFiles) Prepare(identity git.Signature, now time.Time) (CommitFiles, error) {
	if err := checkBranch(req.Branch); err != nil {
		return req, err
	}
	if err := checkRequestID(req.RequestID); err != nil {
		return req, err
	}
	if !req.Start.IsZero() && !req.ExpectedHead.ID().IsZero() {
		return req, errs.InvalidField(errs.ReasonInvalidArgument, "expected_head",
			"a commit with a start revision makes a new branch and cannot expect its head")
	}
	var err error
	if req.Message, err = git.NormalizeMessage(req.Message); err != nil {
		return req, err
	}
	if req.Author, err = prepareSignature(req.Author, identity, now, "author"); err != nil {
		return req, err
	}
	req.Committer, err = prepareSignature(req.Committer, req.Author, now, "committer")
	return req, err
}

func checkBranch(name git.RefName) error {
	if name.IsZero() {
		return errs.InvalidField(errs.ReasonInvalidRefName, "branch", "the branch is missing")
	}
	if err := name.CheckWritable(); err != nil {
		return err
	}
	if !name.IsBranch() {
		return errs.InvalidField(errs.ReasonRefNotWritable, "branch", "ref %q is not a branch: it has to begin with refs/heads/", name)
	}
	return nil
}

func checkRequestID(id string) error {
	if id != "" && !uuidPattern.MatchString(id) {
		return errs.InvalidField(errs.ReasonInvalidRequestID, "request_id", "request id %.80q is not a UUID", id)
	}
	return nil
}

func prepareSignature(s, fallback git.Signature, now time.Time, field string) (git.Signature, error) {
	if s.IsZero() {
		s.Name, s.Email = fallback.Name, fallback.Email
	}
	if s.When.IsZero() {
		s.When = now
	}
	s.When = s.When.Truncate(time.Second)
	return s, s.Validate(field)
}

// CommitFiles makes the commit in the draft and returns the refs to move, none for a replay, a no-op on a branch that
// exists and a dry run. The request must be prepared, and the content of the edits stored.
func (req CommitFiles) CommitFiles(ctx context.Context, d Draft, edits []tree.FileEdit) (CommitResult, []RefChange, error) {
	if replay, err := req.replay(ctx, d, edits); err != nil || replay.Replayed {
		return replay, nil, err
	}
	head := d.Ref(req.Branch)
	parent, err := req.parent(ctx, d, head, edits)
	if err != nil {
		return CommitResult{}, nil, err
	}
	base, err := commitTree(ctx, d, parent)
	if err != nil {
		return CommitResult{}, nil, err
	}
	edit, err := tree.Edit(ctx, d, base, edits, func(content []byte) (git.ObjectID, error) { return d.Put(git.TreeObject, content) })
	if err != nil {
		return CommitResult{}, nil, err
	}
	res := CommitResult{Commit: parent, Parent: parent, Tree: edit.Root, Blobs: edit.Blobs}
	if edit.Root == base && !req.AllowEmpty && !parent.IsZero() {
		res, err = noOp(ctx, d, res)
	} else {
		res.Commit, err = d.Put(git.CommitObject, req.commit(edit.Root, parent, edits).Encode())
	}
	if err != nil || req.DryRun || res.Commit == head {
		return res, nil, err
	}
	return res, []RefChange{{Name: req.Branch, Old: head, New: res.Commit}}, nil
}

func (req CommitFiles) commit(root, parent git.ObjectID, edits []tree.FileEdit) *git.Commit {
	c := &git.Commit{Tree: root, Author: req.Author, Committer: req.Committer, Message: req.Message}
	if !parent.IsZero() {
		c.Parents = []git.ObjectID{parent}
	}
	if req.RequestID != "" {
		c.Headers = []git.Header{{Key: requestHeader, Value: req.RequestID + " " + req.fingerprint(edits)}}
	}
	return c
}

func noOp(ctx context.Context, d Draft, res CommitResult) (CommitResult, error) {
	res.NoOp = true
	c, err := d.Commit(ctx, res.Commit)
	if err != nil {
		return res, err
	}
	res.Parent = firstParent(c)
	return res, nil
}

func firstParent(c *git.Commit) git.ObjectID {
	if len(c.Parents) == 0 {
		return git.ObjectID{}
	}
	return c.Parents[0]
}

func commitTree(ctx context.Context, d Draft, id git.ObjectID) (git.ObjectID, error) {
	if id.IsZero() {
		return git.ObjectID{}, nil
	}
	c, err := d.Commit(ctx, id)
	if err != nil {
		return git.ObjectID{}, err
	}
	return c.Tree, nil
}

// parent finds what the commit builds on, zero for a root commit, given where the branch is.
func (req CommitFiles) parent(ctx context.Context, d Draft, head git.ObjectID, edits []tree.FileEdit) (git.ObjectID, error) {
	if len(edits) == 0 && !req.AllowEmpty {
		return git.ObjectID{}, errs.InvalidField(errs.ReasonNoActions, "actions", "the commit has no actions: give one, or allow it to be empty")
	}
	switch {
	case !head.IsZero() && !req.Start.IsZero():
		return git.ObjectID{}, refExists(req.Branch, head)
	case !req.ExpectedHead.Met(head):
		return head, req.conflict(ctx, d, head, edits)
	case !head.IsZero():
		return head, nil
	}
	if err := checkCreatable(d, req.Branch); err != nil {
		return git.ObjectID{}, err
	}
	if !req.Start.IsZero() {
		start, err := Resolve(ctx, d, req.Start)
		return start.Commit, err
	}
	if req.Branch == d.DefaultBranch() || req.ExpectedHead.IsSet() {
		return git.ObjectID{}, nil
	}
	return git.ObjectID{}, errs.InvalidField(errs.ReasonRefNotFound, "branch",
		"branch %q does not exist: create it, or give a start revision", req.Branch.Short()).WithMeta(errs.MetaRef, req.Branch.String())
}

// conflict decides whether the commit may be made although the branch is not at ExpectedHead: nil if it may.
func (req CommitFiles) conflict(ctx context.Context, d Draft, head git.ObjectID, edits []tree.FileEdit) error {
	moved := refMoved(req.Branch, req.ExpectedHead.ID(), head)
	expected := req.ExpectedHead.ID()
	if req.OnConflict != ReplayIfPathsUntouched || expected.IsZero() || head.IsZero() {
		return moved
	}
	then, err := commitTree(ctx, d, expected)
	if err != nil {
		if errs.Is(err, errs.ReasonObjectNotFound, errs.ReasonNotACommit) {
			return moved
		}
		return err
	}
	now, err := commitTree(ctx, d, head)
	if err != nil {
		return err
	}
	for change, err := range tree.Changes(ctx, d, then, now, tree.Touched(edits)) {
		if err != nil {
			return err
		}
		return moved.WithMeta(errs.MetaPath, change.Path.String())
	}
	return nil
}

func (req CommitFiles) replay(ctx context.Context, d Draft, edits []tree.FileEdit) (CommitResult, error) {
	if req.RequestID == "" || d.Ref(req.Branch).IsZero() {
		return CommitResult{}, nil
	}
	c, err := d.CommitOfRequest(ctx, req.Branch, req.RequestID)
	if err != nil || c == nil {
		return CommitResult{}, err
	}
	if _, fingerprint := RequestOf(c); fingerprint != req.fingerprint(edits) {
		return CommitResult{}, requestIDReused(req.RequestID)
	}
	blobs, err := blobsOf(ctx, d, c.Tree, edits)
	return CommitResult{Commit: c.ID, Parent: firstParent(c), Tree: c.Tree, Blobs: blobs, Replayed: true}, err
}

func requestIDReused(id string) error {
	return errs.InvalidField(errs.ReasonRequestIDReused, "request_id",
		"request id %q was used for a different request: take a new one for a new change", id)
}

func blobsOf(ctx context.Context, d Draft, root git.ObjectID, edits []tree.FileEdit) ([]git.PathBlob, error) {
	var blobs []git.PathBlob
	for _, e := range edits {
		if e.Action == git.ActionDelete {
			continue
		}
		entry, err := tree.Lookup(ctx, d, root, e.Path)
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, git.PathBlob{Path: e.Path, Blob: entry.ID})
	}
	return blobs, nil
}

// RequestOf returns the request id and fingerprint that a commit was made for, "" if it was made without.
func RequestOf(c *git.Commit) (id, fingerprint string) {
	id, fingerprint, _ = strings.Cut(c.Header(requestHeader), " ")
	return strings.Clone(id), fingerprint // who remembers the id does not keep the whole commit
}

// fingerprint tells two requests apart. Times are left out: a retry may have been given another "now".
func (req CommitFiles) fingerprint(edits []tree.FileEdit) string {
	parts := []string{
		req.Branch.String(), req.Start.String(), expectation(req.ExpectedHead), strconv.Itoa(int(req.OnConflict)),
		req.Author.Name, req.Author.Email, req.Committer.Name, req.Committer.Email, req.Message, strconv.FormatBool(req.AllowEmpty),
	}
	for _, e := range edits {
		executable := ""
		if e.Executable != nil {
			executable = strconv.FormatBool(*e.Executable)
		}
		parts = append(parts, e.Action.String(), e.Path.String(), e.From.String(), e.Blob.String(), executable, expectation(e.ExpectedBlob))
	}
	return digest(parts)
}

func expectation(e git.Expectation) string { return strconv.FormatBool(e.IsSet()) + e.ID().String() }

// digest hashes parts so that no two lists of parts share a digest by being joined differently.
func digest(parts []string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(fmt.Appendf(nil, "%d:%s", len(p), p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
