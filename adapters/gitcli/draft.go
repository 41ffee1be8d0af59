package gitcli

import (
	"context"
	"crypto/rand"
	"iter"
	"slices"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/packfile"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
)

// draft is a repository as a batch of writes leaves it, before any of it is on the disk. It implements
// [repository.Draft] and is used by one goroutine.
type draft struct {
	*objects
	repo *repo
	refs refTable
	// made are the objects of the batch in order, with their parsed values.
	made    []made
	byID    map[git.ObjectID]any
	changes []repository.RefChange
	// requests are the commits of the batch by branch and request id.
	requests map[requestKey]git.ObjectID
	// moved are the branches that the batch moved other than by a commit on top, with the requests of the history that
	// they then have; nil until somebody asks for them.
	moved map[git.RefName]map[string]git.ObjectID
}

type made struct {
	object packfile.Object
	value  any
}

type requestKey struct {
	branch git.RefName
	id     string
}

func newDraft(r *repo) *draft {
	own := *r.objects // a draft borrows objects
	r.cloning.Lock()  // to copy a tree notes in it that it was copied
	defer r.cloning.Unlock()
	return &draft{
		objects: &own, repo: r, refs: r.refs.Load().clone(),
		byID: map[git.ObjectID]any{}, requests: map[requestKey]git.ObjectID{}, moved: map[git.RefName]map[string]git.ObjectID{},
	}
}

// savepoint is where a draft can be rolled back to.
type savepoint struct {
	refs     refTable
	made     int
	changes  int
	borrowed int
}

func (d *draft) save() savepoint {
	return savepoint{d.refs.clone(), len(d.made), len(d.changes), len(d.borrowed)}
}

// borrow makes the objects of a push readable, if there are any.
func (d *draft) borrow(q *quarantine) {
	if q != nil && q.objects != nil {
		d.borrowed = append(d.borrowed, q.objects)
	}
}

func (d *draft) rollback(s savepoint) {
	for _, m := range d.made[s.made:] {
		delete(d.byID, m.object.ID)
	}
	d.refs, d.made, d.changes, d.borrowed = s.refs, d.made[:s.made], d.changes[:s.changes], d.borrowed[:s.borrowed]
}

// apply records the ref changes of one write; after an error the draft has to be rolled back.
func (d *draft) apply(ctx context.Context, changes []repository.RefChange) error {
	for _, c := range changes {
		ref, err := describe(ctx, d, c)
		if err != nil {
			return err
		}
		d.refs.set(ref)
	}
	d.changes = append(d.changes, changes...)
	return nil
}

// index keeps the requests of the batch in step with the changes of a write that can be made.
func (d *draft) index(changes []repository.RefChange) {
	for _, c := range changes {
		if !d.isCommitOnTop(c) {
			d.moved[c.Name] = nil
			continue
		}
		id, _ := repository.RequestOf(d.byID[c.New].(*git.Commit))
		if id == "" {
			continue
		}
		d.requests[requestKey{c.Name, id}] = c.New
		if known := d.moved[c.Name]; known != nil {
			known[id] = c.New
		}
	}
}

// isCommitOnTop reports whether the change is a commit of the batch on top of what the branch was at.
func (d *draft) isCommitOnTop(c repository.RefChange) bool {
	commit, isOurs := d.byID[c.New].(*git.Commit)
	return isOurs && len(commit.Parents) > 0 && commit.Parents[0] == c.Old
}

// events returns what is told of the changes of a write, whose objects are those from the index made on.
func (d *draft) events(ctx context.Context, changes []repository.RefChange, made int) ([]event.RefUpdated, error) {
	events, err := repository.Events(ctx, d, changes, rand.Text())
	for i := range events {
		for _, m := range d.made[made:] {
			if m.object.ID == events[i].New {
				events[i].RequestID = repository.RequestIDOf(m.value)
			}
		}
	}
	return events, err
}

// DefaultBranch implements [repository.View].
func (d *draft) DefaultBranch() git.RefName { return d.repo.defaultBranch }

// Ref implements [repository.View].
func (d *draft) Ref(name git.RefName) git.ObjectID { return d.refs.get(name).Target }

// Policy implements [repository.Draft].
func (d *draft) Policy() repository.Policy { return d.repo.policy().Policy }

// Refs implements [repository.Draft].
func (d *draft) Refs(prefix string) iter.Seq[git.RefName] { return d.refs.below(prefix) }

// Put implements [repository.Draft].
func (d *draft) Put(t git.ObjectType, content []byte) (git.ObjectID, error) {
	object, err := packfile.NewObject(d.format, t, content)
	if err != nil {
		return git.ObjectID{}, err
	}
	if _, ok := d.byID[object.ID]; ok {
		return object.ID, nil
	}
	value, err := parse(d.format, t, object.ID, content)
	if err != nil {
		return git.ObjectID{}, err
	}
	d.made = append(d.made, made{object, value})
	d.byID[object.ID] = value
	return object.ID, nil
}

// Commit implements [git.ObjectReader], the batch's own commits included.
func (d *draft) Commit(ctx context.Context, id git.ObjectID) (*git.Commit, error) {
	if c, ok := d.byID[id].(*git.Commit); ok {
		return c, nil
	}
	return d.objects.Commit(ctx, id)
}

// Tree implements [git.ObjectReader], the batch's own trees included.
func (d *draft) Tree(ctx context.Context, id git.ObjectID) ([]git.TreeEntry, error) {
	if entries, ok := d.byID[id].([]git.TreeEntry); ok {
		return entries, nil
	}
	return d.objects.Tree(ctx, id)
}

