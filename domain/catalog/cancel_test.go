package catalog_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitstore-dev/gitstore/domain/catalog"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/internal/panics"
	"github.com/gitstore-dev/gitstore/internal/testkit/catalogdata"
)

// endingContext ends when it was asked often enough whether it did.
type endingContext struct {
	context.Context
	ends  int64
	asked atomic.Int64
}

func (c *endingContext) Err() error {
	if c.asked.Add(1) > c.ends {
		return context.Canceled
	}
	return nil
}

func TestABuildStopsWithinAFileWhenItsContextEnds(t *testing.T) {
	data, changes := generated(catalogdata.Options{Products: 30, Categories: 5, Collections: 2})
	base := after(nil, changes)
	before := answers(base)
	const schema = "schemas/Product.schema.json"
	next := []catalog.Change{
		change(schema, `{"required":["supplier"]}`), change(data.ProductPath(7), data.Product(7, 1)), deletion(data.ProductPath(8)),
	}
	const readers = 8
	whole := &endingContext{Context: t.Context(), ends: 1 << 40}
	want, err := catalog.Build(whole, base, git.ObjectID{}, next)
	require.NoError(t, err)
	for ends := range whole.asked.Load() - readers { // how often all readers ask is up to their luck
		ctx := &endingContext{Context: t.Context(), ends: ends}
		s, err := catalog.Build(ctx, base, git.ObjectID{}, next)
		require.ErrorIs(t, err, context.Canceled, "at %d", ends)
		require.Nil(t, s)
		require.LessOrEqual(t, ctx.asked.Load(), ends+readers+2, "it went on")
	}
	assert.Empty(t, cmp.Diff(before, answers(base)), "what was served has changed")
	again, err := catalog.Build(t.Context(), base, git.ObjectID{}, next)
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff(answers(want), answers(again)))
}

// panickingContext panics when it is asked whether it ended.
type panickingContext struct{ context.Context }

func (panickingContext) Err() error { panic("a fault of the code") }

func TestAPanicWhileFilesAreReadIsForTheCallerToRecoverFrom(t *testing.T) {
	_, changes := generated(catalogdata.Options{Products: 3})
	defer func() {
		caught, ok := recover().(*panics.Error)
		require.True(t, ok)
		assert.Equal(t, "a fault of the code", caught.Value)
		assert.Contains(t, string(caught.Stack), "panickingContext", "where it was is not told")
	}()
	_, _ = catalog.Build(panickingContext{t.Context()}, nil, git.ObjectID{}, changes)
}
