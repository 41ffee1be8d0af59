package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"

	"github.com/gitstore-dev/gitstore/adapters/gitcli"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitclient"
	"github.com/gitstore-dev/gitstore/adapters/grpc/gitserver"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// bed is everything that is measured: GitStore running on generated repositories, the echo, and git processes in the
// same repositories.
type bed struct {
	dir  string
	ours *rig
	echo *echo
	// dirs are the repositories of ours by id.
	dirs     map[string]string
	cleanups []func() error
	// coldStarts is how many processes the cold rigs started for reads.
	coldStarts int64
}

// repositories are what is generated, by id.
var repositories = map[string]func(io.Writer) error{
	"catalog": writeCatalog,
	"commits": writeCatalog,
	"history": writeHistory,
	"small":   func(w io.Writer) error { return writeScaled(w, 10) },
	"large":   func(w io.Writer) error { return writeScaled(w, 100_000) },
}

func newBed(ctx context.Context, parent string) (b *bed, err error) {
	dir, err := os.MkdirTemp(parent, "gitstore-bench-*")
	if err != nil {
		return nil, err
	}
	b = &bed{dir: dir}
	b.onClose(func() error { return os.RemoveAll(dir) })
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if err := b.generate(ctx); err != nil {
		return nil, err
	}
	if b.ours, err = openRig(ctx, b.warm()); err != nil {
		return nil, err
	}
	b.onClose(b.ours.close)
	for name := range repositories {
		if err := b.ours.open(ctx, name); err != nil {
			return nil, err
		}
	}
	if b.echo, err = startEcho(); err != nil {
		return nil, err
	}
	b.onClose(b.echo.close)
	return b, nil
}

// warm is the storage root of the rig that runs all the time, cold that of those which are started for one turn.
func (b *bed) warm() string { return filepath.Join(b.dir, "warm") }
func (b *bed) cold() string { return filepath.Join(b.dir, "cold") }

func (b *bed) onClose(f func() error) { b.cleanups = append(b.cleanups, f) }

func (b *bed) close() error {
	var err error
	for i := len(b.cleanups) - 1; i >= 0; i-- {
		err = errors.Join(err, b.cleanups[i]())
	}
	return err
}

// generate makes the repositories, packed as they are after a while in use.
func (b *bed) generate(ctx context.Context) error {
	if err := generateIn(ctx, b.warm(), repositories); err != nil {
		return err
	}
	if err := packAll(ctx, b.warm()); err != nil {
		return err
	}
	var err error
	if b.dirs, err = repositoryDirs(b.warm()); err != nil {
		return err
	}
	return os.CopyFS(b.cold(), os.DirFS(b.warm()))
}

// packAll packs all repositories of a storage root, on which nobody works.
func packAll(ctx context.Context, root string) error {
	dirs, err := repositoryDirs(root)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if _, err := output(ctx, dir, "repack", "-a", "-d", "-q", "--no-write-bitmap-index"); err != nil {
			return err
		}
		if _, err := output(ctx, dir, "pack-refs", "--all"); err != nil {
			return err
		}
	}
	return nil
}

// generateIn makes repositories from streams of git-fast-import(1).
func generateIn(ctx context.Context, root string, repositories map[string]func(io.Writer) error) (err error) {
	store, err := gitcli.Open(ctx, gitcli.Options{Dir: root})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for name, write := range repositories {
		id := repositoryID(name)
		if _, err := store.CreateRepository(ctx, ports.CreateRepository{ID: id}); err != nil {
			return err
		}
		r, w := io.Pipe()
		go func() { w.CloseWithError(write(w)) }()
		if err := store.Import(ctx, id, r); err != nil {
			return fmt.Errorf("import %s: %w", name, err)
		}
	}
	return nil
}

// repositoryDirs finds the repositories of a storage root, for git to read the same ones.
func repositoryDirs(root string) (map[string]string, error) {
	found, err := filepath.Glob(filepath.Join(root, "repositories", "*", "*", "*.git"))
	if err != nil {
		return nil, err
	}
	dirs := map[string]string{}
	for _, dir := range found {
		content, err := os.ReadFile(filepath.Join(dir, "gitstore.json"))
		if err != nil {
			return nil, err
		}
		var metadata struct{ ID string }
		if err := json.Unmarshal(content, &metadata); err != nil {
			return nil, err
		}
		dirs[metadata.ID] = dir
	}
	return dirs, nil
}

// copyOf copies a repository for another to write to.
func (b *bed) copyOf(name, writer string) (string, error) {
	dir := filepath.Join(b.dir, name+"-for-"+writer)
	return dir, os.CopyFS(dir, os.DirFS(filepath.Join(b.cold(), relative(b.warm(), b.dirs[name]))))
}

func relative(root, dir string) string {
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		panic(err) // both begin with the bed's directory
	}
	return rel
}

// rig is GitStore: a store, and a client that reaches it over gRPC and TCP.
type rig struct {
	store *gitcli.Store
	// started is how many processes were started to open the repositories.
	started int64
	server  *gitserver.Server
	client  *gitclient.Store
}

func openRig(ctx context.Context, dir string) (*rig, error) {
	store, err := gitcli.Open(ctx, gitcli.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	r := &rig{store: store, server: gitserver.New(store, gitserver.Options{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	go func() { _ = r.server.Serve(l) }()
	if r.client, err = gitclient.Dial(l.Addr().String(), gitclient.Options{}); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *rig) stop() error {
	return errors.Join(r.server.Shutdown(context.Background()), r.store.Close())
}

func (r *rig) close() error { return errors.Join(r.client.Close(), r.stop()) }

// repository gives access over gRPC.
func (r *rig) repository(name string) ports.GitRepository {
	return r.client.Repository(repositoryID(name))
}

// inProcess gives access without gRPC.
func (r *rig) inProcess(name string) ports.GitRepository {
	return r.store.Repository(repositoryID(name))
}

// open makes the store open a repository.
func (r *rig) open(ctx context.Context, name string) error {
	_, err := r.repository(name).ListTags(ctx, ports.Page{Size: 1})
	r.started = r.store.Stats().ProcessesStarted
	return err
}

// starts is how many processes were started since the repositories were opened.
func (r *rig) starts() int64 { return r.store.Stats().ProcessesStarted - r.started }

// starts is how many processes all rigs started since their repositories were opened.
func (b *bed) starts() int64 { return b.ours.starts() + b.coldStarts }

// openCold starts GitStore anew, with nothing in its caches, and opens a repository.
func (b *bed) openCold(name string) func(context.Context) (*rig, error) {
	return func(ctx context.Context) (*rig, error) {
		r, err := openRig(ctx, b.cold())
		if err != nil {
			return nil, err
		}
		return r, r.open(ctx, name)
	}
}

// closeCold ends what openCold started.
func (b *bed) closeCold(r *rig) error {
	b.coldStarts += r.starts()
	return r.close()
}

func repositoryID(name string) git.RepositoryID { return must(git.ParseRepositoryID(name)) }

func mainBranch() git.RefName { return must(git.BranchRef("main")) }

func treePath(p string) git.TreePath { return must(git.ParseTreePath(p)) }

// must is for values that are written in this program.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// randomProduct is the path of a product of the catalog.
func randomProduct(rnd *rand.Rand) string {
	return productPath(rnd.IntN(categories), rnd.IntN(productsPer))
}

// callersRandom gives each caller a source of its own.
func callersRandom(n int) []*rand.Rand {
	all := make([]*rand.Rand, n)
	for i := range all {
		all[i] = rand.New(rand.NewPCG(uint64(i), 5))
	}
	return all
}
