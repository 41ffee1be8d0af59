package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/adapters/httpapi"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

func (b *bed) works(ctx context.Context) ([]work, error) {
	var works []work
	for _, add := range []func(context.Context) ([]work, error){
		b.hotReads, b.coldReads, b.lists, b.bulkReads, b.reloads, b.histories, b.commits, b.scaling,
	} {
		more, err := add(ctx)
		if err != nil {
			return nil, err
		}
		works = append(works, more...)
	}
	return works, nil
}

// catFiles starts cat-file processes in our catalog, for as long as the bed stands.
func (b *bed) catFiles(ctx context.Context, n int) (catFiles, error) {
	all, err := startCatFiles(ctx, b.dirs["catalog"], n)
	for _, c := range all {
		b.onClose(c.close)
	}
	return all, err
}

func onMain(path string) string { return "refs/heads/main:" + path }

func getFile(ctx context.Context, r ports.GitRepository, path string) error {
	_, err := r.GetFile(ctx, git.AtRef(mainBranch()), treePath(path))
	return err
}

// httpClients returns so many clients, for as long as the bed stands.
func (b *bed) httpClients(address string, n int) []*httpClient {
	all := make([]*httpClient, n)
	for i := range all {
		all[i] = &httpClient{address: address}
		b.onClose(all[i].close)
	}
	return all
}

func (b *bed) hotReads(ctx context.Context) ([]work, error) {
	if err := readAll(ctx, b.ours.inProcess("catalog")); err != nil { // so that all is hot
		return nil, err
	}
	goGit, err := b.goGit(ctx, b.dirs["catalog"])
	if err != nil {
		return nil, err
	}
	address, closeServer, err := serveHTTP(httpapi.New(b.ours.client, httpapi.Options{}))
	if err != nil {
		return nil, err
	}
	b.onClose(closeServer)
	var works []work
	for _, callers := range []int{1, 16, 64} {
		raw, err := b.catFiles(ctx, min(callers, 2))
		if err != nil {
			return nil, err
		}
		web := b.httpClients(address, callers)
		processes := share(raw)
		rnd := callersRandom(callers)
		read := func(r ports.GitRepository) func(context.Context, int) error {
			return func(ctx context.Context, caller int) error { return getFile(ctx, r, randomProduct(rnd[caller])) }
		}
		w := work{name: fmt.Sprintf("read one file, hot, %d at once", callers), ways: []way{
			concurrent("echo of 1.5 KB", callers, func(ctx context.Context, _ int) error { return b.echo.unary(ctx) }),
			concurrent("GitStore", callers, read(b.ours.repository("catalog"))).should(goal{ratio: 1.25}),
			concurrent("GitStore without gRPC", callers, read(b.ours.inProcess("catalog"))),
			concurrent("GitStore over HTTP, through an API", callers, func(ctx context.Context, caller int) error {
				return web[caller].get(ctx, "/v1/repositories/catalog/files/"+randomProduct(rnd[caller])+"?ref=main")
			}),
			concurrent(fmt.Sprintf("`cat-file`, %d kept alive, by path", len(raw)), callers, func(_ context.Context, caller int) error {
				return processes.content(onMain(randomProduct(rnd[caller])))
			}),
		}}
		if callers == 1 {
			w.ways = append(w.ways, repeated("`git cat-file`, started each time", func(ctx context.Context) error {
				_, err := output(ctx, b.dirs["catalog"], "cat-file", "blob", onMain(randomProduct(rnd[0])))
				return err
			}), goGit.way("go-git", "read"), goGit.way("go-git, opening each time", "read-opening"))
		}
		works = append(works, w)
	}
	return works, nil
}

// coldSample is how many files a turn reads that were not read before.
const coldSample = 2000

func (b *bed) coldReads(ctx context.Context) ([]work, error) {
	raw, err := b.catFiles(ctx, 1)
	if err != nil {
		return nil, err
	}
	files, err := output(ctx, b.dirs["catalog"], "ls-tree", "-r", "--format=%(objectname) %(path)", "refs/heads/main", "products/")
	if err != nil {
		return nil, err
	}
	var paths, ids []string
	all := lines(files)
	for _, i := range rand.New(rand.NewPCG(6, 6)).Perm(len(all))[:coldSample] {
		id, path, _ := strings.Cut(all[i], " ")
		paths, ids = append(paths, path), append(ids, id)
	}
	cold := func(name string, repository func(*rig) ports.GitRepository) way {
		return prepared(name, b.openCold("catalog"), func(ctx context.Context, r *rig) (int, error) {
			for _, path := range paths {
				if err := getFile(ctx, repository(r), path); err != nil {
					return 0, err
				}
			}
			return coldSample, nil
		}, b.closeCold)
	}
	one := func(names []string, name func(string) string) func(context.Context) error {
		next := 0
		return func(context.Context) error {
			next = (next + 1) % len(names)
			return raw[0].ask("contents", []string{name(names[next])}, ignore)
		}
	}
	return []work{{name: "read one file, cold, one at a time", ways: []way{
		repeated("`cat-file` kept alive, by path", one(paths, onMain)),
		cold("GitStore", func(r *rig) ports.GitRepository { return r.repository("catalog") }).should(goal{ratio: 2}),
		cold("GitStore without gRPC", func(r *rig) ports.GitRepository { return r.inProcess("catalog") }),
		repeated("`cat-file` kept alive, by object ID", one(ids, func(id string) string { return id })),
	}}}, nil
}

