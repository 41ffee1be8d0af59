package gitcli

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/catfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/history"
	"github.com/gitstore-dev/gitstore/domain/page"
	"github.com/gitstore-dev/gitstore/domain/patch"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/domain/tree"
	"github.com/gitstore-dev/gitstore/domain/version"
	"github.com/gitstore-dev/gitstore/ports"
)

// gitRepository implements [ports.GitRepository]. It is only a name: each call finds the repository anew.
type gitRepository struct {
	store *Store
	id    git.RepositoryID
	// pushed is a push whose objects are read as if they were the repository's; nil if there is none.
	pushed *quarantine
}

var _ ports.GitRepository = (*gitRepository)(nil)

// Info implements [ports.InfoReader].
func (g *gitRepository) Info(ctx context.Context) (ports.RepositoryInfo, error) {
	r, err := g.store.repo(ctx, g.id)
	if err != nil {
		return ports.RepositoryInfo{}, err
	}
	return r.info(), nil
}

// at opens the repository and resolves the revision.
func (g *gitRepository) at(ctx context.Context, rev git.Revision) (view, ports.Resolved, error) {
	r, err := g.store.repo(ctx, g.id)
	if err != nil {
		return view{}, ports.Resolved{}, err
	}
	v := r.view()
	if g.pushed != nil {
		v.objects = g.pushed.objects
	}
	at, err := repository.Resolve(ctx, v, rev)
	return v, at, err
}

// ResolveRevision implements [ports.RefReader].
func (g *gitRepository) ResolveRevision(ctx context.Context, rev git.Revision) (ports.Resolved, error) {
	_, at, err := g.at(ctx, rev)
	return at, err
}

// ListRefs implements [ports.RefReader].
func (g *gitRepository) ListRefs(ctx context.Context, q ports.RefQuery) (iter.Seq2[git.Ref, error], error) {
	patterns, err := git.ParseRefPatterns(q.Patterns)
	if err != nil {
		return nil, err
	}
	r, err := g.store.repo(ctx, g.id)
	if err != nil {
		return nil, err
	}
	refs := r.refs.Load()
	return func(yield func(git.Ref, error) bool) {
		left := q.Limit
		refs.ascend(q.After, func(ref git.Ref) bool {
			if ref.Name == q.After || !patterns.Match(ref.Name) {
				return true
			}
			if err := ctx.Err(); err != nil {
				yield(git.Ref{}, errs.From(err))
				return false
			}
			left--
			return yield(ref, nil) && left != 0
		})
	}, nil
}

// ListTags implements [ports.RefReader].
func (g *gitRepository) ListTags(ctx context.Context, p ports.Page) (ports.TagPage, error) {
	scope := "tags " + g.id.String()
	size, err := page.Size(p.Size)
	if err != nil {
		return ports.TagPage{}, err
	}
	var last page.Token
	if p.Token != "" {
		if last, err = page.Decode(scope, p.Token); err != nil {
			return ports.TagPage{}, err
		}
	}
	r, err := g.store.repo(ctx, g.id)
	if err != nil {
		return ports.TagPage{}, err
	}
	rest, err := after(r.tags(), last.After)
	if err != nil {
		return ports.TagPage{}, err
	}
	var res ports.TagPage
	if res.Items, err = r.describeTags(ctx, rest[:min(size, len(rest))]); err != nil {
		return ports.TagPage{}, err
	}
	if n := len(res.Items); n < len(rest) {
		res.NextToken = page.Encode(scope, page.Token{After: rest[n-1].Name.Short()})
	}
	return res, nil
}

// after sorts tags and returns those behind the tag of the name, which need not exist any more; all for "".
func after(tags []git.Ref, name string) ([]git.Ref, error) {
	isLast := func(ref git.Ref) bool { return ref.Name.Short() == name }
	if name != "" && !slices.ContainsFunc(tags, isLast) {
		gone, err := git.TagRef(name)
		if err != nil {
			return nil, errs.InvalidField(errs.ReasonInvalidPageToken, "page_token", "the page token is not of this listing")
		}
		tags = append(tags, git.Ref{Name: gone})
	}
	version.SortTags(tags, func(ref git.Ref) string { return ref.Name.Short() })
	return tags[slices.IndexFunc(tags, isLast)+1:], nil
}

