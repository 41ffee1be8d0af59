package gitcli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/disk"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/ports"
)

// repo is an open repository: its settings, its refs in memory, its readers and its one writer.
type repo struct {
	store         *Store
	id            git.RepositoryID
	dir           string
	defaultBranch git.RefName
	createdAt     time.Time
	objects       *objects
	refs          atomic.Pointer[refTable]
	writer        writer
	// exclusive is held while the repository is written to, imported into or deleted.
	exclusive sync.Mutex
	// cloning is held while the refs are copied, which several pushes do at once.
	cloning  sync.Mutex
	requests requestIndex
	// newPacks is the weight of the packs since the repository was last maintained.
	newPacks atomic.Int64
	// newRefs is how many refs were created since then.
	newRefs atomic.Int64
	// due is whether the repository waits for being maintained.
	due atomic.Bool
	// rested is when it may be maintained again, nil if it has not been.
	rested atomic.Pointer[time.Time]
	// indexed are the packs that the index of packs names, none if it was not written since the repository was opened; noRoom is
	// whether the last maintenance was put off, urgent whether the one under way is late. Only who maintains uses them.
	indexed        []string
	noRoom, urgent bool
	size           sizeCache
	// used is whether the repository was used since it was last looked at for refs that somebody else has moved.
	used atomic.Bool
	// seen is when its directories of refs had changed before they were last read, nil if they were not; lookAgain is when that may
	// be done again. Both belong to who looks.
	seen      map[string]time.Time
	lookAgain time.Time
	// ownPolicy is nil for a repository that has none.
	ownPolicy atomic.Pointer[repository.Policy]
}

// metadata is the file gitstore.json in a repository: what Git has no place for.
type metadata struct {
	ID           string    `json:"id"`
	ObjectFormat string    `json:"object_format"`
	CreatedAt    time.Time `json:"created_at"`
	// Policy is nil for a repository that has none of its own.
	Policy *policyMetadata `json:"policy,omitempty"`
}

// policyMetadata is [repository.PolicySpec] on the disk.
type policyMetadata struct {
	Validation        string   `json:"validation"`
	ValidatedBranches []string `json:"validated_branches,omitempty"`
	ProtectedBranches []string `json:"protected_branches,omitempty"`
	ImmutableReleases bool     `json:"immutable_releases,omitempty"`
	Links             bool     `json:"links,omitempty"`
}

// write puts the file on the disk.
func (m metadata) write(dir string) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return replaceFile(dir, metadataFile, append(b, '\n'))
}

const metadataFile = "gitstore.json"

func readMetadata(dir string) (metadata, error) {
	var m metadata
	b, err := os.ReadFile(filepath.Join(dir, metadataFile))
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	return m, err
}

// repositoryConfig is the whole configuration of a repository. It is compared on opening: a repository whose
// configuration says anything else could make git run programs or read elsewhere.
func repositoryConfig(f git.ObjectFormat) string {
	version, extension := "0", ""
	if f == git.SHA256 {
		version, extension = "1", "[extensions]\n\tobjectformat = sha256\n"
	}
	return "[core]\n\trepositoryformatversion = " + version + "\n\tfilemode = true\n\tbare = true\n" + extension
}

// forbiddenFiles make a repository read objects or settings from somewhere else (gitrepository-layout(5)).
var forbiddenFiles = []string{
	"objects/info/alternates", "objects/info/http-alternates", "commondir", "gitdir", "config.worktree", "shallow", "info/grafts",
}