// listMessages and bulkMessages are how many messages of 99 KiB hold the listing and the contents of the catalog.
const (
	listMessages = 10
	bulkMessages = 160
)

func listFiles(ctx context.Context, r ports.GitRepository) error {
	_, files, err := r.ListFiles(ctx, ports.ListFiles{Revision: git.AtRef(mainBranch()), Recursive: true})
	return count(files, err, categories*(productsPer+1))
}

// count goes through the items and complains if there are not as many as there should be.
func count[T any](items iter.Seq2[T, error], err error, want int) error {
	if err != nil {
		return err
	}
	n := 0
	for _, err := range items {
		if err != nil {
			return err
		}
		n++
	}
	if n != want {
		return fmt.Errorf("there are %d items, not %d", n, want)
	}
	return nil
}

func once(do func(context.Context, ports.GitRepository) error, of func(*rig) ports.GitRepository) func(context.Context, *rig) (int, error) {
	return func(ctx context.Context, r *rig) (int, error) { return 1, do(ctx, of(r)) }
}

func overGRPC(name string) func(*rig) ports.GitRepository {
	return func(r *rig) ports.GitRepository { return r.repository(name) }
}

func inProcess(name string) func(*rig) ports.GitRepository {
	return func(r *rig) ports.GitRepository { return r.inProcess(name) }
}

func (b *bed) lists(ctx context.Context) ([]work, error) {
	raw, err := b.catFiles(ctx, 1)
	if err != nil {
		return nil, err
	}
	root, err := output(ctx, b.dirs["catalog"], "rev-parse", "refs/heads/main^{tree}")
	if err != nil {
		return nil, err
	}
	tree := lines(root)[0]
	goGit, err := b.goGit(ctx, b.dirs["catalog"])
	if err != nil {
		return nil, err
	}
	open := b.openCold("catalog")
	return []work{
		{name: "list 10,200 files with their sizes, cold", ways: []way{
			repeated("tree walk over `cat-file`, no sizes", func(context.Context) error {
				_, err := raw[0].walk(tree)
				return err
			}),
			prepared("GitStore", open, once(listFiles, overGRPC("catalog")), b.closeCold).should(goal{ratio: 1.5}),
			prepared("GitStore without gRPC", open, once(listFiles, inProcess("catalog")), b.closeCold),
			repeated("tree walk over `cat-file`, with sizes", func(context.Context) error {
				blobs, err := raw[0].walk(tree)
				if err != nil {
					return err
				}
				return raw[0].ask("info", blobs, ignore)
			}),
			repeated("`git ls-tree -r -l`, started", func(ctx context.Context) error {
				_, err := output(ctx, b.dirs["catalog"], "ls-tree", "-r", "-l", tree)
				return err
			}),
			goGit.way("go-git, no sizes", "list"),
		}},
		{name: "list 10,200 files with their sizes, repeated", ways: []way{
			repeated("echo, 10 messages of 99 KiB", func(ctx context.Context) error { return b.echo.stream(ctx, listMessages) }),
			repeated("GitStore", func(ctx context.Context) error { return listFiles(ctx, b.ours.repository("catalog")) }).should(goal{ratio: 1.2}),
			repeated("GitStore without gRPC", func(ctx context.Context) error { return listFiles(ctx, b.ours.inProcess("catalog")) }),
		}},
	}, nil
}

// readTree reads all contents and complains if there are not as many files as there should be.
func readTree(ctx context.Context, r ports.GitRepository, base git.ObjectID, want int) error {
	_, files, err := r.ReadTree(ctx, ports.ReadTree{Revision: git.AtRef(mainBranch()), Base: base})
	if err != nil {
		return err
	}
	read := func(yield func(ports.TreeFile, error) bool) {
		for f, err := range files {
			if err == nil {
				_, err = io.Copy(io.Discard, f.Content)
			}
			if !yield(f, err) {
				return
			}
		}
	}
	return count(read, nil, want)
}

func readAll(ctx context.Context, r ports.GitRepository) error {
	return readTree(ctx, r, git.ObjectID{}, categories*(productsPer+1))
}

