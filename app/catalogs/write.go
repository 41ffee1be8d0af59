package catalogs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/pathrule"
	rules "github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/ports"
)

// Action says what to do to a document.
type Action string

// The actions.
const (
	// CreateDocument makes a document that must not exist.
	CreateDocument Action = "create"
	// ReplaceDocument gives a document other fields.
	ReplaceDocument Action = "replace"
	// PutDocument replaces the document if there is one, else it creates it.
	PutDocument Action = "put"
	// PatchDocument merges fields into those of a document (RFC 7396).
	PatchDocument Action = "patch"
	// DeleteDocument deletes a document and its file.
	DeleteDocument Action = "delete"
)

// makes reports whether there may be no such document before.
func (a Action) makes() bool { return a == CreateDocument || a == PutDocument }

// DocumentChange is what to do to one document.
type DocumentChange struct {
	Action Action
	Kind   catalog.Kind
	ID     string
	// Path is the file of a new document; zero is one that follows from kind and slug.
	Path git.TreePath
	// Fields is a JSON object: all fields of the front matter but id and kind, or for [PatchDocument] those that change.
	Fields json.RawMessage
	// Body is the Markdown; nil leaves it as it is.
	Body *string
	// Expected is the blob that the document's file must be, if set.
	Expected git.Expectation
	// Check is asked whether the document, nil if there is none, is as the caller expects it, and what it returns is the
	// outcome of the write; nil is not asked. It is asked again if the write is tried again.
	Check func(s *catalog.Snapshot, d *catalog.Document) error
}

// MaxDocumentChanges is the most documents that one [Write] may change.
const MaxDocumentChanges = 1000

// Write is a commit of changed documents.
type Write struct {
	// Commit describes the commit. Its Branch may be zero: then it is that of the view, else the default branch. Its Start,
	// OnConflict and AllowEmpty have to be zero. With a RequestID a retry returns the first write's commit.
	Commit  ports.CommitFiles
	Changes []DocumentChange
}

// WriteResult is what a write came to.
type WriteResult struct {
	Commit ports.CommitResult
	// Branch is the branch that was written to.
	Branch git.RefName
	// Followed reports that the view is of that branch.
	Followed bool
	// Documents are the changed documents in the order of the changes.
	Documents []WrittenDocument
	// Snapshot is the catalog behind the write; it does not know its commit.
	Snapshot *catalog.Snapshot
}

// WrittenDocument is a document behind a write.
type WrittenDocument struct {
	// Action is CreateDocument, ReplaceDocument, PatchDocument or DeleteDocument.
	Action Action
	Path   git.TreePath
	// Document is nil if it was deleted.
	Document *catalog.Document
}

// InvalidDocumentsError is an INVALID_DOCUMENT with the problems that there would be.
type InvalidDocumentsError struct {
	err *errs.Error
	// Problems are the first of them: those of the documents that change, then those of others, each ordered by path. The metadata
	// problem_count says how many there are.
	Problems []catalog.Problem
}

func (e *InvalidDocumentsError) Error() string { return e.err.Error() }

// Unwrap returns the error as all others are.
func (e *InvalidDocumentsError) Unwrap() error { return e.err }

// MovedDocumentError is the cause of a BLOB_MOVED: there is another version of the document than was expected.
type MovedDocumentError struct {
	// Document is as it is, and Snapshot is the catalog that it is in.
	Document *catalog.Document
	Snapshot *catalog.Snapshot
}

func (e *MovedDocumentError) Error() string {
	return fmt.Sprintf("the document is the blob %s", e.Document.Blob)
}

const (
	// maxTold is how many problems an [InvalidDocumentsError] has.
	maxTold = 100
	// maxAttempts is how often a write is made anew because the branch has moved. Writers of one process take turns, so the
	// others are those of other processes and whoever pushes: of ten that never pause, one in 40,000 is refused.
	maxAttempts = 100
)