// openRepo opens the repository in dir: checks that it is one that GitStore set up, reads its refs and starts the
// processes that will read it.
func (s *Store) openRepo(ctx context.Context, id git.RepositoryID, dir string) (*repo, error) {
	m, err := checkRepository(id, dir)
	if err != nil {
		return nil, err
	}
	r := &repo{store: s, id: id, dir: dir, createdAt: m.CreatedAt, requests: requestIndex{branches: map[git.RefName]*branchRequests{}}}
	r.writer = writer{repo: r, limit: s.opts.MaxQueuedWrites}
	format, err := git.ParseObjectFormat(m.ObjectFormat)
	if err != nil {
		return nil, unsafeRepository(id, err)
	}
	if r.defaultBranch, err = readHead(dir); err != nil {
		return nil, unsafeRepository(id, err)
	}
	if m.Policy != nil {
		policy, err := repository.PolicySpec(*m.Policy).Parse()
		if err != nil {
			return nil, unsafeRepository(id, err)
		}
		r.ownPolicy.Store(&policy)
	}
	refs, tags, err := loadUnpeeled(ctx, s.runner, dir)
	if err != nil {
		return nil, err
	}
	reader, err := s.pool.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	r.objects = &objects{repository: s.opened.Add(1), format: format, cache: s.cache, reader: reader}
	opened := false
	defer func() { // also when the code panics
		if !opened {
			reader.Close(errs.New(errs.ReasonCanceled, "the repository is not opened"))
		}
	}()
	if err := addTags(ctx, refs, r.objects, tags); err != nil {
		return nil, err
	}
	r.refs.Store(&refs)
	_, err = os.Lstat(filepath.Join(dir, intentFile))
	r.writer.unfinished.Store(!errors.Is(err, fs.ErrNotExist))
	r.newPacks.Store(r.unindexed())
	opened = true
	return r, nil
}

func checkRepository(id git.RepositoryID, dir string) (metadata, error) {
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return metadata{}, unsafeRepository(id, errors.Join(errors.New("not a directory"), err))
	}
	m, err := readMetadata(dir)
	if err != nil || m.ID != id.String() {
		return m, unsafeRepository(id, errors.Join(fmt.Errorf("%s says it is %q", metadataFile, m.ID), err))
	}
	for _, name := range forbiddenFiles {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return m, unsafeRepository(id, fmt.Errorf("%s exists", name))
		}
	}
	format, _ := git.ParseObjectFormat(m.ObjectFormat)
	config, err := os.ReadFile(filepath.Join(dir, "config"))
	if err != nil || string(config) != repositoryConfig(format) {
		return m, unsafeRepository(id, errors.Join(errors.New("the configuration is not as it was written"), err))
	}
	return m, nil
}

// unsafeRepository returns why a repository is not opened: it is not as GitStore left it, or that cannot be found out.
func unsafeRepository(id git.RepositoryID, cause error) error {
	for _, failure := range []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(cause, failure) {
			return disk.Error(cause)
		}
	}
	return errs.Wrap(cause, errs.ReasonUnsafeRepository,
		"repository \""+id.String()+"\" was altered on the disk and is not opened: ask the operator to look at the log",
		errs.MetaRepository, id.String())
}

func readHead(dir string) (git.RefName, error) {
	b, err := os.ReadFile(filepath.Join(dir, "HEAD"))
	if err != nil {
		return git.RefName{}, err
	}
	name, ok := bytes.CutPrefix(bytes.TrimSpace(b), []byte("ref: "))
	if !ok {
		return git.RefName{}, fmt.Errorf("HEAD names no branch")
	}
	return git.ParseRefName(string(name))
}

func (r *repo) packDir() string { return filepath.Join(r.dir, "objects", "pack") }

// close ends the repository's readers. Writes that wait fail with err.
func (r *repo) close(err error) {
	r.writer.close(err)
	r.exclusive.Lock()
	defer r.exclusive.Unlock()
	if r.writer.unfinished.Load() {
		r.store.unsettled.Store(true)
	}
	r.objects.reader.Close(err)
	r.store.refs.forget(r.dir)
}

// policy is what the repository holds writers to.
func (r *repo) policy() ports.PolicyInfo {
	if own := r.ownPolicy.Load(); own != nil {
		return ports.PolicyInfo{Policy: *own, Own: true}
	}
	return ports.PolicyInfo{Policy: r.store.opts.Policy}
}

// setPolicy puts a policy on the disk, and between two writes into effect; nil is the store's default.
func (r *repo) setPolicy(policy *repository.Policy) error {
	r.exclusive.Lock()
	defer r.exclusive.Unlock()
	if err := r.writer.closedWith(); err != nil {
		return err
	}
	m := metadata{ID: r.id.String(), ObjectFormat: r.objects.format.String(), CreatedAt: r.createdAt}
	if policy != nil {
		spec := policyMetadata(policy.Spec())
		m.Policy = &spec
	}
	if err := m.write(r.dir); err != nil {
		return err
	}
	r.ownPolicy.Store(policy)
	return nil
}

