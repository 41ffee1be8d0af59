package gitserver

import (
	"google.golang.org/grpc/metadata"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	optionsv1 "github.com/gitstore-dev/gitstore/contracts/gen/gitstore/options/v1"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/event"
	"github.com/gitstore-dev/gitstore/ports"
)

// reach holds the call to the cursor that its answer has to have reached, and prepares for the one to leave behind. Whoever
// owns the repositories owns the journal, and gives a cursor away only when all up to it has happened: here there is
// nothing to wait for.
func (c *call) reach() error {
	if c.journal == nil {
		return nil
	}
	if c.method.op.Kind == optionsv1.OperationKind_OPERATION_KIND_MUTATOR {
		c.receipt = &ports.Receipt{}
		c.ctx = ports.WithReceipt(c.ctx, c.receipt)
	}
	asked := metadata.ValueFromIncomingContext(c.ctx, wire.MinCursorMetadata)
	if len(asked) == 0 {
		return nil
	}
	least, err := event.ParseCursor(asked[len(asked)-1])
	if err != nil {
		return errs.From(err).WithMeta(errs.MetaField, wire.MinCursorMetadata)
	}
	bounds, err := c.journal.Bounds(c.ctx)
	switch {
	case err != nil:
		return err
	case bounds.Newest.Reached(least):
		return nil
	case bounds.Newest.Epoch() != least.Epoch():
		return errs.New(errs.ReasonCursorExpired, "the cursor is of a journal that was rebuilt since: read without it", errs.MetaCursor, bounds.Newest.String())
	}
	return errs.New(errs.ReasonCursorNotReached, "the journal has not come as far as the cursor", errs.MetaCursor, bounds.Newest.String())
}

// leaveCursor sets the trailer of a call that changed something, or that found out that somebody had. There is none where
// the journal does not say so yet.
func (c *call) leaveCursor(set func(metadata.MD)) {
	if c.receipt != nil && !c.receipt.Cursor.IsZero() {
		set(metadata.Pairs(wire.CursorMetadata, c.receipt.Cursor.String()))
	}
}