// Write changes documents in one commit, or nothing. It builds on the head of the branch, whatever the view follows, and is
// made anew if the branch has moved meanwhile, so that what it checks holds for the commit that it makes: two writers never
// give two documents one slug. It is refused if a problem would come up that the catalog does not have: what is wrong with
// other documents already holds nobody up.
//
// It fails with CATALOG_NOT_FOUND for a repository that is no target; DOCUMENT_NOT_FOUND, DOCUMENT_EXISTS, BLOB_MOVED, with a
// [*MovedDocumentError] if there is such a document, and what Check returns; INVALID_DOCUMENT as an [*InvalidDocumentsError]; INVALID_ARGUMENT for a path that holds no document
// and for two changes of one document, unless one deletes it and the other creates another; NO_ACTIONS and TOO_MANY_ACTIONS; REF_MOVED if there is an ExpectedHead, or many
// writers got in before; and as [ports.Committer.CommitFiles] and [Follower.Open] do.
func (f *Follower) Write(ctx context.Context, id git.RepositoryID, w Write) (*WriteResult, error) {
	d, err := f.deskOf(ctx, id, &w.Commit)
	if err != nil {
		return nil, err
	}
	if err := w.check(); err != nil {
		return nil, err
	}
	result, err := d.writeOnHead(ctx, w)
	if w.Commit.RequestID == "" || err == nil && !result.Commit.NoOp && !result.Commit.Replayed || err != nil && !isRefusal(err) {
		return result, err
	}
	// A request that was made before is refused, or has nothing to do, for what it did itself.
	base, found, lost := d.baseOfRequest(ctx, w.Commit)
	switch {
	case lost != nil:
		return nil, lost
	case found:
		return d.writeOn(ctx, base, w)
	}
	return result, err
}

// isRefusal reports whether a write failed for what is there and not for want of a service.
func isRefusal(err error) bool {
	switch errs.KindOf(err) {
	case errs.Invalid, errs.NotFound, errs.Exists, errs.Conflict:
		return true
	}
	return false
}

// inTurn calls fn while nobody else here does.
func (d *desk) inTurn(ctx context.Context, fn func() error) error {
	select {
	case d.feed.turn <- struct{}{}:
	case <-ctx.Done():
		return errs.From(context.Cause(ctx))
	}
	defer func() { <-d.feed.turn }()
	return fn()
}

// writeOnHead makes the write on the head of the branch, anew as long as that moves meanwhile. Who expects a head, or only
// asks what would be, waits for nobody.
func (d *desk) writeOnHead(ctx context.Context, w Write) (result *WriteResult, err error) {
	if w.Commit.ExpectedHead.IsSet() || w.Commit.DryRun {
		return d.writeUntilMade(ctx, w)
	}
	err = d.inTurn(ctx, func() error {
		result, err = d.writeUntilMade(ctx, w)
		return err
	})
	return result, err
}

func (d *desk) writeUntilMade(ctx context.Context, w Write) (*WriteResult, error) {
	for attempt := 1; ; attempt++ {
		base, err := d.head(ctx, w.Commit.Branch)
		if err != nil {
			return nil, err
		}
		result, err := d.writeOn(ctx, base, w)
		if !errs.Is(err, errs.ReasonRefMoved) || w.Commit.ExpectedHead.IsSet() || attempt == maxAttempts {
			return result, err
		}
	}
}

func (w *Write) check() error {
	switch {
	case len(w.Changes) == 0:
		return errs.InvalidField(errs.ReasonNoActions, "changes", "there is nothing to change: give at least one document")
	case len(w.Changes) > MaxDocumentChanges:
		return errs.InvalidField(errs.ReasonTooManyActions, "changes", "there are %d changes, at most %d are taken at once", len(w.Changes), MaxDocumentChanges)
	}
	seen := map[string]Action{}
	for i, c := range w.Changes {
		before, again := seen[c.ID]
		var err error
		switch {
		case c.Kind == "":
			err = errs.InvalidField(errs.ReasonInvalidArgument, "kind", "the kind is missing")
		case strings.TrimSpace(c.ID) == "":
			err = errs.InvalidField(errs.ReasonInvalidArgument, "id", "the id is missing")
		case again && !(before == DeleteDocument && c.Action.makes() || before.makes() && c.Action == DeleteDocument):
			err = errs.InvalidField(errs.ReasonInvalidArgument, "id", "two changes are of the document %.80q: make one of them, or delete one and create another", c.ID)
		}
		if err != nil {
			return inChange(err, i, len(w.Changes))
		}
		if seen[c.ID] = c.Action; again {
			seen[c.ID] = "" // a third is refused
		}
	}
	return nil
}

// desk is where a repository's documents are changed.
type desk struct {
	feed     *feed
	follower *Follower
	info     ports.RepositoryInfo
}

