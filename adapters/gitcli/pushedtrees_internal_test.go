package gitcli

import (
	"fmt"
	"hash/maphash"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/git"
)

func TestATreeThatTakesThePlacesOfManyOthersIsReadAFewTimes(t *testing.T) {
	id := func(what string) git.ObjectID { return git.SHA1.HashObject(git.BlobObject, []byte(what)) }
	check := &treeCheck{seed: maphash.MakeSeed(), seen: map[git.ObjectID]looks{}}
	for range 2 {
		for i := range 10 * maxBases {
			check.come(place{tree: id("tree"), bases: []git.ObjectID{id(fmt.Sprint(i))}})
		}
	}
	require.Equal(t, maxBases+1, len(check.places))
	require.Empty(t, check.places[maxBases].bases, "of all that it has no more is known")
}
