package catalogs

import (
	"context"
	"fmt"
	"regexp"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	rules "github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/domain/version"
	"github.com/gitstore-dev/gitstore/ports"
)

// Release describes a release of a catalog.
type Release struct {
	// Version is a Semantic Version, with or without a leading "v"; the tag has one.
	Version string
	// Message is that of the tag; "" is one that names the version.
	Message string
	// Tagger is who makes the release; zero is the store's own identity.
	Tagger git.Signature
	// Revision is what is released if there are no Changes; zero is the head of the branch.
	Revision git.Revision
	// Changes are made in a commit on the branch before, and that is released.
	Changes []DocumentChange
	// Commit describes that commit, as for [Write]; its Branch and ExpectedHead count without changes too. Its RequestID and
	// DryRun are those of the release.
	Commit ports.CommitFiles
}

// ReleaseResult is what a release or a rollback came to.
type ReleaseResult struct {
	ports.ReleaseResult
	// Latest says whether the live view of the repository leads to the release: not if there is a higher version, or it is a
	// pre-release and those do not count there. It is found out behind the tag, so that of two releases at the same time the
	// lower one is told so; nil if that failed. Of a dry run it is what it would be.
	Latest *bool
}

// Release makes an annotated tag of a catalog that nothing is wrong with, and before it a commit if there are changes: both
// become visible at once, or nothing happens. With a request id a retry returns the first release, and one of another version is
// refused with REQUEST_ID_REUSED, as far as that release is one of the highest 1000. It fails with
// INVALID_DOCUMENT as an [*InvalidDocumentsError] for any problem that the catalog has; INVALID_ARGUMENT for what is no
// version; REF_EXISTS if there is a release of that version; and as [Follower.Write] and [ports.Committer.PublishRelease] do.
func (f *Follower) Release(ctx context.Context, id git.RepositoryID, r Release) (ReleaseResult, error) {
	d, err := f.deskOf(ctx, id, &r.Commit)
	if err != nil {
		return ReleaseResult{}, err
	}
	var made ports.ReleaseResult
	release := func() (err error) {
		made, err = d.release(ctx, r)
		return err
	}
	if len(r.Changes) > 0 && !r.Commit.ExpectedHead.IsSet() && !r.Commit.DryRun {
		err = d.inTurn(ctx, release)
	} else {
		err = release()
	}
	return d.judged(ctx, made, err, r.Commit.DryRun)
}

// judged adds whether a release that was made is the latest.
func (d *desk) judged(ctx context.Context, made ports.ReleaseResult, err error, dryRun bool) (ReleaseResult, error) {
	out := ReleaseResult{ReleaseResult: made}
	if err != nil {
		return out, err
	}
	top, err := d.feed.repo.LatestTag(ctx, ports.LatestTagQuery{Prereleases: d.feed.target.View.Prereleases})
	var latest bool
	switch {
	case errs.Is(err, errs.ReasonRefNotFound):
		latest = dryRun && d.counts(made.Tag)
	case err != nil:
		return out, nil //nolint:nilerr // the release is made all the same
	case dryRun:
		of, _ := version.Parse(made.Tag.Version)
		highest, _ := version.Parse(top.Version)
		latest = d.counts(made.Tag) && of.Compare(highest) > 0
	default:
		latest = top.Ref.Name == made.Tag.Ref.Name
	}
	out.Latest = &latest
	return out, nil
}

// counts reports whether the live view looks at a release at all.
func (d *desk) counts(tag ports.TagInfo) bool {
	v, _ := version.Parse(tag.Version)
	return !v.IsPrerelease() || d.feed.target.View.Prereleases
}

