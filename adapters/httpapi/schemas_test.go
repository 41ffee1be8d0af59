package httpapi

import (
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

func TestOnlyWhatIsInTheDocumentIsDescribed(t *testing.T) {
	a := describedAPI()
	schemas := a.document.openapi.Components.Schemas.Map()
	for name := range schemaDescriptions {
		if schemas[name] == nil {
			t.Errorf("there is no schema %s", name)
		}
	}
	described := map[string]bool{}
	for _, tag := range a.document.openapi.Tags {
		described[tag.Name] = true
	}
	for name := range groupDescriptions {
		if !described[name] {
			t.Errorf("there is no group %s", name)
		}
	}
	meanings := schemas["Problem"].Properties["reason"].Extensions["x-enumDescriptions"].(map[errs.Reason]string)
	for _, r := range errs.Reasons() {
		if meanings[r] == "" {
			t.Errorf("%s is not listed", r)
		}
	}
}
