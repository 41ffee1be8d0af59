package gitrepotest

import (
	"testing"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/testkit/gitcmd"
)

func TestFixturesHaveTheIDsThatGitGives(t *testing.T) {
	for _, format := range []git.ObjectFormat{git.SHA1, git.SHA256} {
		for name, f := range map[string]fixture{"sample": sample, "story": story} {
			t.Run(format.String()+" "+name, func(t *testing.T) {
				w := f.build(format)
				r := gitcmd.InitFormat(t, format)
				r.Git(w.stream, "fast-import", "--quiet", "--done", "--date-format=raw-permissive")
				objects := r.Load()
				for name, c := range w.commits {
					if _, err := objects.Commit(t.Context(), c.ID); err != nil {
						t.Errorf("commit %q is not what git makes of it: %v", name, err)
					}
				}
				for name, id := range w.tags {
					if _, err := objects.Tag(t.Context(), id); err != nil {
						t.Errorf("tag %q is not what git makes of it: %v", name, err)
					}
				}
			})
		}
	}
}
