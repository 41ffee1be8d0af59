package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPolicyIsGivenReadAndTakenAway(t *testing.T) {
	c := newShop(t)
	const policy = shop + "/policy"
	none := `{"validation":"off","validated_branches":[],"protected_branches":[],"immutable_releases":false,"links":false,"own":false}`
	require.JSONEq(t, none, string(c.get(policy).wants(http.StatusOK).body))
	given := `{"validation":"enforce","validated_branches":["main","release/*"],"protected_branches":["main"],"immutable_releases":true,"links":true`
	require.JSONEq(t, given+`,"own":true}`, string(c.put(policy, given+"}").wants(http.StatusOK).body))
	require.JSONEq(t, given+`,"own":true}`, string(c.get(policy).wants(http.StatusOK).body))

	c.put(shop+"/files/f", "x").wants(http.StatusCreated)
	c.post(shop+"/tags", `{"name":"v1.0.0","target":"main"}`).wants(http.StatusCreated)
	c.delete(shop+"/tags/v1.0.0").problem(http.StatusConflict, "REF_PROTECTED")

	for body, reason := range map[string]string{
		`{"validation":"maybe"}`:            "INVALID_ARGUMENT",
		`{"validated_branches":["["]}`:      "INVALID_PATTERN",
		`{"protected_branches":["refs/x"]}`: "INVALID_PATTERN",
		`{"protected_branches":[""]}`:       "INVALID_PATTERN",
		`{"own":true}`:                      "INVALID_ARGUMENT",
		`[]`:                                "INVALID_ARGUMENT",
	} {
		c.put(policy, body).problem(http.StatusBadRequest, reason)
	}
	require.JSONEq(t, given+`,"own":true}`, string(c.get(policy).wants(http.StatusOK).body))

	c.delete(policy).wants(http.StatusNoContent)
	require.JSONEq(t, none, string(c.get(policy).wants(http.StatusOK).body))
	c.delete(shop + "/tags/v1.0.0").wants(http.StatusNoContent)
	c.get("/v1/repositories/none/policy").problem(http.StatusNotFound, "REPOSITORY_NOT_FOUND")
}
