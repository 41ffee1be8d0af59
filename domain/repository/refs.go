package repository

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/history"
	"github.com/gitstore-dev/gitstore/domain/tree"
)

// MaxRefUpdates is the most refs that one UpdateRefs may name.
const MaxRefUpdates = 1000

// CreateBranch describes a new branch.
type CreateBranch struct {
	Name git.RefName
	// Target is where the branch begins.
	Target git.Revision
}

// CreateBranch returns the ref change that creates the branch.
func (req CreateBranch) CreateBranch(ctx context.Context, d Draft) ([]RefChange, error) {
	if err := checkBranch(req.Name); err != nil {
		return nil, err
	}
	change, err := createRef(ctx, d, req.Name, req.Target)
	return []RefChange{change}, err
}

func createRef(ctx context.Context, d Draft, name git.RefName, target git.Revision) (RefChange, error) {
	if err := checkCreatable(d, name); err != nil {
		return RefChange{}, err
	}
	at, err := Resolve(ctx, d, target)
	return RefChange{Name: name, New: at.Commit}, err
}

func checkCreatable(d Draft, name git.RefName) error {
	if id := d.Ref(name); !id.IsZero() {
		return refExists(name, id)
	}
	if c := conflictOf(d, name); !c.IsZero() {
		return refConflict(name, c)
	}
	return d.Policy().checkRelease(d, name)
}

// conflictOf returns a ref whose name is a directory of name or the other way round, zero if there is none.
func conflictOf(d Draft, name git.RefName) git.RefName {
	for dir := range directories(name) {
		if above, err := git.ParseRefName(dir); err == nil && !d.Ref(above).IsZero() {
			return above
		}
	}
	for below := range d.Refs(name.String() + "/") {
		return below
	}
	return git.RefName{}
}

// directories yields what lies above a ref, the nearest first.
func directories(name git.RefName) iter.Seq[string] {
	return func(yield func(string) bool) {
		s := name.String()
		for i := strings.LastIndexByte(s, '/'); i > 0 && yield(s[:i]); {
			i = strings.LastIndexByte(s[:i], '/')
		}
	}
}

// DeleteRef describes the deletion of a branch or tag.
type DeleteRef struct {
	Name git.RefName
	// Expected is where the ref must be, if set.
	Expected git.Expectation
}

// DeleteBranch returns the ref change that deletes the branch.
func (req DeleteRef) DeleteBranch(d Draft) ([]RefChange, error) {
	if !req.Name.IsBranch() {
		return nil, errs.InvalidField(errs.ReasonRefNotWritable, "branch", "ref %q is not a branch: it has to begin with refs/heads/", req.Name)
	}
	return req.delete(d)
}

// DeleteTag returns the ref change that deletes the tag.
func (req DeleteRef) DeleteTag(d Draft) ([]RefChange, error) {
	if err := checkTagRef(req.Name); err != nil {
		return nil, err
	}
	return req.delete(d)
}

func checkTagRef(name git.RefName) error {
	if name.IsTag() {
		return nil
	}
	return errs.InvalidField(errs.ReasonRefNotWritable, "tag", "ref %q is not a tag: it has to begin with refs/tags/", name)
}

func (req DeleteRef) delete(d Draft) ([]RefChange, error) {
	actual := d.Ref(req.Name)
	switch {
	case actual.IsZero():
		return nil, refNotFound(req.Name.String(), req.Name)
	case req.Name == d.DefaultBranch():
		return nil, errs.New(errs.ReasonDefaultBranch, "the default branch cannot be deleted", errs.MetaRef, req.Name.String())
	case !req.Expected.Met(actual):
		return nil, refMoved(req.Name, req.Expected.ID(), actual)
	}
	change := RefChange{Name: req.Name, Old: actual}
	return []RefChange{change}, d.Policy().check(change)
}

