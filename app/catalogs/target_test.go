package catalogs_test

import (
	"testing"

	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

func TestTargetsAreReadAsOperatorsWriteThem(t *testing.T) {
	for text, want := range map[string]catalogs.Target{
		"shop":                  {Repository: shop},
		"shop@head":             {Repository: shop},
		"shop@head:trunk":       {Repository: shop, View: catalogs.View{Branch: branch("trunk")}},
		"shop@head:a/b@c":       {Repository: shop, View: catalogs.View{Branch: branch("a/b@c")}},
		"shop@live":             {Repository: shop, View: catalogs.View{Live: true}},
		"shop@live:prereleases": {Repository: shop, View: catalogs.View{Live: true, Prereleases: true}},
	} {
		got, err := catalogs.ParseTarget(text)
		if err != nil || got != want {
			t.Errorf("ParseTarget(%q) = %v, %v, want %v", text, got, err, want)
		}
		if again, err := catalogs.ParseTarget(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q, which is read as %v, %v", text, got, again, err)
		}
	}
}

func TestMalformedTargetsAreRefused(t *testing.T) {
	for text, reason := range map[string]errs.Reason{
		"":               errs.ReasonInvalidRepositoryID,
		"Shop":           errs.ReasonInvalidRepositoryID,
		"*":              errs.ReasonInvalidRepositoryID,
		"@live":          errs.ReasonInvalidRepositoryID,
		"shop@":          errs.ReasonInvalidArgument,
		"shop@main":      errs.ReasonInvalidArgument,
		"shop@live:1.x":  errs.ReasonInvalidArgument,
		"shop@Head":      errs.ReasonInvalidArgument,
		"shop@head:":     errs.ReasonInvalidRefName,
		"shop@head:a..b": errs.ReasonInvalidRefName,
	} {
		if got, err := catalogs.ParseTarget(text); !errs.Is(err, reason) {
			t.Errorf("ParseTarget(%q) = %v, %v, want %s", text, got, err, reason)
		}
	}
	if _, err := catalogs.ParseTargets([]string{"shop", "other", "shop@live"}); !errs.Is(err, errs.ReasonInvalidArgument) {
		t.Errorf("a repository that is named twice: %v", err)
	}
}