// deskOf returns the desk of a repository, and fills in the branch of a commit that names none.
func (f *Follower) deskOf(ctx context.Context, id git.RepositoryID, commit *ports.CommitFiles) (*desk, error) {
	feed, err := f.feed(id)
	if err != nil {
		return nil, err
	}
	info, err := feed.repo.Info(ctx)
	if err != nil {
		return nil, err
	}
	d := &desk{feed: feed, follower: f, info: info}
	if commit.Branch.IsZero() {
		commit.Branch = d.branch()
	}
	return d, nil
}

// branch is that of the view, else the default one.
func (d *desk) branch() git.RefName {
	if view := d.feed.target.View; !view.Live && !view.Branch.IsZero() {
		return view.Branch
	}
	return d.info.DefaultBranch
}

// follows reports whether the view is of a branch.
func (d *desk) follows(branch git.RefName) bool {
	return !d.feed.target.View.Live && branch == d.branch()
}

// head is the catalog at the head of a branch; of the default branch without a commit an empty one.
func (d *desk) head(ctx context.Context, branch git.RefName) (*catalog.Snapshot, error) {
	at, err := d.feed.repo.ResolveRevision(ctx, git.AtRef(branch))
	if errs.Is(err, errs.ReasonRefNotFound) && branch == d.info.DefaultBranch {
		return catalog.Build(ctx, nil, git.ObjectID{}, nil)
	}
	if err != nil {
		return nil, err
	}
	c, err := d.follower.open(ctx, d.feed, at.Commit)
	return c.snapshot(), err
}