// Tag implements [git.ObjectReader], the batch's own tags included.
func (d *draft) Tag(ctx context.Context, id git.ObjectID) (*git.Tag, error) {
	if t, ok := d.byID[id].(*git.Tag); ok {
		return t, nil
	}
	return d.objects.Tag(ctx, id)
}

// Peel implements [git.ObjectReader], the batch's own objects included.
func (d *draft) Peel(ctx context.Context, id git.ObjectID) (git.ObjectID, git.ObjectType, error) {
	v, ok := d.byID[id]
	if !ok {
		return d.objects.Peel(ctx, id)
	}
	if t, ok := v.(*git.Tag); ok {
		return d.Peel(ctx, t.Target)
	}
	return id, typeOf(v), nil
}

// CommitOfRequest implements [repository.Draft].
func (d *draft) CommitOfRequest(ctx context.Context, branch git.RefName, requestID string) (*git.Commit, error) {
	id, err := d.findRequest(ctx, branch, requestID)
	if err != nil || id.IsZero() {
		return nil, err
	}
	return d.Commit(ctx, id)
}

func (d *draft) findRequest(ctx context.Context, branch git.RefName, requestID string) (git.ObjectID, error) {
	known, moved := d.moved[branch]
	if moved && known == nil {
		found, err := requestsOf(ctx, d, d.Ref(branch))
		if err != nil {
			return git.ObjectID{}, err
		}
		known = found.commits
		d.moved[branch] = known
	}
	if moved {
		return known[requestID], nil
	}
	if id, ok := d.requests[requestKey{branch, requestID}]; ok {
		return id, nil
	}
	return d.repo.requests.find(ctx, d.repo, branch, requestID)
}

// requestIndex remembers the requests of branches. It is filled from a branch's history when it is first asked, so
// that it knows what was committed before a restart, and is used by the repository's one writer alone.
type requestIndex struct {
	branches map[git.RefName]*branchRequests
	// size is how many requests of all branches there are.
	size int
}

func (x *requestIndex) find(ctx context.Context, r *repo, branch git.RefName, requestID string) (git.ObjectID, error) {
	known, ok := x.branches[branch]
	if !ok {
		var err error
		if known, err = requestsOf(ctx, newHistoryAhead(r.objects), r.refs.Load().get(branch).Target); err != nil {
			return git.ObjectID{}, err
		}
		x.branches[branch] = known
		x.size += len(known.commits)
		x.bound(branch)
	}
	return known.commits[requestID], nil
}

// branchRequests are the commits of a branch by the requests that they were made for, as far as a retry may come: all that
// [repository.RequestsReach] says, and some beyond where not every commit has a request.
type branchRequests struct {
	commits map[string]git.ObjectID
	// order are the requests from the one on that was made first.
	order []request
}

type request struct {
	id string
	at time.Time
}

// add adds a request that was made just now.
func (b *branchRequests) add(id string, commit git.ObjectID, now time.Time) {
	if _, ok := b.commits[id]; !ok {
		b.order = append(b.order, request{id, now})
	}
	b.commits[id] = commit
}

// prune forgets what no retry comes for any more.
func (b *branchRequests) prune(now time.Time) {
	for n := len(b.order); n > repository.MaxRequestWindow || n > repository.RequestWindow && now.Sub(b.order[0].at) > repository.RequestAge; n-- {
		delete(b.commits, b.order[0].id)
		b.order = b.order[1:]
	}
}

// bound forgets branches, whichever, beyond what may be remembered; the one that is in use last.
func (x *requestIndex) bound(used git.RefName) {
	for branch := range x.branches {
		if x.size <= maxRemembered && len(x.branches) <= maxIndexed {
			return
		}
		if branch != used {
			x.forget(branch)
		}
	}
	if x.size > maxRemembered {
		x.forget(used)
	}
}

func (x *requestIndex) forget(branch git.RefName) {
	if known := x.branches[branch]; known != nil {
		x.size -= len(known.commits)
	}
	delete(x.branches, branch)
}

func (x *requestIndex) clear() {
	clear(x.branches)
	x.size = 0
}

func requestsOf(ctx context.Context, o git.ObjectReader, head git.ObjectID) (*branchRequests, error) {
	known, now := &branchRequests{commits: map[string]git.ObjectID{}}, time.Now()
	for n := 0; !head.IsZero(); n++ {
		c, err := o.Commit(ctx, head)
		if err != nil {
			return nil, corrupt(err)
		}
		if !repository.RequestsReach(n, c, now) {
			break
		}
		if id, _ := repository.RequestOf(c); id != "" {
			known.add(id, head, c.Committer.When)
		}
		head = git.ObjectID{}
		if len(c.Parents) > 0 {
			head = c.Parents[0]
		}
	}
	slices.Reverse(known.order)
	return known, nil
}

const (
	// maxRemembered bounds the requests that are known of a repository. A branch that is forgotten is read from the history
	// anew when it is asked for.
	maxRemembered = 2 * repository.MaxRequestWindow
	// maxIndexed bounds the branches with an index.
	maxIndexed = 1000
)

// record keeps the index in step with a batch that was written. A branch that was deleted or moved other than by
// commits of the batch is forgotten, and so read anew.
func (x *requestIndex) record(d *draft) {
	for _, c := range d.changes {
		if !d.isCommitOnTop(c) {
			x.forget(c.Name)
		}
	}
	now := time.Now()
	for key, id := range d.requests {
		if known, ok := x.branches[key.branch]; ok {
			x.size -= len(known.commits)
			known.add(key.id, id, now)
			known.prune(now)
			x.size += len(known.commits)
			x.bound(key.branch)
		}
	}
}

var _ repository.Draft = (*draft)(nil)