func (d *desk) release(ctx context.Context, r Release) (ports.ReleaseResult, error) {
	v, err := parseVersion(r.Version)
	if err != nil {
		return ports.ReleaseResult{}, err
	}
	if len(r.Changes) > 0 {
		if !r.Revision.IsZero() {
			return ports.ReleaseResult{}, errs.InvalidField(errs.ReasonInvalidArgument, "revision", "changes are made on the head of the branch: leave the revision out")
		}
		w := Write{Changes: r.Changes}
		if err := w.check(); err != nil {
			return ports.ReleaseResult{}, err
		}
	}
	tag, err := d.releaseTag(v, r.Message, r.Tagger)
	if err != nil {
		return ports.ReleaseResult{}, err
	}
	made, err := d.madeBefore(ctx, v, r.Commit.RequestID)
	if err != nil {
		return ports.ReleaseResult{}, err
	}
	for attempt := 1; ; attempt++ {
		base, err := d.released(ctx, r, made)
		if err != nil {
			return ports.ReleaseResult{}, err
		}
		result, err := d.publish(ctx, base, tag, r)
		if made != nil || !errs.Is(err, errs.ReasonRefMoved) || r.Commit.ExpectedHead.IsSet() || attempt == maxAttempts {
			return result, d.orReused(ctx, r, made, err)
		}
	}
}

// orReused returns why a release is refused: for its request id, if that is of a release or a commit that was made. What was made
// once is not refused when it is made again on the same.
func (d *desk) orReused(ctx context.Context, r Release, made *ports.TagInfo, err error) error {
	if r.Commit.RequestID == "" || err == nil || !isRefusal(err) || errs.Is(err, errs.ReasonRequestIDReused) {
		return err
	}
	if made != nil {
		return reusedFor(r.Commit.RequestID, made.Ref.Name)
	}
	if len(r.Changes) == 0 {
		return err
	}
	_, committed, lost := d.baseOfRequest(ctx, r.Commit)
	switch {
	case lost != nil:
		return lost
	case committed:
		return reusedFor(r.Commit.RequestID, r.Commit.Branch)
	}
	return err
}

// reusedFor refuses a request id that something else was made for on a ref.
func reusedFor(requestID string, ref git.RefName) error {
	return errs.InvalidField(errs.ReasonRequestIDReused, "request_id", "request id %q was used for a different request, on %q: take a new one", requestID, ref.Short()).
		WithMeta(errs.MetaRef, ref.String())
}

// tooLargeNumber matches what would be a version if its numbers were smaller: they have 64 bits.
var tooLargeNumber = regexp.MustCompile(`^v?([0-9]+\.){0,2}[1-9][0-9]{19,}([.+-]|$)`)

func parseVersion(s string) (version.Version, error) {
	v, ok := version.Parse(s)
	if !ok && tooLargeNumber.MatchString(s) {
		return v, errs.InvalidField(errs.ReasonInvalidArgument, "version", "the version %.80q has a number that is too large: use 19 digits at most", s)
	}
	if !ok {
		return v, errs.InvalidField(errs.ReasonInvalidArgument, "version", "%.80q is no Semantic Version, such as 1.4.0 or 2.0.0-rc.1", s)
	}
	return v, nil
}

func (d *desk) releaseTag(v version.Version, message string, tagger git.Signature) (ports.CreateTag, error) {
	name, err := git.TagRef("v" + v.String())
	if message == "" {
		message = "Release " + v.String()
	}
	return ports.CreateTag{Name: name, Message: message, Tagger: tagger}, err
}

// ReleaseOf returns the release of one version. It fails with INVALID_ARGUMENT for what is none, REF_NOT_FOUND if there is no such
// release, and as the repository does.
func ReleaseOf(ctx context.Context, repo ports.RefReader, s string) (ports.TagInfo, error) {
	v, err := parseVersion(s)
	if err != nil {
		return ports.TagInfo{}, err
	}
	tag, err := repo.LatestTag(ctx, ofVersion(v))
	if errs.Is(err, errs.ReasonRefNotFound) {
		return tag, errs.InvalidField(errs.ReasonRefNotFound, "version", "there is no release of version %s: list the releases to see which there are", v)
	}
	return tag, err
}

func ofVersion(v version.Version) ports.LatestTagQuery {
	return ports.LatestTagQuery{Range: "=" + v.String(), Prereleases: true}
}

