package memrepo

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/history"
	"github.com/gitstore-dev/gitstore/domain/page"
	"github.com/gitstore-dev/gitstore/domain/patch"
	rules "github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/domain/tree"
	"github.com/gitstore-dev/gitstore/domain/version"
	"github.com/gitstore-dev/gitstore/ports"
)

// repository is the name of a repository. Each call finds the repository anew.
type repository struct {
	store *Store
	id    git.RepositoryID
}

var _ ports.GitRepository = repository{}

// snapshot is a repository at one moment. It implements [rules.View].
type snapshot struct {
	reader
	repo *repo
	refs *refTable
}

// DefaultBranch implements [rules.View].
func (s snapshot) DefaultBranch() git.RefName { return s.repo.info.DefaultBranch }

// Ref implements [rules.View].
func (s snapshot) Ref(name git.RefName) git.ObjectID { return s.refs.byName[name].Target }

func (r repository) snapshot(ctx context.Context) (snapshot, error) {
	found, err := r.store.find(ctx, r.id)
	if err != nil {
		return snapshot{}, err
	}
	return found.snapshot(), nil
}

func (r *repo) snapshot() snapshot {
	return snapshot{reader{r.info.ObjectFormat, r.db.get}, r, r.refs.Load()}
}

func (r repository) at(ctx context.Context, rev git.Revision) (snapshot, ports.Resolved, error) {
	s, err := r.snapshot(ctx)
	if err != nil {
		return s, ports.Resolved{}, err
	}
	at, err := rules.Resolve(ctx, s, rev)
	return s, at, err
}