// UpdateRefs returns the ref changes of a set of updates.
func UpdateRefs(ctx context.Context, d Draft, updates []git.RefUpdate) ([]RefChange, error) {
	if err := checkUpdates(updates); err != nil {
		return nil, err
	}
	changes := make([]RefChange, 0, len(updates))
	among := newNames(d.Policy(), len(updates))
	for _, u := range updates {
		change, err := updateRef(ctx, d, u, nil)
		if err == nil {
			err = among.add(change)
		}
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func checkUpdates(updates []git.RefUpdate) error {
	switch {
	case len(updates) == 0:
		return errs.InvalidField(errs.ReasonNoActions, "updates", "there are no updates")
	case len(updates) > MaxRefUpdates:
		return errs.InvalidField(errs.ReasonTooManyActions, "updates", "there are %d updates, at most %d are taken at once", len(updates), MaxRefUpdates)
	}
	seen := make(map[git.RefName]bool, len(updates))
	for i, u := range updates {
		field := "updates[" + strconv.Itoa(i) + "]"
		switch {
		case u.Name.IsZero():
			return errs.InvalidField(errs.ReasonInvalidRefName, field+".ref", "the ref is missing")
		case seen[u.Name]:
			return errs.InvalidField(errs.ReasonInvalidArgument, field+".ref", "ref %q is named twice", u.Name)
		case !u.Expected.IsSet():
			return errs.InvalidField(errs.ReasonInvalidArgument, field+".expected_oid",
				"the expected object id of %q is missing: say where the ref is, or that it must be absent", u.Name)
		}
		seen[u.Name] = true
	}
	return nil
}

func updateRef(ctx context.Context, d Draft, u git.RefUpdate, moves Moves) (RefChange, error) {
	if !u.Name.IsBranch() && !u.Name.IsTag() {
		return RefChange{}, u.Name.CheckWritable()
	}
	actual := d.Ref(u.Name)
	if !u.Expected.Met(actual) {
		return RefChange{}, refMoved(u.Name, u.Expected.ID(), actual)
	}
	change := RefChange{Name: u.Name, Old: actual, New: u.New}
	switch {
	case u.New.IsZero() && actual.IsZero():
		return change, refNotFound(u.Name.String(), u.Name)
	case u.New.IsZero() && u.Name == d.DefaultBranch():
		return change, errs.New(errs.ReasonDefaultBranch, "the default branch cannot be deleted", errs.MetaRef, u.Name.String())
	case u.New.IsZero():
		return change, d.Policy().check(change)
	}
	if err := checkMove(ctx, d, change); err != nil {
		return change, err
	}
	var err error
	change.Forced, err = moves.dropCommits(ctx, d, change)
	if err == nil && change.Forced && !u.Force {
		err = errs.New(errs.ReasonNotFastForward, "moving "+change.Name.String()+" would drop commits: merge first, or force it",
			errs.MetaRef, change.Name.String(), errs.MetaActual, change.Old.String())
	}
	if err == nil {
		err = d.Policy().check(change)
	}
	return change, err
}

// dropCommits reports whether a branch moves to a commit that does not descend from where it is.
func (m Moves) dropCommits(ctx context.Context, d Draft, c RefChange) (bool, error) {
	if !c.Name.IsBranch() || c.Old.IsZero() {
		return false, nil
	}
	move := [2]git.ObjectID{c.Old, c.New}
	if drops, known := m[move]; known {
		return drops, nil
	}
	forward, err := history.IsAncestor(ctx, d, c.Old, c.New)
	if err == nil && m != nil {
		m[move] = !forward
	}
	return !forward, err
}

// checkMove judges the creation or move of a ref by itself.
func checkMove(ctx context.Context, d Draft, c RefChange) error {
	if err := c.Name.CheckWritable(); err != nil {
		return err
	}
	if c.Old.IsZero() {
		if err := checkCreatable(d, c.Name); err != nil {
			return err
		}
	}
	if c.New.Format() != d.Format() {
		return objectNotFound(c.New)
	}
	peeled, t, err := d.Peel(ctx, c.New)
	if err != nil {
		return err
	}
	if t != git.CommitObject || c.Name.IsBranch() && peeled != c.New {
		return notACommit(c.New.String(), c.New)
	}
	return nil
}

// CreateTag describes a new tag.
type CreateTag struct {
	Name   git.RefName
	Target git.Revision
	// Message makes the tag an annotated one; "" makes it light.
	Message string
	// Tagger is who made an annotated tag; zero is the store's own identity, and its zero time is now.
	Tagger git.Signature
}

// Prepare checks all of a request that does not depend on the repository and fills what was left out.
func (req CreateTag) Prepare(identity git.Signature, now time.Time) (CreateTag, error) {
	if req.Name.IsZero() {
		return req, errs.InvalidField(errs.ReasonInvalidRefName, "tag", "the tag is missing")
	}
	if err := req.Name.CheckWritable(); err != nil {
		return req, err
	}
	if err := checkTagRef(req.Name); err != nil {
		return req, err
	}
	if req.Message == "" {
		if !req.Tagger.IsZero() {
			return req, errs.InvalidField(errs.ReasonInvalidMessage, "message", "a tag with a tagger needs a message")
		}
		return req, nil
	}
	var err error
	if req.Message, err = git.NormalizeMessage(req.Message); err != nil {
		return req, err
	}
	req.Tagger, err = prepareSignature(req.Tagger, identity, now, "tagger")
	return req, err
}

// CreateTag makes the tag in the draft and returns the ref change that creates it. The request must be prepared.
func (req CreateTag) CreateTag(ctx context.Context, d Draft) ([]RefChange, error) {
	change, err := createRef(ctx, d, req.Name, req.Target)
	if err != nil {
		return nil, err
	}
	change, err = req.annotate(d, change, nil)
	return []RefChange{change}, err
}

// annotate puts a tag object between the ref and its commit if the tag has a message.
func (req CreateTag) annotate(d Draft, change RefChange, headers []git.Header) (RefChange, error) {
	if req.Message == "" {
		return change, nil
	}
	t := git.Tag{
		Target: change.New, TargetType: git.CommitObject, Name: req.Name.Short(),
		Tagger: req.Tagger, Headers: headers, Message: req.Message,
	}
	var err error
	change.New, err = d.Put(git.TagObject, t.Encode())
	return change, err
}

// PublishRelease describes a release.
type PublishRelease struct {
	// Tag is the tag to make; its Message is needed. Its Target is where the release is if there is no Commit, and else
	// has to be zero.
	Tag CreateTag
	// Commit describes the commit to make of the changes, which the tag then names; nil makes none, and then changes must
	// be empty. Its RequestID and DryRun are those of the release, whatever it says.
	Commit *CommitFiles
	// RequestID makes a retry return the first call's release: the tag holds it. "" is none.
	RequestID string
	DryRun    bool
}

// ReleaseResult is what a release came to.
type ReleaseResult struct {
	// Tag is the tag's ref; for a dry run as it would be.
	Tag RefChange
	// Commit is the commit made; nil if there was none to make.
	Commit   *CommitResult
	Replayed bool
}

// Prepare checks all of a request that does not depend on the repository and fills what was left out.
func (req PublishRelease) Prepare(identity git.Signature, now time.Time) (PublishRelease, error) {
	if err := checkRequestID(req.RequestID); err != nil {
		return req, err
	}
	if strings.TrimSpace(req.Tag.Message) == "" {
		return req, errs.InvalidField(errs.ReasonInvalidMessage, "tag.message", "a release needs a message")
	}
	var err error
	if req.Tag, err = req.Tag.Prepare(identity, now); err != nil || req.Commit == nil {
		return req, err
	}
	if !req.Tag.Target.IsZero() {
		return req, errs.InvalidField(errs.ReasonInvalidArgument, "tag.target", "a release with a commit tags that commit: leave the target out")
	}
	c := *req.Commit
	c.RequestID, c.DryRun = req.RequestID, req.DryRun
	c, err = c.Prepare(identity, now)
	req.Commit = &c
	return req, err
}

// PublishRelease makes the release in the draft and returns the ref changes, the tag's last. The request must be
// prepared, and the content of the edits stored.
func (req PublishRelease) PublishRelease(ctx context.Context, d Draft, edits []tree.FileEdit) (ReleaseResult, []RefChange, error) {
	if req.Commit == nil && len(edits) > 0 {
		return ReleaseResult{}, nil, errs.InvalidField(errs.ReasonInvalidAction, "actions", "a release with actions needs a commit")
	}
	if !d.Ref(req.Tag.Name).IsZero() {
		res, err := req.replay(ctx, d, edits)
		return res, nil, err
	}
	if err := checkCreatable(d, req.Tag.Name); err != nil {
		return ReleaseResult{}, nil, err
	}
	res, changes, target, err := req.target(ctx, d, edits)
	if err != nil {
		return ReleaseResult{}, nil, err
	}
	res.Tag, err = req.Tag.annotate(d, RefChange{Name: req.Tag.Name, New: target}, req.headers(edits))
	if err != nil || req.DryRun {
		return res, nil, err
	}
	return res, append(changes, res.Tag), nil
}

// target makes the commit of the release, or finds the one to tag.
func (req PublishRelease) target(ctx context.Context, d Draft, edits []tree.FileEdit) (ReleaseResult, []RefChange, git.ObjectID, error) {
	if req.Commit == nil {
		at, err := Resolve(ctx, d, req.Tag.Target)
		return ReleaseResult{}, nil, at.Commit, err
	}
	made, changes, err := req.Commit.CommitFiles(ctx, d, edits)
	return ReleaseResult{Commit: &made}, changes, made.Commit, err
}

func (req PublishRelease) headers(edits []tree.FileEdit) []git.Header {
	if req.RequestID == "" {
		return nil
	}
	return []git.Header{{Key: requestHeader, Value: req.RequestID + " " + req.fingerprint(edits)}}
}

func (req PublishRelease) fingerprint(edits []tree.FileEdit) string {
	parts := []string{req.Tag.Name.String(), req.Tag.Target.String(), req.Tag.Message, req.Tag.Tagger.Name, req.Tag.Tagger.Email}
	if req.Commit != nil {
		parts = append(parts, req.Commit.fingerprint(edits))
	}
	return digest(parts)
}

// replay answers a release whose tag exists: with the release, if it was made for the same request.
func (req PublishRelease) replay(ctx context.Context, d Draft, edits []tree.FileEdit) (ReleaseResult, error) {
	id := d.Ref(req.Tag.Name)
	exists := refExists(req.Tag.Name, id)
	if req.RequestID == "" {
		return ReleaseResult{}, exists
	}
	t, err := d.Tag(ctx, id)
	if err != nil {
		return ReleaseResult{}, exists
	}
	requestID, fingerprint, _ := strings.Cut(t.Header(requestHeader), " ")
	switch {
	case requestID != req.RequestID:
		return ReleaseResult{}, exists
	case fingerprint != req.fingerprint(edits):
		return ReleaseResult{}, requestIDReused(req.RequestID)
	}
	res := ReleaseResult{Tag: RefChange{Name: req.Tag.Name, New: id}, Replayed: true}
	if req.Commit == nil {
		return res, nil
	}
	res.Commit, err = releasedCommit(ctx, d, t.Target, req.RequestID, edits)
	return res, err
}

func releasedCommit(ctx context.Context, d Draft, id git.ObjectID, requestID string, edits []tree.FileEdit) (*CommitResult, error) {
	c, err := d.Commit(ctx, id)
	if err != nil {
		return nil, err
	}
	blobs, err := blobsOf(ctx, d, c.Tree, edits)
	if err != nil {
		return nil, err
	}
	made, _ := RequestOf(c)
	return &CommitResult{
		Commit: id, Parent: firstParent(c), Tree: c.Tree, Blobs: blobs, Replayed: true, NoOp: made != requestID,
	}, nil
}

func refExists(name git.RefName, actual git.ObjectID) *errs.Error {
	return errs.New(errs.ReasonRefExists, "ref "+strconv.Quote(name.String())+" exists",
		errs.MetaRef, name.String(), errs.MetaActual, actual.String())
}

func refConflict(name, other git.RefName) *errs.Error {
	return errs.New(errs.ReasonRefConflict, "ref "+strconv.Quote(name.String())+" cannot exist beside "+strconv.Quote(other.String())+
		": one is a directory of the other; delete that one before, and not together with this", errs.MetaRef, name.String(), "conflicts_with", other.String())
}

func refMoved(name git.RefName, expected, actual git.ObjectID) *errs.Error {
	return errs.New(errs.ReasonRefMoved, "ref "+strconv.Quote(name.String())+" is not where it was expected: read it again and redo the change",
		errs.MetaRef, name.String(), errs.MetaExpected, expected.String(), errs.MetaActual, actual.String())
}
