package git_test

import (
	"strings"
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

func TestChangeValidate(t *testing.T) {
	p, q := treePath(t, "a"), treePath(t, "b")
	yes := true
	content := func() *strings.Reader { return strings.NewReader("x") }
	blob := git.ExpectID(anyID)
	tests := []struct {
		name   string
		change git.Change
		ok     bool
	}{
		{"create", git.Change{Action: git.ActionCreate, Path: p, Content: content()}, true},
		{"create that expects nothing there", git.Change{Action: git.ActionCreate, Path: p, Content: content(), ExpectedBlob: git.ExpectAbsent()}, true},
		{"create of an executable", git.Change{Action: git.ActionCreate, Path: p, Content: content(), Executable: &yes}, true},
		{"update", git.Change{Action: git.ActionUpdate, Path: p, Content: content(), ExpectedBlob: blob}, true},
		{"upsert", git.Change{Action: git.ActionUpsert, Path: p, Content: content()}, true},
		{"delete", git.Change{Action: git.ActionDelete, Path: p, ExpectedBlob: blob}, true},
		{"move", git.Change{Action: git.ActionMove, Path: p, From: q}, true},
		{"move with content", git.Change{Action: git.ActionMove, Path: p, From: q, Content: content(), Executable: &yes}, true},
		{"chmod", git.Change{Action: git.ActionChmod, Path: p, Executable: &yes}, true},

		{"no action", git.Change{Path: p, Content: content()}, false},
		{"unknown action", git.Change{Action: git.ActionChmod + 1, Path: p}, false},
		{"no path", git.Change{Action: git.ActionCreate, Content: content()}, false},
		{"create without content", git.Change{Action: git.ActionCreate, Path: p}, false},
		{"update without content", git.Change{Action: git.ActionUpdate, Path: p}, false},
		{"upsert without content", git.Change{Action: git.ActionUpsert, Path: p}, false},
		{"create that expects a blob", git.Change{Action: git.ActionCreate, Path: p, Content: content(), ExpectedBlob: blob}, false},
		{"delete with content", git.Change{Action: git.ActionDelete, Path: p, Content: content()}, false},
		{"delete with a mode", git.Change{Action: git.ActionDelete, Path: p, Executable: &yes}, false},
		{"chmod with content", git.Change{Action: git.ActionChmod, Path: p, Executable: &yes, Content: content()}, false},
		{"chmod without a mode", git.Change{Action: git.ActionChmod, Path: p}, false},
		{"move from nowhere", git.Change{Action: git.ActionMove, Path: p}, false},
		{"move onto itself", git.Change{Action: git.ActionMove, Path: p, From: p}, false},
		{"create from somewhere", git.Change{Action: git.ActionCreate, Path: p, From: q, Content: content()}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			switch err := tt.change.Validate(); {
			case tt.ok && err != nil:
				t.Errorf("Validate = %v", err)
			case !tt.ok && !errs.Is(err, errs.ReasonInvalidAction):
				t.Errorf("Validate = %v, want INVALID_ACTION", err)
			}
		})
	}
}

func TestActionsAreReadByTheirNames(t *testing.T) {
	for a := git.ActionCreate; a <= git.ActionChmod; a++ {
		if got, err := git.ParseAction(a.String()); err != nil || got != a {
			t.Errorf("ParseAction(%q) = %v, %v", a, got, err)
		}
	}
	for _, s := range []string{"", "Create", "unknown", "rename", "create\n"} {
		if _, err := git.ParseAction(s); !errs.Is(err, errs.ReasonInvalidAction) {
			t.Errorf("ParseAction(%q) fails with %v, want INVALID_ACTION", s, err)
		}
	}
}

func TestChangeStatusesHaveNames(t *testing.T) {
	for s, want := range map[git.ChangeStatus]string{
		0: "unknown", git.StatusAdded: "added", git.StatusModified: "modified", git.StatusDeleted: "deleted", git.StatusTypeChanged: "type_changed", 99: "unknown",
	} {
		if s.String() != want {
			t.Errorf("status %d is %q, want %q", s, s, want)
		}
	}
}