// baseOfRequest finds what the commit was built on that was made for the request before. Made again on that, the same write
// is the same commit, and another one is found out.
func (d *desk) baseOfRequest(ctx context.Context, req ports.CommitFiles) (*catalog.Snapshot, bool, error) {
	if req.RequestID == "" {
		return nil, false, nil
	}
	_, commits, err := d.feed.repo.ListCommits(ctx, ports.ListCommits{Revision: git.AtRef(req.Branch), FirstParent: true, Limit: rules.MaxRequestWindow})
	if errs.Is(err, errs.ReasonRefNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	n, now := 0, time.Now()
	for c, err := range commits {
		if err != nil {
			return nil, false, err
		}
		if !rules.RequestsReach(n, c, now) {
			break
		}
		n++
		if id, _ := rules.RequestOf(c); id != req.RequestID {
			continue
		}
		if len(c.Parents) == 0 {
			base, err := catalog.Build(ctx, nil, git.ObjectID{}, nil)
			return base, true, err
		}
		base, err := d.follower.open(ctx, d.feed, c.Parents[0])
		return base.snapshot(), true, err
	}
	return nil, false, nil
}

// draft is what a write comes to before it is committed.
type draft struct {
	WriteResult
	files   []git.Change
	changes []catalog.Change
	// base is the catalog that the changes are made on.
	base *catalog.Snapshot
	// turn is the place of the change that is being added.
	turn int
	// at are the places of the documents among those of the result, by their paths.
	at map[git.TreePath]int
	// written are the paths, in small letters, of the documents that are not deleted.
	written map[string]bool
}

func newDraft() *draft { return &draft{at: map[git.TreePath]int{}, written: map[string]bool{}} }

// writeOn makes the write on a catalog, which has to be that of the branch's head.
func (d *desk) writeOn(ctx context.Context, base *catalog.Snapshot, w Write) (*WriteResult, error) {
	if !w.Commit.ExpectedHead.Met(base.Commit()) {
		return nil, notAtHead(w.Commit, base.Commit())
	}
	out := newDraft()
	out.Branch, out.Followed = w.Commit.Branch, d.follows(w.Commit.Branch)
	if err := d.changes(ctx, out, base, w.Changes); err != nil {
		return nil, err
	}
	if err := out.refusal(base); err != nil {
		return nil, err
	}
	if err := out.served(w.Changes); err != nil {
		return nil, err
	}
	if len(out.files) == 0 {
		out.Commit = ports.CommitResult{Commit: base.Commit(), NoOp: true}
		return &out.WriteResult, nil
	}
	req := w.Commit
	req.ExpectedHead = headOf(base)
	if req.Message == "" {
		req.Message = message(w.Changes, out.Documents)
	}
	var err error
	out.Commit, err = d.feed.repo.CommitFiles(ctx, req, out.commit())
	return &out.WriteResult, err
}

// headOf expects the head that a catalog is of.
func headOf(base *catalog.Snapshot) git.Expectation {
	if base.Commit().IsZero() {
		return git.ExpectAbsent()
	}
	return git.ExpectID(base.Commit())
}

func notAtHead(req ports.CommitFiles, actual git.ObjectID) error {
	return errs.New(errs.ReasonRefMoved, fmt.Sprintf("branch %q is not where it was expected: read again what is there", req.Branch.Short()),
		errs.MetaRef, req.Branch.String(), errs.MetaExpected, req.ExpectedHead.ID().String(), errs.MetaActual, actual.String())
}

// invalid refuses what would have so many problems, the first of which are told.
func invalid(problems []catalog.Problem, total int) error {
	many := "problems"
	if total > len(problems) {
		many = fmt.Sprintf("%d problems, of which %d are listed", total, len(problems))
	}
	return &InvalidDocumentsError{
		err: errs.New(errs.ReasonInvalidDocument, fmt.Sprintf("the catalog would have %s, the first of them in %.80q: %s", many, problems[0].Path, problems[0].Message),
			metaProblemCount, strconv.Itoa(total)),
		Problems: problems,
	}
}

// metaProblemCount names how many problems there would be, of which [maxTold] are told at most.
const metaProblemCount = "problem_count"

// changes adds what becomes of documents, and the catalog that there would be. Their order does not matter: documents are deleted
// first, so that others may come to their ids, keys and files.
func (d *desk) changes(ctx context.Context, out *draft, base *catalog.Snapshot, changes []DocumentChange) error {
	out.base, out.Documents = base, make([]WrittenDocument, len(changes))
	rest := base
	for _, deletes := range []bool{true, false} {
		for i, c := range changes {
			if (c.Action == DeleteDocument) != deletes {
				continue
			}
			out.turn = i
			if err := d.change(ctx, out, rest, c); err != nil {
				return inChange(err, i, len(changes))
			}
		}
		if deletes && len(out.changes) == 0 {
			continue
		}
		var err error
		if rest, err = catalog.Build(ctx, base, git.ObjectID{}, out.changes); err != nil {
			return errs.From(err)
		}
	}
	out.Snapshot = rest
	return nil
}

// inChange says which of several changes an error is about.
func inChange(err error, i, of int) error {
	if of == 1 {
		return err
	}
	e, ok := err.(*errs.Error) //nolint:errorlint // what others made of an error stays as it is
	if !ok {
		return err
	}
	field := fmt.Sprintf("changes[%d]", i)
	if below := e.Meta[errs.MetaField]; below != "" {
		field += "." + below
	}
	return e.WithMeta(errs.MetaField, field)
}

func (out *draft) commit() iter.Seq2[git.Change, error] {
	return func(yield func(git.Change, error) bool) {
		for _, c := range out.files {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// change adds what becomes of one document of a catalog.
func (d *desk) change(ctx context.Context, out *draft, base *catalog.Snapshot, c DocumentChange) error {
	found, withheld := base.Document(c.ID), base.Withheld(c.ID)
	creates := c.Action.makes()
	switch {
	case found != nil && found.Kind != c.Kind && creates:
		return exists(found)
	case found != nil && found.Kind != c.Kind:
		found = nil
	case withheld != nil && (!withheld.MayBe(c.Kind) && creates || c.Action == CreateDocument):
		return existsWithheld(withheld)
	case withheld != nil && !withheld.MayBe(c.Kind):
		withheld = nil
	}
	if c.Check != nil {
		if err := c.Check(base, found); err != nil {
			return err
		}
	}
	var blob git.ObjectID
	if found != nil {
		blob = found.Blob
	} else if withheld != nil {
		blob = withheld.Blob
	}
	if !c.Expected.Met(blob) {
		moved := errs.New(errs.ReasonBlobMoved, fmt.Sprintf("the %s %.80q is not as it was expected: read it again", c.Kind, c.ID),
			errs.MetaExpected, c.Expected.ID().String(), errs.MetaActual, blob.String())
		if found != nil {
			moved.Err = &MovedDocumentError{found, out.base}
		}
		return moved
	}
	switch {
	case withheld != nil:
		return d.changeWithheld(ctx, out, base, withheld, c)
	case c.Action == CreateDocument && found != nil:
		return exists(found)
	case c.Action == CreateDocument, c.Action == PutDocument && found == nil:
		return d.create(out, base, c)
	case found == nil:
		return errs.New(errs.ReasonDocumentNotFound, fmt.Sprintf("the catalog has no %.64q of id %.80q", c.Kind, c.ID), "kind", short(string(c.Kind)), "id", short(c.ID))
	case !c.Path.IsRoot() && c.Path != found.Path:
		return elsewhere(found.Path)
	case c.Action == DeleteDocument:
		return out.delete(found.Path)
	}
	return d.edit(ctx, out, found, c)
}

// changeWithheld adds what becomes of a document that is not served: its file is its place, so that there are never two of it.
func (d *desk) changeWithheld(ctx context.Context, out *draft, base *catalog.Snapshot, found *catalog.Withheld, c DocumentChange) error {
	switch {
	case !c.Path.IsRoot() && c.Path != found.Path:
		return elsewhere(found.Path)
	case c.Action == DeleteDocument:
		return out.delete(found.Path)
	case c.Action == PatchDocument:
		problems := base.ProblemsAt(found.Path)
		return &InvalidDocumentsError{
			err: errs.New(errs.ReasonInvalidDocument, fmt.Sprintf("the %s %.80q is not served, for what is wrong in the file %.80q: %s; give all of its fields, with put or replace",
				short(string(c.Kind)), c.ID, found.Path, problems[0].Message), errs.MetaPath, short(found.Path.String()), metaProblemCount, strconv.Itoa(len(problems))),
			Problems: problems,
		}
	}
	file, err := d.feed.repo.GetFile(ctx, git.AtCommit(out.base.Commit()), found.Path)
	if err != nil {
		return err
	}
	kind := ""
	if catalog.FolderKind(found.Path) != c.Kind {
		kind = string(c.Kind)
	}
	content, err := found.Replace(file.Content, catalog.Edit{Fields: identified(c.Fields, kind, c.ID), Body: c.Body})
	if err != nil {
		return err
	}
	return d.write(out, WrittenDocument{Action: ReplaceDocument, Path: found.Path}, git.ActionUpdate, content)
}

func elsewhere(path git.TreePath) error {
	return errs.InvalidField(errs.ReasonInvalidArgument, "path", "the document is in the file %.80q: a commit of files can move it", path)
}

// delete takes a file out.
func (out *draft) delete(path git.TreePath) error {
	return out.add(WrittenDocument{Action: DeleteDocument, Path: path}, git.Change{Action: git.ActionDelete, Path: path}, catalog.Change{Path: path, Deleted: true})
}

func existsWithheld(found *catalog.Withheld) error {
	kind := "document"
	if found.Kind != "" {
		kind = short(string(found.Kind))
	}
	return errs.New(errs.ReasonDocumentExists, fmt.Sprintf("the id %.80q is that of a %s in the file %.80q, which is not served for what is wrong with it: put that document in its place",
		found.ID, kind, found.Path), "kind", short(string(found.Kind)), errs.MetaPath, short(found.Path.String()))
}

func exists(found *catalog.Document) error {
	return errs.New(errs.ReasonDocumentExists, fmt.Sprintf("the id %.80q is that of a %s in the file %.80q", found.ID, short(string(found.Kind)), found.Path),
		"kind", short(string(found.Kind)), errs.MetaPath, short(found.Path.String()))
}

// short bounds what metadata holds of a document.
func short(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// add takes over a document and its file.
func (out *draft) add(d WrittenDocument, file git.Change, c catalog.Change) error {
	if other, taken := out.at[d.Path]; taken {
		if out.Documents[other].Action != DeleteDocument {
			return errs.InvalidField(errs.ReasonDuplicatePath, "path", "two documents would be in the file %.80q: give one of them another path", d.Path)
		}
		file.Action = git.ActionUpdate // of the file whose document is deleted
		out.files = slices.DeleteFunc(out.files, func(f git.Change) bool { return f.Path == d.Path })
	}
	out.place(d)
	out.files, out.changes = append(out.files, file), append(out.changes, c)
	return nil
}

// place puts a document where its change is.
func (out *draft) place(d WrittenDocument) {
	out.at[d.Path] = out.turn
	if d.Action != DeleteDocument {
		out.written[strings.ToLower(d.Path.String())] = true
	}
	out.Documents[out.turn] = d
}

// write adds a file with content.
func (d *desk) write(out *draft, w WrittenDocument, action git.Action, content []byte) error {
	c := catalog.Change{Path: w.Path, Blob: d.info.ObjectFormat.HashObject(git.BlobObject, content), Size: int64(len(content)), Content: content}
	if problem := catalog.Oversize(c); problem != nil {
		return invalid([]catalog.Problem{*problem}, 1)
	}
	return out.add(w, git.Change{Action: action, Path: w.Path, Content: bytes.NewReader(content), Size: c.Size}, c)
}

func (d *desk) create(out *draft, base *catalog.Snapshot, c DocumentChange) error {
	if c.Path.IsRoot() {
		var err error
		if c.Path, err = out.choosePath(base, c); err != nil {
			return err
		}
	}
	if base.Has(c.Path) {
		return errs.New(errs.ReasonPathExists, fmt.Sprintf("there is the file %.80q already: give another path", c.Path), errs.MetaField, "path", errs.MetaPath, short(c.Path.String()))
	}
	kind := ""
	if catalog.FolderKind(c.Path) != c.Kind {
		kind = string(c.Kind)
	}
	content, err := catalog.Format(c.Path, catalog.Edit{Fields: identified(c.Fields, kind, c.ID), Body: c.Body})
	if err != nil {
		return err
	}
	return d.write(out, WrittenDocument{Action: CreateDocument, Path: c.Path}, git.ActionCreate, content)
}

// identified returns the fields with a document's kind, if it is not "", and id in front.
func identified(fields json.RawMessage, kind, id string) json.RawMessage {
	out := []byte{'{'}
	for _, own := range []struct{ name, value string }{{"kind", kind}, {"id", id}} {
		if own.value != "" {
			text, _ := json.Marshal(own.value) // no string fails
			out = append(append(append(out, `"`+own.name+`":`...), text...), ',')
		}
	}
	rest := bytes.TrimSpace(fields)
	if len(rest) == 0 || rest[0] != '{' || len(bytes.TrimSpace(rest[1:])) == 1 {
		return append(out[:len(out)-1], '}')
	}
	return append(out, rest[1:]...)
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)

// choosePath is where a new document goes if nobody says: a file that is called as its slug, or else as its id, or else with a number.
// A name that is taken, or that no file may have, is no fault of the document: what may be wrong with its slug is told of the catalog
// that there would be.
func (out *draft) choosePath(base *catalog.Snapshot, c DocumentChange) (git.TreePath, error) {
	var fields struct {
		Slug any `json:"slug"`
	}
	_ = json.Unmarshal(c.Fields, &fields) // what is wrong with it is found later
	slug, _ := fields.Slug.(string)
	folder := catalog.Folder(c.Kind)
	if folder == "" {
		folder = catalog.OtherDocuments + "/" + string(c.Kind)
	}
	if !plainName.MatchString(string(c.Kind)) {
		return git.TreePath{}, errs.InvalidField(errs.ReasonInvalidArgument, "path", "no folder follows from the kind: give a path")
	}
	stem, first := "document", 1
	for _, name := range []string{c.ID, slug} {
		if !plainName.MatchString(name) {
			continue
		}
		stem, first = name, 2
	}
	for _, name := range []string{slug, c.ID} {
		if path, err := fileOf(folder, name); plainName.MatchString(name) && err == nil && !out.isTaken(base, path) {
			return path, nil
		}
	}
	return out.numbered(base, folder, stem, first)
}

// fileOf is the file of a name in a folder, an error if none may be called so or it would be no document.
func fileOf(folder, name string) (git.TreePath, error) {
	path, err := git.ParseTreePath(folder + "/" + name + ".md")
	if err == nil {
		err = pathrule.Check(path)
	}
	if err == nil && !catalog.Reads(path) {
		err = errs.InvalidField(errs.ReasonInvalidArgument, "path", "a file %.80q would be no document: give a path", path)
	}
	return path, err
}

// numbered is a file whose name has a number from first on. Of very many it looks at few: it finds one that is taken in front of
// one that is not.
func (out *draft) numbered(base *catalog.Snapshot, folder, stem string, first int) (git.TreePath, error) {
	file := func(n int) (git.TreePath, error) { return fileOf(folder, stem+"-"+strconv.Itoa(n)) }
	if _, err := file(first); err != nil {
		return git.TreePath{}, err // that of the folder: a number makes a name of any stem
	}
	isFree := func(i int) bool {
		path, err := file(first + i)
		return err == nil && !out.isTaken(base, path)
	}
	some := 1
	for !isFree(some - 1) {
		some *= 2
	}
	return file(first + sort.Search(some-1, isFree))
}

// isTaken reports whether a file is one of the catalog, or of a change before, or differs from one by the case of letters alone:
// not every file system can hold the two.
func (out *draft) isTaken(base *catalog.Snapshot, path git.TreePath) bool {
	return out.written[strings.ToLower(path.String())] || base.HasInAnyCase(path)
}

func (d *desk) edit(ctx context.Context, out *draft, found *catalog.Document, c DocumentChange) error {
	file, err := d.feed.repo.GetFile(ctx, git.AtCommit(out.base.Commit()), found.Path)
	if err != nil {
		return err
	}
	e := catalog.Edit{Fields: c.Fields, Body: c.Body}
	action := PatchDocument
	if c.Action != PatchDocument {
		action, e.Replace = ReplaceDocument, true
		kind := ""
		if found.SaysKind() {
			kind = string(c.Kind)
		}
		e.Fields = identified(c.Fields, kind, c.ID)
	}
	content, err := found.Apply(file.Content, e)
	if err != nil {
		return err
	}
	if bytes.Equal(content, file.Content) {
		out.place(WrittenDocument{action, found.Path, found})
		return nil
	}
	return d.write(out, WrittenDocument{Action: action, Path: found.Path}, git.ActionUpdate, content)
}

// served finds the documents in the catalog that there would be, and fails if one of them is not what it was to be.
func (out *draft) served(changes []DocumentChange) error {
	for i := range out.Documents {
		w := &out.Documents[i]
		if w.Action == DeleteDocument {
			continue
		}
		w.Document = out.Snapshot.DocumentAt(w.Path)
		if problems := out.Snapshot.ProblemsAt(w.Path); w.Document == nil && len(problems) > 0 {
			return invalid(problems, len(problems))
		}
		if kind := changes[i].Kind; !out.Snapshot.Knows(kind) {
			return inChange(errs.InvalidField(errs.ReasonInvalidArgument, "kind", "the kind %.80q is neither built in nor has it a schema: commit one as schemas/KIND.schema.json",
				kind), i, len(changes))
		}
		if w.Document == nil || w.Document.ID != changes[i].ID || w.Document.Kind != changes[i].Kind {
			return inChange(errs.InvalidField(errs.ReasonInvalidArgument, "path",
				"a file %.80q would be no %s of id %.80q: give a path that ends in .md, .yaml or .json and is no README, and leave id and kind as they are", w.Path, short(string(changes[i].Kind)), changes[i].ID), i, len(changes))
		}
	}
	return nil
}

// refusal is the error of a catalog that would have problems which the base, if there is one, has not, nil if there are none. Those of
// the documents that change are told first, then those of others.
func (out *draft) refusal(base *catalog.Snapshot) error {
	var first []catalog.Problem
	total := 0
	for p := range newProblems(base, out.Snapshot, func(path git.TreePath) bool { _, ok := out.at[path]; return ok }) {
		if total++; total <= maxTold {
			first = append(first, p)
		}
	}
	if total == 0 {
		return nil
	}
	return invalid(first, total)
}

// newProblems yields the problems that next has and the base, if there is one, has not: those of the files that changed, then
// those of others, which may be their consequence.
func newProblems(base, next *catalog.Snapshot, changed func(git.TreePath) bool) iter.Seq[catalog.Problem] {
	return func(yield func(catalog.Problem) bool) {
		for _, own := range []bool{true, false} {
			for p := range catalog.NewProblems(base, next) {
				if changed(p.Path) == own && !yield(p) {
					return
				}
			}
		}
	}
}

// message is what a commit says that nobody gave a message.
func message(changes []DocumentChange, written []WrittenDocument) string {
	if len(changes) > 1 {
		return fmt.Sprintf("Change %d documents", len(changes))
	}
	verb := map[Action]string{CreateDocument: "Create", DeleteDocument: "Delete"}[written[0].Action]
	if verb == "" {
		verb = "Update"
	}
	plain := func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}
	return fmt.Sprintf("%s %s %s", verb, strings.ToLower(short(string(changes[0].Kind))), strings.Map(plain, short(changes[0].ID)))
}