// view is the repository at one moment. It implements [repository.View].
type view struct {
	*objects
	repo *repo
	refs *refTable
}

func (r *repo) view() view { return view{r.objects, r, r.refs.Load()} }

// DefaultBranch implements [repository.View].
func (v view) DefaultBranch() git.RefName { return v.repo.defaultBranch }

// Ref implements [repository.View].
func (v view) Ref(name git.RefName) git.ObjectID { return v.refs.get(name).Target }

// sizeCache is about how many bytes the objects of a repository take on the disk: what was found at the last look, and what was written since.
// A look goes through all packs, and each of them may have to wait for those who write to the same directory: nobody waits for one but
// those who ask before the first has ended.
type sizeCache struct {
	// since is what was written since the last look.
	since atomic.Int64
	// measuring is held while it is found out anew: what was written is taken off once.
	measuring sync.Mutex

	mu             sync.Mutex
	known, looking bool
	bytes          int64
	asOf           time.Time
}

// sizeTTL is how old a look may be before there is another one.
const sizeTTL = time.Minute

// add is to be called when packs have come. It waits for no look.
func (c *sizeCache) add(bytes int64) { c.since.Add(bytes) }

// doubt is to be called when it is not known what has come or gone.
func (c *sizeCache) doubt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asOf = time.Time{}
}

func (r *repo) sizeBytes() int64 {
	c := &r.size
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		c.since.Store(0)
		c.bytes, c.asOf, c.known = r.bytesOfObjects(), time.Now(), true
	}
	size := c.bytes + c.since.Load()
	if c.looking || time.Since(c.asOf) < sizeTTL {
		return size
	}
	if end, err := r.store.begin(); err == nil {
		c.looking = true
		go func() {
			defer end()
			r.measure()
		}()
	}
	return size
}

// measure finds out the size anew.
func (r *repo) measure() {
	c := &r.size
	c.measuring.Lock()
	defer c.measuring.Unlock()
	seen := c.since.Load()
	bytes := r.bytesOfObjects()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since.Add(-seen)
	c.bytes, c.asOf, c.known, c.looking = bytes, time.Now(), true, false
}

func (r *repo) bytesOfObjects() (n int64) {
	_ = filepath.WalkDir(filepath.Join(r.dir, "objects"), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // a pack that was just repacked away has no size
		}
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

func (r *repo) info() ports.RepositoryInfo {
	return ports.RepositoryInfo{
		ID: r.id, DefaultBranch: r.defaultBranch, ObjectFormat: r.objects.format,
		Empty: r.refs.Load().len() == 0, CreatedAt: r.createdAt, SizeBytes: r.sizeBytes(),
	}
}

// createRepo sets a repository up in dir, which must be empty, and puts it on the disk.
func createRepo(ctx context.Context, runner *command.Runner, dir string, req ports.CreateRepository, now time.Time) error {
	_, err := runner.Output(ctx, dir, command.Git("init", "--quiet", "--bare", "--template=").
		WithFormat("--object-format=", req.ObjectFormat).WithBranch("--initial-branch=", req.DefaultBranch), nil)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(repositoryConfig(req.ObjectFormat)), 0o600); err != nil {
		return err
	}
	return metadata{ID: req.ID.String(), ObjectFormat: req.ObjectFormat.String(), CreatedAt: now}.write(dir)
}

// repositoryOf finds out the id of the repository in dir. It fails if GitStore did not set it up or it cannot be read.
func repositoryOf(dir string) (git.RepositoryID, error) {
	if !strings.HasSuffix(dir, ".git") {
		return git.RepositoryID{}, errors.New("its name does not end in .git")
	}
	m, err := readMetadata(dir)
	if err != nil {
		return git.RepositoryID{}, err
	}
	return git.ParseRepositoryID(m.ID)
}

// hasRefs reports whether the repository in dir has a branch or tag, without opening it.
func hasRefs(dir string) bool {
	if packed, err := os.Stat(filepath.Join(dir, "packed-refs")); err == nil && packed.Size() > 0 {
		return true
	}
	found := false
	for _, d := range []string{"heads", "tags"} {
		_ = filepath.WalkDir(filepath.Join(dir, "refs", d), func(_ string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return nil //nolint:nilerr // what cannot be read here fails when the repository is opened
			}
			found = true
			return fs.SkipAll
		})
	}
	return found
}