func (r *repo) tags() []git.Ref {
	var tags []git.Ref
	from, _ := git.ParseRefName("refs/tags/!")
	r.refs.Load().ascend(from, func(ref git.Ref) bool {
		tags = append(tags, ref)
		return true
	})
	return tags
}

// describeTags describes the tags up to where a page of them ends.
func (r *repo) describeTags(ctx context.Context, refs []git.Ref) ([]ports.TagInfo, error) {
	if err := r.fetchTags(ctx, refs); err != nil {
		return nil, err
	}
	var infos []ports.TagInfo
	size := 0
	for _, ref := range refs {
		info, err := tagInfo(ctx, r.objects, ref)
		if err != nil {
			return nil, err
		}
		if size += info.Size(); size > ports.MaxTagPage && len(infos) > 0 {
			break
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// fetchTags reads the tag objects that a page has room for into the cache. Git is asked for the sizes first, as it would
// unpack those behind, too, for nobody.
func (r *repo) fetchTags(ctx context.Context, refs []git.Ref) error {
	var missing []git.ObjectID
	for _, ref := range refs {
		if ref.TargetType == git.TagObject && !r.objects.cached(ref.Target) {
			missing = append(missing, ref.Target)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	found, err := r.objects.reader.Infos(ctx, missing)
	if err != nil {
		return err
	}
	room := int64(ports.MaxTagPage)
	end := slices.IndexFunc(found, func(o catfile.Info) bool {
		room -= o.Size
		return room < 0
	})
	if end < 0 {
		end = len(found)
	}
	return r.objects.fetch(ctx, missing[:end])
}

func tagInfo(ctx context.Context, o git.ObjectReader, ref git.Ref) (ports.TagInfo, error) {
	info := ports.TagInfo{Ref: ref}
	if v, ok := version.Parse(ref.Name.Short()); ok {
		info.Version, info.Prerelease = v.String(), v.IsPrerelease()
	}
	if ref.TargetType != git.TagObject {
		return info, nil
	}
	var err error
	info.Annotated, err = o.Tag(ctx, ref.Target)
	return info, corrupt(err)
}

// LatestTag implements [ports.RefReader].
func (g *gitRepository) LatestTag(ctx context.Context, q ports.LatestTagQuery) (ports.TagInfo, error) {
	limits, err := version.ParseRange(q.Range)
	if err != nil {
		return ports.TagInfo{}, err
	}
	r, err := g.store.repo(ctx, g.id)
	if err != nil {
		return ports.TagInfo{}, err
	}
	tags := r.tags()
	version.SortTags(tags, func(ref git.Ref) string { return ref.Name.Short() })
	for _, ref := range tags {
		v, ok := version.Parse(ref.Name.Short())
		if !ok {
			break
		}
		if limits.Matches(v, q.Prereleases) {
			return tagInfo(ctx, r.objects, ref)
		}
	}
	return ports.TagInfo{}, errs.New(errs.ReasonRefNotFound, "no tag is a version that fits: publish a release, or let pre-releases count", errs.MetaRef, "refs/tags/")
}

// file finds a file and what is known of it before its content is read.
func (g *gitRepository) file(ctx context.Context, rev git.Revision, p git.TreePath) (view, ports.File, error) {
	v, at, err := g.at(ctx, rev)
	if err != nil {
		return v, ports.File{}, err
	}
	f, err := fileAt(ctx, v, at, p)
	return v, f, err
}

func fileAt(ctx context.Context, o git.ObjectReader, at ports.Resolved, p git.TreePath) (ports.File, error) {
	entry, err := tree.Lookup(ctx, o, at.Tree, p)
	if err != nil {
		return ports.File{}, err
	}
	if !entry.Mode.IsFile() {
		return ports.File{}, errs.InvalidField(errs.ReasonNotAFile, "path", "path %q is a directory or submodule, not a file", p).
			WithMeta(errs.MetaPath, p.String())
	}
	return ports.File{Commit: at.Commit, Path: p, Mode: entry.Mode, Blob: entry.ID}, nil
}

// GetFile implements [ports.BlobReader].
func (g *gitRepository) GetFile(ctx context.Context, rev git.Revision, p git.TreePath) (ports.FileContent, error) {
	v, f, err := g.file(ctx, rev, p)
	if err != nil {
		return ports.FileContent{}, err
	}
	content, err := v.Blob(ctx, f.Blob)
	if err != nil {
		return ports.FileContent{}, err
	}
	if content == nil {
		return ports.FileContent{}, errs.InvalidField(errs.ReasonFileTooLarge, "path", "the file is larger than %d bytes: read it with ReadFile", ports.MaxGetFile).
			WithMeta(errs.MetaPath, p.String())
	}
	f.Size = int64(len(content))
	return ports.FileContent{File: f, Content: content}, nil
}

// ReadFile implements [ports.BlobReader].
func (g *gitRepository) ReadFile(ctx context.Context, q ports.ReadFile) (ports.File, io.ReadCloser, error) {
	if q.Offset < 0 || q.Limit < 0 {
		return ports.File{}, nil, errs.InvalidField(errs.ReasonInvalidRange, "offset", "offset and limit must not be negative")
	}
	v, f, err := g.file(ctx, q.Revision, q.Path)
	if err != nil {
		return ports.File{}, nil, err
	}
	held, size, err := v.blob(ctx, f.Blob)
	if err != nil {
		return ports.File{}, nil, err
	}
	f.Size = size
	if q.Offset > size {
		return ports.File{}, nil, errs.InvalidField(errs.ReasonInvalidRange, "offset", "offset %d is beyond the end of the file at %d", q.Offset, size)
	}
	n := size - q.Offset
	if q.Limit > 0 {
		n = min(n, q.Limit)
	}
	if held != nil {
		return f, io.NopCloser(bytes.NewReader(held[q.Offset : q.Offset+n])), nil
	}
	return f, v.reader.Content(ctx, f.Blob, q.Offset, n), nil
}

// blob returns a blob's size, and its content unless it is too large for memory: then it is nil and not read.
func (o *objects) blob(ctx context.Context, id git.ObjectID) ([]byte, int64, error) {
	content, err := o.Blob(ctx, id)
	if err != nil || content != nil {
		return content, int64(len(content)), err
	}
	sizes, err := o.Sizes(ctx, []git.ObjectID{id})
	if err != nil {
		return nil, 0, err
	}
	return nil, sizes[0], nil
}

// BatchGetFiles implements [ports.BlobReader].
func (g *gitRepository) BatchGetFiles(ctx context.Context, rev git.Revision, paths []git.TreePath) (git.ObjectID, iter.Seq2[ports.BatchFile, error], error) {
	if len(paths) > ports.MaxBatchPaths {
		return git.ObjectID{}, nil, errs.InvalidField(errs.ReasonTooManyActions, "paths", "there are %d paths, at most %d are taken at once", len(paths), ports.MaxBatchPaths)
	}
	v, at, err := g.at(ctx, rev)
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	found := func(yield func(ports.BatchFile, error) bool) {
		for _, p := range paths {
			f, err := fileAt(ctx, v, at, p)
			b := ports.BatchFile{File: f}
			if errs.Is(err, errs.ReasonPathNotFound, errs.ReasonNotAFile) {
				b = ports.BatchFile{File: ports.File{Commit: at.Commit, Path: p}, Err: err}
				err = nil
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
	return at.Commit, withContents(ctx, v.objects, found, batchTarget), nil
}

func batchTarget(f *ports.BatchFile) contentTarget {
	return contentTarget{f.Blob, &f.Size, &f.Content}
}

// ListFiles implements [ports.TreeReader].
func (g *gitRepository) ListFiles(ctx context.Context, q ports.ListFiles) (git.ObjectID, iter.Seq2[ports.FileInfo, error], error) {
	v, at, err := g.at(ctx, q.Revision)
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	entries, err := tree.List(ctx, newTreesAhead(v.objects), at.Tree, tree.ListOptions{
		Prefix: q.Prefix, Recursive: q.Recursive, Patterns: q.Patterns, After: q.After, Limit: q.Limit,
	})
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	files := func(yield func(ports.FileInfo, error) bool) {
		for e, err := range entries {
			if !yield(ports.FileInfo{Path: e.Path, Mode: e.Mode, ID: e.ID}, err) {
				return
			}
		}
	}
	return at.Commit, withSizes(ctx, v, files, infoSize), nil
}

// sizeBatch is how many sizes are asked for at once.
const sizeBatch = 512

// withSizes adds the sizes of blobs to items; target tells which blob is an item's, zero if none, and where its size goes.
func withSizes[T any](ctx context.Context, o git.ObjectReader, items iter.Seq2[T, error], target func(*T) (git.ObjectID, *int64)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		batches := inBatches(ctx, items, func() int { return sizeBatch }, func(ctx context.Context, items []T) ([]T, error) {
			return items, addSizes(ctx, o, items, target)
		})
		for batch, err := range batches {
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range batch {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

func addSizes[T any](ctx context.Context, o git.ObjectReader, items []T, target func(*T) (git.ObjectID, *int64)) error {
	blobs := make([]git.ObjectID, 0, len(items))
	for i := range items {
		if blob, _ := target(&items[i]); !blob.IsZero() {
			blobs = append(blobs, blob)
		}
	}
	sizes, err := o.Sizes(ctx, blobs)
	if err != nil {
		return err
	}
	for i := range items {
		if blob, size := target(&items[i]); !blob.IsZero() {
			*size, sizes = sizes[0], sizes[1:]
		}
	}
	return nil
}

func infoSize(f *ports.FileInfo) (git.ObjectID, *int64) {
	if !f.Mode.IsFile() {
		return git.ObjectID{}, nil
	}
	return f.ID, &f.Size
}

// ReadTree implements [ports.TreeReader].
func (g *gitRepository) ReadTree(ctx context.Context, q ports.ReadTree) (git.ObjectID, iter.Seq2[ports.TreeFile, error], error) {
	if q.MaxFileSize < 0 {
		return git.ObjectID{}, nil, errs.InvalidField(errs.ReasonInvalidArgument, "max_file_size", "the largest size of files must not be negative")
	}
	suffixes, err := tree.ParseSuffixes(q.Suffixes)
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	v, at, err := g.at(ctx, q.Revision)
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	var base git.ObjectID
	if !q.Base.IsZero() {
		from, err := repository.Resolve(ctx, v, git.AtCommit(q.Base))
		if err != nil {
			return git.ObjectID{}, nil, err
		}
		base = from.Tree
	}
	var trees git.ObjectReader = v
	if base.IsZero() { // else most trees are not read at all
		trees = newTreesAhead(v.objects)
	}
	files := func(yield func(ports.TreeFile, error) bool) {
		for c, err := range tree.Changes(ctx, trees, base, at.Tree, q.Prefixes) {
			f, ok := treeFile(c)
			if err == nil && (!ok || !suffixes.Match(c.Path)) {
				continue
			}
			if !yield(f, err) {
				return
			}
		}
	}
	return at.Commit, withContents(ctx, v.objects, omitLarge(ctx, v, files, q.MaxFileSize), treeTarget), nil
}

// omitLarge omits the contents of files above the limit, so that git is asked for the sizes of those and for no more; 0
// is no limit.
func omitLarge(ctx context.Context, o git.ObjectReader, files iter.Seq2[ports.TreeFile, error], limit int64) iter.Seq2[ports.TreeFile, error] {
	if limit == 0 {
		return files
	}
	return func(yield func(ports.TreeFile, error) bool) {
		for f, err := range withSizes(ctx, o, files, treeSize) {
			f.Omitted = f.Size > limit
			if !yield(f, err) {
				return
			}
		}
	}
}

func treeSize(f *ports.TreeFile) (git.ObjectID, *int64) { return f.Blob, &f.Size }

// treeFile tells what a change means to a reader of files; a submodule means nothing.
func treeFile(c git.PathChange) (ports.TreeFile, bool) {
	if c.NewMode.IsFile() && !c.NewID.IsZero() {
		return ports.TreeFile{Path: c.Path, Mode: c.NewMode, Blob: c.NewID}, true
	}
	return ports.TreeFile{Path: c.Path, Deleted: true}, c.OldMode.IsFile() && !c.OldID.IsZero()
}

func treeTarget(f *ports.TreeFile) contentTarget {
	if f.Omitted {
		return contentTarget{}
	}
	return contentTarget{f.Blob, &f.Size, &f.Content}
}

// GetCommit implements [ports.HistoryReader].
func (g *gitRepository) GetCommit(ctx context.Context, rev git.Revision) (*git.Commit, error) {
	v, at, err := g.at(ctx, rev)
	if err != nil {
		return nil, err
	}
	return v.Commit(ctx, at.Commit)
}

// ListCommits implements [ports.HistoryReader].
func (g *gitRepository) ListCommits(ctx context.Context, q ports.ListCommits) (git.ObjectID, iter.Seq2[*git.Commit, error], error) {
	if q.Skip < 0 || q.Limit < 0 {
		return git.ObjectID{}, nil, errs.InvalidField(errs.ReasonInvalidArgument, "skip", "skip and limit must not be negative")
	}
	v, at, err := g.at(ctx, q.Revision)
	if err != nil {
		return git.ObjectID{}, nil, err
	}
	opt := history.WalkOptions{
		Start: at.Commit, Path: q.Path, Author: q.Author, Since: q.Since, Until: q.Until,
		FirstParent: q.FirstParent, Skip: q.Skip, Limit: q.Limit,
	}
	if !q.Exclude.IsZero() {
		excluded, err := repository.Resolve(ctx, v, q.Exclude)
		if err != nil {
			return git.ObjectID{}, nil, err
		}
		opt.Exclude = excluded.Commit
	}
	return at.Commit, history.Walk(ctx, newHistoryAhead(v.objects), opt), nil
}

// compare resolves both sides of a comparison and returns the changes between them.
func (g *gitRepository) compare(ctx context.Context, q ports.Compare) (view, ports.Comparison, iter.Seq2[git.PathChange, error], error) {
	v, head, err := g.at(ctx, q.Head)
	if err != nil {
		return v, ports.Comparison{}, nil, err
	}
	var base ports.Resolved
	if !q.Base.IsZero() {
		if base, err = repository.Resolve(ctx, v, q.Base); err != nil {
			return v, ports.Comparison{}, nil, err
		}
	}
	if q.FromMergeBase && !q.Base.IsZero() {
		if base, err = mergeBase(ctx, v, base.Commit, head.Commit); err != nil {
			return v, ports.Comparison{}, nil, err
		}
	}
	return v, ports.Comparison{Base: base.Commit, Head: head.Commit}, tree.Changes(ctx, v, base.Tree, head.Tree, q.Paths), nil
}

func mergeBase(ctx context.Context, v view, a, b git.ObjectID) (ports.Resolved, error) {
	id, err := history.MergeBase(ctx, v, a, b)
	if err != nil || id.IsZero() {
		return ports.Resolved{}, err
	}
	return repository.Resolve(ctx, v, git.AtCommit(id))
}

// ListChangedPaths implements [ports.HistoryReader].
func (g *gitRepository) ListChangedPaths(ctx context.Context, q ports.Compare) (ports.Comparison, iter.Seq2[git.PathChange, error], error) {
	_, compared, changes, err := g.compare(ctx, q)
	return compared, changes, err
}

// GetDiff implements [ports.HistoryReader].
func (g *gitRepository) GetDiff(ctx context.Context, q ports.Compare) (ports.Comparison, iter.Seq2[ports.FileDiff, error], error) {
	v, compared, changes, err := g.compare(ctx, q)
	if err != nil {
		return compared, nil, err
	}
	return compared, func(yield func(ports.FileDiff, error) bool) {
		for c, err := range changes {
			var d ports.FileDiff
			if err == nil {
				d, err = v.diff(ctx, c)
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}, nil
}

func (v view) diff(ctx context.Context, c git.PathChange) (ports.FileDiff, error) {
	d := ports.FileDiff{PathChange: c}
	if c.OldID == c.NewID {
		return d, nil
	}
	before, okBefore, err := v.text(ctx, c.OldMode, c.OldID)
	if err != nil {
		return d, err
	}
	after, okAfter, err := v.text(ctx, c.NewMode, c.NewID)
	if err != nil {
		return d, err
	}
	if d.Binary = !okBefore || !okAfter; d.Binary {
		return d, nil
	}
	d.Patch, d.Added, d.Removed = patch.Unified(before, after)
	return d, nil
}

// text returns a side of a diff, and false if no diff can be made of it. A submodule is a line that names its commit, as
// git shows it.
func (v view) text(ctx context.Context, mode git.FileMode, id git.ObjectID) ([]byte, bool, error) {
	switch {
	case id.IsZero():
		return nil, true, nil
	case mode == git.ModeSubmodule:
		return []byte("Subproject commit " + id.String() + "\n"), true, nil
	}
	content, err := v.Blob(ctx, id)
	return content, content != nil && patch.IsDiffable(content), err
}