// stream makes the items of an iterator end with the context.
func stream[T any](ctx context.Context, items iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for item, err := range items {
			if ctxErr := ctx.Err(); err == nil && ctxErr != nil {
				var none T
				item, err = none, errs.From(ctxErr)
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// Info implements [ports.InfoReader].
func (r repository) Info(ctx context.Context) (ports.RepositoryInfo, error) {
	found, err := r.store.find(ctx, r.id)
	if err != nil {
		return ports.RepositoryInfo{}, err
	}
	info := found.summary()
	info.SizeBytes = found.db.size()
	return info, nil
}

// ResolveRevision implements [ports.RefReader].
func (r repository) ResolveRevision(ctx context.Context, rev git.Revision) (ports.Resolved, error) {
	_, at, err := r.at(ctx, rev)
	return at, err
}

// ListRefs implements [ports.RefReader].
func (r repository) ListRefs(ctx context.Context, q ports.RefQuery) (iter.Seq2[git.Ref, error], error) {
	patterns, err := git.ParseRefPatterns(q.Patterns)
	if err != nil {
		return nil, err
	}
	s, err := r.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return stream(ctx, func(yield func(git.Ref, error) bool) {
		left := q.Limit
		for _, name := range s.refs.names {
			if name.String() <= q.After.String() || !patterns.Match(name) {
				continue
			}
			if left--; !yield(s.refs.byName[name], nil) || left == 0 {
				return
			}
		}
	}), nil
}

// ListTags implements [ports.RefReader].
func (r repository) ListTags(ctx context.Context, p ports.Page) (ports.TagPage, error) {
	scope := "tags of " + r.id.String()
	size, after, err := pageOf(scope, p)
	if err != nil {
		return ports.TagPage{}, err
	}
	s, err := r.snapshot(ctx)
	if err != nil {
		return ports.TagPage{}, err
	}
	tags := s.tags()
	if after.After != "" {
		tags = tags[behind(tags, after.After):]
	}
	var res ports.TagPage
	room := ports.MaxTagPage
	for _, ref := range tags[:min(size, len(tags))] {
		info, err := tagInfo(ctx, s, ref)
		if err != nil {
			return ports.TagPage{}, err
		}
		if room -= info.Size(); room < 0 && len(res.Items) > 0 {
			break
		}
		res.Items = append(res.Items, info)
	}
	if n := len(res.Items); n < len(tags) {
		res.NextToken = page.Encode(scope, page.Token{After: tags[n-1].Name.Short()})
	}
	return res, nil
}

// tags returns the tags as they are listed.
func (s snapshot) tags() (tags []git.Ref) {
	for _, name := range s.refs.names {
		if name.IsTag() {
			tags = append(tags, s.refs.byName[name])
		}
	}
	version.SortTags(tags, shortName)
	return tags
}

func shortName(ref git.Ref) string { return ref.Name.Short() }

// behind returns how many of the tags come up to and including the name, which need not be among them any more.
func behind(tags []git.Ref, name string) int {
	last, err := git.TagRef(name)
	if err != nil {
		return 0
	}
	with := append(slices.Clone(tags), git.Ref{Name: last})
	version.SortTags(with, shortName)
	i := slices.IndexFunc(with, func(ref git.Ref) bool { return ref.Name == last })
	if i < len(tags) && tags[i].Name == last {
		i++
	}
	return i
}

func tagInfo(ctx context.Context, r git.ObjectReader, ref git.Ref) (ports.TagInfo, error) {
	info := ports.TagInfo{Ref: ref}
	if v, ok := version.Parse(ref.Name.Short()); ok {
		info.Version, info.Prerelease = v.String(), v.IsPrerelease()
	}
	if ref.TargetType != git.TagObject {
		return info, nil
	}
	var err error
	info.Annotated, err = r.Tag(ctx, ref.Target)
	return info, err
}

// LatestTag implements [ports.RefReader].
func (r repository) LatestTag(ctx context.Context, q ports.LatestTagQuery) (ports.TagInfo, error) {
	limits, err := version.ParseRange(q.Range)
	if err != nil {
		return ports.TagInfo{}, err
	}
	s, err := r.snapshot(ctx)
	if err != nil {
		return ports.TagInfo{}, err
	}
	for _, ref := range s.tags() {
		if v, ok := version.Parse(ref.Name.Short()); ok && limits.Matches(v, q.Prereleases) {
			return tagInfo(ctx, s, ref)
		}
	}
	return ports.TagInfo{}, errs.New(errs.ReasonRefNotFound, "no tag is a version that fits: publish a release, or let pre-releases count", errs.MetaRef, "refs/tags/")
}

// file finds a file and its content.
func (s snapshot) file(ctx context.Context, at ports.Resolved, p git.TreePath) (ports.FileContent, error) {
	entry, err := tree.Lookup(ctx, s, at.Tree, p)
	if err != nil {
		return ports.FileContent{}, err
	}
	if !entry.Mode.IsFile() {
		return ports.FileContent{}, errs.InvalidField(errs.ReasonNotAFile, "path", "path %q is a directory or submodule, not a file", p).
			WithMeta(errs.MetaPath, p.String())
	}
	content, err := s.Blob(ctx, entry.ID)
	f := ports.File{Commit: at.Commit, Path: p, Mode: entry.Mode, Blob: entry.ID, Size: int64(len(content))}
	return ports.FileContent{File: f, Content: content}, err
}

// GetFile implements [ports.BlobReader].
func (r repository) GetFile(ctx context.Context, rev git.Revision, p git.TreePath) (ports.FileContent, error) {
	s, at, err := r.at(ctx, rev)
	if err != nil {
		return ports.FileContent{}, err
	}
	f, err := s.file(ctx, at, p)
	if err == nil && f.Size > ports.MaxGetFile {
		err = errs.InvalidField(errs.ReasonFileTooLarge, "path", "the file is larger than %d bytes: read it with ReadFile", ports.MaxGetFile).
			WithMeta(errs.MetaPath, p.String())
	}
	if err != nil {
		return ports.FileContent{}, err
	}
	return f, nil
}

// ReadFile implements [ports.BlobReader].
func (r repository) ReadFile(ctx context.Context, q ports.ReadFile) (ports.File, io.ReadCloser, error) {
	if q.Offset < 0 || q.Limit < 0 {
		return ports.File{}, nil, errs.InvalidField(errs.ReasonInvalidRange, "offset", "offset and limit must not be negative")
	}
	s, at, err := r.at(ctx, q.Revision)
	if err != nil {
		return ports.File{}, nil, err
	}
	f, err := s.file(ctx, at, q.Path)
	if err != nil {
		return ports.File{}, nil, err
	}
	if q.Offset > f.Size {
		return ports.File{}, nil, errs.InvalidField(errs.ReasonInvalidRange, "offset", "offset %d is beyond the end of the file at %d", q.Offset, f.Size)
	}
	content := f.Content[q.Offset:]
	if q.Limit > 0 {
		content = content[:min(q.Limit, int64(len(content)))]
	}
	return f.File, io.NopCloser(contextReader{ctx, bytes.NewReader(content)}), nil
}

// contextReader ends with its context.
type contextReader struct {
	ctx     context.Context
	content io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, errs.From(err)
	}
	return r.content.Read(b)
}

// BatchGetFiles implements [ports.BlobReader].
func (r repository) BatchGetFiles(ctx context.Context, rev git.Revision, paths []git.TreePath) (git.ObjectID, iter.Seq2[ports.BatchFile, error], error) {
	if len(paths) > ports.MaxBatchPaths {
		return git.ObjectID{}, nil, errs.InvalidField(errs.ReasonTooManyActions, "paths",
			"there are %d paths, at most %d are taken at once", len(paths), ports.MaxBatchPaths)
	}
	s, at, err := r.at(ctx, rev)
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	return at.Commit, stream(ctx, func(yield func(ports.BatchFile, error) bool) {
		for _, p := range paths {
			f, err := s.file(ctx, at, p)
			b := ports.BatchFile{File: f.File, Content: bytes.NewReader(f.Content)}
			if errs.Is(err, errs.ReasonPathNotFound, errs.ReasonNotAFile) {
				b = ports.BatchFile{File: ports.File{Commit: at.Commit, Path: p}, Err: err}
				err = nil
			}
			if !yield(b, err) {
				return
			}
		}
	}), nil
}

// ListFiles implements [ports.TreeReader].
func (r repository) ListFiles(ctx context.Context, q ports.ListFiles) (git.ObjectID, iter.Seq2[ports.FileInfo, error], error) {
	s, at, err := r.at(ctx, q.Revision)
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	entries, err := tree.List(ctx, s, at.Tree, tree.ListOptions{
		Prefix: q.Prefix, Recursive: q.Recursive, Patterns: q.Patterns, After: q.After, Limit: q.Limit,
	})
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	return at.Commit, stream(ctx, func(yield func(ports.FileInfo, error) bool) {
		for e, err := range entries {
			info := ports.FileInfo{Path: e.Path, Mode: e.Mode, ID: e.ID}
			if err == nil && e.Mode.IsFile() {
				info.Size, err = s.size(ctx, e.ID)
			}
			if !yield(info, err) {
				return
			}
		}
	}), nil
}

func (s snapshot) size(ctx context.Context, id git.ObjectID) (int64, error) {
	sizes, err := s.Sizes(ctx, []git.ObjectID{id})
	if err != nil {
		return 0, err
	}
	return sizes[0], nil
}

// ReadTree implements [ports.TreeReader].
func (r repository) ReadTree(ctx context.Context, q ports.ReadTree) (git.ObjectID, iter.Seq2[ports.TreeFile, error], error) {
	if q.MaxFileSize < 0 {
		return git.ObjectID{}, nil, errs.InvalidField(errs.ReasonInvalidArgument, "max_file_size", "the largest size of files must not be negative")
	}
	suffixes, err := tree.ParseSuffixes(q.Suffixes)
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	s, at, err := r.at(ctx, q.Revision)
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	var base ports.Resolved
	if !q.Base.IsZero() {
		if base, err = rules.Resolve(ctx, s, git.AtCommit(q.Base)); err != nil {
			return git.ObjectID{}, nil, err
		}
	}
	return at.Commit, stream(ctx, func(yield func(ports.TreeFile, error) bool) {
		for c, err := range tree.Changes(ctx, s, base.Tree, at.Tree, q.Prefixes) {
			f := ports.TreeFile{Path: c.Path}
			switch {
			case err != nil:
			case !suffixes.Match(c.Path):
				continue
			case isFile(c.NewMode):
				var content []byte
				content, err = s.Blob(ctx, c.NewID)
				f.Mode, f.Blob, f.Size = c.NewMode, c.NewID, int64(len(content))
				if f.Omitted = q.MaxFileSize > 0 && f.Size > q.MaxFileSize; !f.Omitted {
					f.Content = bytes.NewReader(content)
				}
			case isFile(c.OldMode):
				f.Deleted = true
			default:
				continue
			}
			if !yield(f, err) {
				return
			}
		}
	}), nil
}

func isFile(m git.FileMode) bool { return m != 0 && m.IsFile() }

// GetCommit implements [ports.HistoryReader].
func (r repository) GetCommit(ctx context.Context, rev git.Revision) (*git.Commit, error) {
	s, at, err := r.at(ctx, rev)
	if err != nil {
		return nil, err
	}
	return s.Commit(ctx, at.Commit)
}

// ListCommits implements [ports.HistoryReader].
func (r repository) ListCommits(ctx context.Context, q ports.ListCommits) (git.ObjectID, iter.Seq2[*git.Commit, error], error) {
	if q.Skip < 0 || q.Limit < 0 {
		return git.ObjectID{}, nil, errs.InvalidField(errs.ReasonInvalidArgument, "skip", "skip and limit must not be negative")
	}
	s, at, err := r.at(ctx, q.Revision)
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	opt := history.WalkOptions{
		Start: at.Commit, Path: q.Path, Author: q.Author, Since: q.Since, Until: q.Until,
		FirstParent: q.FirstParent, Skip: q.Skip, Limit: q.Limit,
	}
	if !q.Exclude.IsZero() {
		excluded, err := rules.Resolve(ctx, s, q.Exclude)
		if err != nil {
			return git.ObjectID{}, nil, err
		}
		opt.Exclude = excluded.Commit
	}
	return at.Commit, stream(ctx, history.Walk(ctx, s, opt)), nil
}

// compare resolves both sides of a comparison.
func (r repository) compare(ctx context.Context, q ports.Compare) (s snapshot, base, head ports.Resolved, err error) {
	if s, head, err = r.at(ctx, q.Head); err != nil || q.Base.IsZero() {
		return s, base, head, err
	}
	if base, err = rules.Resolve(ctx, s, q.Base); err != nil || !q.FromMergeBase {
		return s, base, head, err
	}
	id, err := history.MergeBase(ctx, s, base.Commit, head.Commit)
	if err != nil || id.IsZero() {
		return s, ports.Resolved{}, head, err
	}
	base, err = rules.Resolve(ctx, s, git.AtCommit(id))
	return s, base, head, err
}

// ListChangedPaths implements [ports.HistoryReader].
func (r repository) ListChangedPaths(ctx context.Context, q ports.Compare) (ports.Comparison, iter.Seq2[git.PathChange, error], error) {
	s, base, head, err := r.compare(ctx, q)
	if err != nil {
		return ports.Comparison{}, nil, err
	}
	return ports.Comparison{Base: base.Commit, Head: head.Commit}, stream(ctx, tree.Changes(ctx, s, base.Tree, head.Tree, q.Paths)), nil
}

// GetDiff implements [ports.HistoryReader].
func (r repository) GetDiff(ctx context.Context, q ports.Compare) (ports.Comparison, iter.Seq2[ports.FileDiff, error], error) {
	s, base, head, err := r.compare(ctx, q)
	if err != nil {
		return ports.Comparison{}, nil, err
	}
	return ports.Comparison{Base: base.Commit, Head: head.Commit}, stream(ctx, func(yield func(ports.FileDiff, error) bool) {
		for c, err := range tree.Changes(ctx, s, base.Tree, head.Tree, q.Paths) {
			var d ports.FileDiff
			if err == nil {
				d, err = s.diff(ctx, c)
			}
			if !yield(d, err) {
				return
			}
		}
	}), nil
}

func (s snapshot) diff(ctx context.Context, c git.PathChange) (ports.FileDiff, error) {
	d := ports.FileDiff{PathChange: c}
	if c.OldID == c.NewID {
		return d, nil
	}
	before, err := s.side(ctx, c.OldMode, c.OldID)
	if err != nil {
		return d, err
	}
	after, err := s.side(ctx, c.NewMode, c.NewID)
	if err != nil {
		return d, err
	}
	if d.Binary = !isText(before) || !isText(after); !d.Binary {
		d.Patch, d.Added, d.Removed = patch.Unified(before, after)
	}
	return d, nil
}

func isText(content []byte) bool {
	return len(content) <= ports.MaxDiffFile && patch.IsDiffable(content)
}

// side is the content of one side of a diff. A submodule is a line that names its commit, as git shows it.
func (s snapshot) side(ctx context.Context, mode git.FileMode, id git.ObjectID) ([]byte, error) {
	switch {
	case id.IsZero():
		return nil, nil
	case mode == git.ModeSubmodule:
		return []byte("Subproject commit " + id.String() + "\n"), nil
	}
	return s.Blob(ctx, id)
}