// madeBefore returns the release of a version that was made for the same request, nil if there is no release of it. It fails
// with REF_EXISTS if there is another, and with REQUEST_ID_REUSED if one of the highest releases was made for the request that has
// another version.
func (d *desk) madeBefore(ctx context.Context, v version.Version, requestID string) (*ports.TagInfo, error) {
	tag, err := d.feed.repo.LatestTag(ctx, ofVersion(v))
	switch {
	case errs.Is(err, errs.ReasonRefNotFound):
		return nil, d.unused(ctx, requestID)
	case err != nil:
		return nil, err
	case requestID != "" && tag.Annotated != nil && rules.RequestIDOf(tag.Annotated) == requestID:
		return &tag, nil
	}
	return nil, errs.New(errs.ReasonRefExists, fmt.Sprintf("version %s is released as the tag %q: choose a higher one", v, tag.Ref.Name.Short()),
		errs.MetaField, "version", errs.MetaRef, tag.Ref.Name.String(), errs.MetaActual, tag.Ref.Target.String())
}

// unused fails with REQUEST_ID_REUSED if one of the highest [ports.MaxPageSize] releases was made for a request.
func (d *desk) unused(ctx context.Context, requestID string) error {
	if requestID == "" {
		return nil
	}
	for next := (ports.Page{Size: ports.MaxPageSize}); next.Size > 0; {
		tags, err := d.feed.repo.ListTags(ctx, next)
		if err != nil {
			return err
		}
		for _, tag := range tags.Items {
			if tag.Annotated != nil && rules.RequestIDOf(tag.Annotated) == requestID {
				return reusedFor(requestID, tag.Ref.Name)
			}
		}
		if next.Token = tags.NextToken; next.Token == "" {
			return nil
		}
		next.Size -= len(tags.Items)
	}
	return nil
}

// released is the catalog that is released, or that the changes are made on.
func (d *desk) released(ctx context.Context, r Release, made *ports.TagInfo) (*catalog.Snapshot, error) {
	var commit git.ObjectID
	switch {
	case made != nil && len(r.Changes) > 0:
		c, err := d.feed.repo.GetCommit(ctx, git.AtCommit(made.Ref.Peeled))
		if err != nil {
			return nil, err
		}
		if id, _ := rules.RequestOf(c); id != r.Commit.RequestID { // nothing had to be committed
			commit = c.ID
		} else if len(c.Parents) > 0 {
			commit = c.Parents[0]
		} else {
			return catalog.Build(ctx, nil, git.ObjectID{}, nil)
		}
	case made != nil:
		commit = made.Ref.Peeled
	case !r.Revision.IsZero():
		at, err := d.feed.repo.ResolveRevision(ctx, r.Revision)
		if err != nil {
			return nil, err
		}
		commit = at.Commit
	default:
		base, err := d.head(ctx, r.Commit.Branch)
		if err == nil && base.Commit().IsZero() && len(r.Changes) == 0 {
			err = errs.New(errs.ReasonRefNotFound, "the repository has no commit to release", errs.MetaRef, r.Commit.Branch.String())
		}
		return base, err
	}
	c, err := d.follower.open(ctx, d.feed, commit)
	return c.snapshot(), err
}

// publish makes the release of a catalog, or of that with the changes.
func (d *desk) publish(ctx context.Context, base *catalog.Snapshot, tag ports.CreateTag, r Release) (ports.ReleaseResult, error) {
	req := ports.PublishRelease{Tag: tag, RequestID: r.Commit.RequestID, DryRun: r.Commit.DryRun}
	if !r.Commit.ExpectedHead.Met(base.Commit()) {
		return ports.ReleaseResult{}, notAtHead(r.Commit, base.Commit())
	}
	out := newDraft()
	if err := d.changes(ctx, out, base, r.Changes); err != nil {
		return ports.ReleaseResult{}, err
	}
	if err := out.refusal(nil); err != nil {
		return ports.ReleaseResult{}, err
	}
	if err := out.served(r.Changes); err != nil {
		return ports.ReleaseResult{}, err
	}
	if len(out.files) == 0 {
		req.Tag.Target = git.AtCommit(base.Commit())
		return d.feed.repo.PublishRelease(ctx, req, out.commit())
	}
	commit := r.Commit
	commit.ExpectedHead = headOf(base)
	if commit.Message == "" {
		commit.Message = message(r.Changes, out.Documents)
	}
	req.Commit = &commit
	return d.feed.repo.PublishRelease(ctx, req, out.commit())
}