func (b *bed) bulkReads(ctx context.Context) ([]work, error) {
	raw, err := b.catFiles(ctx, 2)
	if err != nil {
		return nil, err
	}
	ids, err := output(ctx, b.dirs["catalog"], "ls-tree", "-r", "--format=%(objectname)", "refs/heads/main")
	if err != nil {
		return nil, err
	}
	blobs := lines(ids)
	goGit, err := b.goGit(ctx, b.dirs["catalog"])
	if err != nil {
		return nil, err
	}
	open := b.openCold("catalog")
	return []work{
		{name: "read all 10,200 files, 15 MB, cold", ways: []way{
			repeated("two `cat-file` kept alive, by object ID", func(context.Context) error { return raw.contents(blobs) }),
			prepared("GitStore", open, once(readAll, overGRPC("catalog")), b.closeCold).should(goal{ratio: 1.2}),
			prepared("GitStore without gRPC", open, once(readAll, inProcess("catalog")), b.closeCold),
			repeated("one `cat-file` kept alive, by object ID", func(context.Context) error { return raw[:1].contents(blobs) }),
			goGit.way("go-git", "contents"),
		}},
		{name: "read all 10,200 files, 15 MB, warm", ways: []way{
			repeated("echo, 160 messages of 99 KiB", func(ctx context.Context) error { return b.echo.stream(ctx, bulkMessages) }),
			repeated("GitStore", func(ctx context.Context) error { return readAll(ctx, b.ours.repository("catalog")) }).should(goal{ratio: 2}),
			repeated("GitStore without gRPC", func(ctx context.Context) error { return readAll(ctx, b.ours.inProcess("catalog")) }),
		}},
	}, nil
}

func (b *bed) reloads(ctx context.Context) ([]work, error) {
	raw, err := b.catFiles(ctx, 1)
	if err != nil {
		return nil, err
	}
	parent, err := output(ctx, b.dirs["catalog"], "rev-parse", "refs/heads/main^")
	if err != nil {
		return nil, err
	}
	base, err := git.ParseObjectID(lines(parent)[0])
	if err != nil {
		return nil, err
	}
	reload := func(ctx context.Context, r ports.GitRepository) error { return readTree(ctx, r, base, 1) }
	return []work{{name: "reload after one changed file", ways: []way{
		repeated("`git diff-tree`, started, and `cat-file` kept alive", func(ctx context.Context) error {
			changed, err := output(ctx, b.dirs["catalog"], "diff-tree", "-r", base.String(), "refs/heads/main")
			if err != nil {
				return err
			}
			var before, after, id string
			if _, err := fmt.Sscan(string(changed), &before, &after, &id, &id); err != nil {
				return err
			}
			return raw[0].ask("contents", []string{id}, ignore)
		}),
		repeated("GitStore, warm", func(ctx context.Context) error { return reload(ctx, b.ours.repository("catalog")) }).
			should(goal{time: 5 * time.Millisecond}),
		prepared("GitStore, cold", b.openCold("catalog"), once(reload, overGRPC("catalog")), b.closeCold).
			should(goal{time: 5 * time.Millisecond}),
	}}}, nil
}

const historyPage = 1000

func listCommits(ctx context.Context, r ports.GitRepository) error {
	_, commits, err := r.ListCommits(ctx, ports.ListCommits{Revision: git.AtRef(mainBranch()), Limit: historyPage})
	return count(commits, err, historyPage)
}

func (b *bed) histories(ctx context.Context) ([]work, error) {
	dir := b.dirs["history"]
	goGit, err := b.goGit(ctx, dir)
	if err != nil {
		return nil, err
	}
	open := b.openCold("history")
	return []work{
		{name: "1,000 commits of history", ways: []way{
			repeated("`git log`, started", func(ctx context.Context) error {
				_, err := output(ctx, dir, "log", "--format=raw", fmt.Sprintf("--max-count=%d", historyPage), "refs/heads/main")
				return err
			}),
			prepared("GitStore, cold", open, once(listCommits, overGRPC("history")), b.closeCold).should(goal{ratio: 1.2}),
			prepared("GitStore without gRPC, cold", open, once(listCommits, inProcess("history")), b.closeCold),
			repeated("GitStore, warm", func(ctx context.Context) error { return listCommits(ctx, b.ours.repository("history")) }).should(goal{ratio: 1.2}),
			repeated("`git log --date-order`, started", func(ctx context.Context) error {
				_, err := output(ctx, dir, "log", "--date-order", "--format=raw", fmt.Sprintf("--max-count=%d", historyPage), "refs/heads/main")
				return err
			}),
			goGit.way("go-git", "history"),
		}},
		{name: "tags in the order of versions, with what they say", ways: []way{
			repeated("`git for-each-ref`, started", func(ctx context.Context) error {
				_, err := output(ctx, dir, "for-each-ref", "--sort=-version:refname", "--format=%(refname) %(objectname) %(*objectname) %(tagger) %(contents)", "refs/tags/")
				return err
			}),
			prepared("GitStore, cold", open, once(listTags, overGRPC("history")), b.closeCold),
			repeated("GitStore, warm", func(ctx context.Context) error { return listTags(ctx, b.ours.repository("history")) }),
		}},
	}, nil
}

func listTags(ctx context.Context, r ports.GitRepository) error {
	_, err := r.ListTags(ctx, ports.Page{Size: ports.MaxPageSize})
	return err
}
