package storefront_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/storefront"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/gitstoretest"
	"github.com/gitstore-dev/gitstore/ports"
)

// addCategory writes what the products refer to, over gRPC: the store is a client as well.
func addCategory(t *testing.T, repository ports.GitRepository) {
	t.Helper()
	path, err := git.ParseTreePath("categories/lamps.md")
	if err != nil {
		t.Fatal(err)
	}
	branch, err := git.BranchRef("main")
	if err != nil {
		t.Fatal(err)
	}
	const content = "---\nid: lamps\nslug: lamps\ntitle: Lamps\n---\n"
	changes := func(yield func(git.Change, error) bool) {
		yield(git.Change{Action: git.ActionCreate, Path: path, Content: strings.NewReader(content), Size: int64(len(content))}, nil)
	}
	if _, err := repository.CommitFiles(t.Context(), ports.CommitFiles{Branch: branch, Message: "Add lamps"}, changes); err != nil {
		t.Fatal(err)
	}
}

func TestAPriceIsWhatWasPublished(t *testing.T) {
	ctx := t.Context()
	store := gitstoretest.Run(ctx, t, gitstoretest.WithReplicas(2), gitstoretest.WithAPIEnv(map[string]string{"GITSTORE_CATALOGS": "shop"}))
	id, err := git.ParseRepositoryID("shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.CreateRepository(ctx, ports.CreateRepository{ID: id}); err != nil {
		t.Fatal(err)
	}
	addCategory(t, store.Repository(id))
	client := &http.Client{Timeout: 30 * time.Second}
	back := storefront.Storefront{API: store.API(0).URL(), Repository: "shop", Client: client}
	front := storefront.Storefront{API: store.API(1).URL(), Repository: "shop", Client: client}

	for _, price := range []string{"19.90", "17.50"} {
		want := storefront.Product{ID: "lamp", Title: "Desk lamp", Price: price, Category: "lamps"}
		cursor, err := back.Publish(ctx, want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := front.Product(ctx, "lamp", cursor); err != nil || got != want {
			t.Fatalf("the other replica shows %+v, %v; want %+v", got, err, want)
		}
	}

	store.Git.Kill(ctx)
	if got, err := front.Product(ctx, "lamp", ""); err != nil || got.Price != "17.50" {
		t.Errorf("while the git-service is away, %+v, %v is shown", got, err)
	}
	_, err = back.Publish(ctx, storefront.Product{ID: "lamp", Title: "Desk lamp", Price: "1.00"})
	if refused, ok := errors.AsType[*storefront.Refused](err); !ok || refused.Status != http.StatusServiceUnavailable {
		t.Errorf("while the git-service is away, publishing ends with %v", err)
	}
}