// Rollback describes a release that is an earlier one again.
type Rollback struct {
	// To is the version of the release to go back to.
	To string
	// Version is that of the new release, higher than all there are; "" is the next patch of the highest.
	Version string
	// Message and Tagger are those of the tag; an empty message is one that names both versions.
	Message   string
	Tagger    git.Signature
	RequestID string
	DryRun    bool
}

// Rollback makes an earlier release the highest again: a new tag of the same commit, so that every file is as it was, byte
// for byte. Branches stay as they are, and so does what was changed on them since. If somebody makes a higher release at the
// same time, Latest of the result says so. It fails with CATALOG_NOT_FOUND; REF_NOT_FOUND if there is no such release;
// INVALID_DOCUMENT as [Follower.Release] does, as the tag may have come by a push that nobody validated; INVALID_ARGUMENT for a
// version that is none or would not be what is live; and as [ports.Committer.PublishRelease] and [Follower.Open] do.
func (f *Follower) Rollback(ctx context.Context, id git.RepositoryID, r Rollback) (ReleaseResult, error) {
	d, err := f.deskOf(ctx, id, &ports.CommitFiles{})
	if err != nil {
		return ReleaseResult{}, err
	}
	made, err := d.rollBack(ctx, r)
	return d.judged(ctx, made, err, r.DryRun)
}

func (d *desk) rollBack(ctx context.Context, r Rollback) (ports.ReleaseResult, error) {
	old, err := ReleaseOf(ctx, d.feed.repo, r.To)
	if err != nil {
		return ports.ReleaseResult{}, err
	}
	v, err := d.versionOfRollback(ctx, r)
	if err != nil {
		return ports.ReleaseResult{}, err
	}
	restored, err := d.follower.open(ctx, d.feed, old.Ref.Peeled)
	if err != nil {
		return ports.ReleaseResult{}, err
	}
	if err := (&draft{WriteResult: WriteResult{Snapshot: restored.snapshot()}}).refusal(nil); err != nil {
		return ports.ReleaseResult{}, err
	}
	if r.Message == "" {
		r.Message = fmt.Sprintf("Release %s: %s again", v, old.Version)
	}
	tag, err := d.releaseTag(v, r.Message, r.Tagger)
	tag.Target = git.AtCommit(old.Ref.Peeled)
	if err != nil {
		return ports.ReleaseResult{}, err
	}
	return d.feed.repo.PublishRelease(ctx, ports.PublishRelease{Tag: tag, RequestID: r.RequestID, DryRun: r.DryRun}, (&draft{}).commit())
}

// versionOfRollback is the version of the new release. It has to be higher than what the live view of the repository leads to.
func (d *desk) versionOfRollback(ctx context.Context, r Rollback) (version.Version, error) {
	none := version.Version{}
	if r.Version == "" && r.RequestID != "" {
		return none, errs.InvalidField(errs.ReasonInvalidArgument, "version", "a retry is known by its version: give the version of the new release")
	}
	highest, err := d.feed.repo.LatestTag(ctx, ports.LatestTagQuery{Prereleases: d.feed.target.View.Prereleases})
	if errs.Is(err, errs.ReasonRefNotFound) {
		highest, err = d.feed.repo.LatestTag(ctx, ports.LatestTagQuery{Prereleases: true})
	}
	if err != nil {
		return none, err
	}
	top, err := parseVersion(highest.Version)
	switch {
	case err != nil:
		return none, err
	case r.Version == "" && top.IsPrerelease():
		return none, errs.InvalidField(errs.ReasonInvalidArgument, "version", "the highest release is %s: say which version is to follow a pre-release", top)
	case r.Version == "":
		return top.NextPatch(), nil
	}
	v, err := parseVersion(r.Version)
	if err != nil {
		return none, err
	}
	if v.IsPrerelease() && !top.IsPrerelease() && !d.feed.target.View.Prereleases {
		return none, errs.InvalidField(errs.ReasonInvalidArgument, "version", "%s is a pre-release, and %s would stay what is live: give the version of a release", v, top)
	}
	made, err := d.madeBefore(ctx, v, r.RequestID)
	if err == nil && made == nil && v.Compare(top) <= 0 {
		err = errs.InvalidField(errs.ReasonInvalidArgument, "version", "version %s is not higher than %s, which would stay the highest", v, top)
	}
	return v, err
}
