package gitcli

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestPacksAreRolledUpUntilTheyGrowGeometrically(t *testing.T) {
	for _, tt := range []struct {
		objects []int64
		want    int
	}{
		{nil, 0},
		{[]int64{7}, 0},
		{[]int64{1, 2, 4, 100}, 0},
		{[]int64{1, 1}, 2},
		{[]int64{3, 3, 3, 3}, 4},
		{[]int64{1, 1, 4, 8}, 2},
		{[]int64{1, 1, 3, 8}, 4},
		{[]int64{1, 1, 3, 10}, 3},
		{[]int64{1, 2, 3, 1000}, 3},
		{[]int64{0, 0, 0, 1000}, 3},
	} {
		var packs []packSize
		for _, n := range tt.objects {
			packs = append(packs, packSize{objects: n})
		}
		assert.Equal(t, tt.want, rolledUp(packs), fmt.Sprint(tt.objects))
	}
}

func TestARepositoryRestsAfterItsMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, closed := context.WithCancel(t.Context())
		r := &repo{store: &Store{ctx: ctx}}
		begin := time.Now()
		assert.True(t, r.rest())
		assert.Zero(t, time.Since(begin), "it was never maintained")
		r.rested.Store(new(begin.Add(time.Minute)))
		assert.True(t, r.rest())
		assert.Equal(t, time.Minute, time.Since(begin))
		r.rested.Store(new(time.Now().Add(time.Minute)))
		time.AfterFunc(time.Second, func() { r.newPacks.Store(urgentFrom) })
		begin = time.Now()
		assert.True(t, r.rest())
		assert.Less(t, time.Since(begin), 2*time.Second, "there are too many packs to rest on")
		r.newPacks.Store(urgentFrom - 1)
		time.AfterFunc(time.Second, closed)
		assert.False(t, r.rest(), "the store is closed")
	})
}
