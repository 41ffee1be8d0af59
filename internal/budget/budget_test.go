package budget_test

import (
	"testing"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/internal/budget"
)

func TestSmallRequestsGoOnWhileLargeOnesAreRefused(t *testing.T) {
	m := &budget.Memory{Limit: 100, Small: 10, Refusal: "try again"}
	large, other, small := budget.Hold{Memory: m}, budget.Hold{Memory: m}, budget.Hold{Memory: m}
	if err := large.Take(100); err != nil {
		t.Error(err)
	}
	if err := other.Take(11); !errs.Is(err, errs.ReasonQueueFull) || err.Error() != "try again" {
		t.Errorf("more than there is: %v", err)
	}
	if err := small.Take(10); err != nil {
		t.Errorf("a small request: %v", err)
	}
	if err := small.Take(1); !errs.Is(err, errs.ReasonQueueFull) {
		t.Errorf("a request that is not small any more: %v", err)
	}
	large.Give(50)
	if err := other.Take(40); err != nil {
		t.Errorf("what another one gave back: %v", err)
	}
	if n := m.Used(); n != 100 {
		t.Errorf("%d bytes are counted", n)
	}
	for _, h := range []*budget.Hold{&large, &other, &small} {
		h.Release()
		h.Release()
	}
	if n := m.Used(); n != 0 {
		t.Errorf("%d bytes are counted when nothing is held", n)
	}
}

func TestSmallRequestsAreBoundedAsWell(t *testing.T) {
	m := &budget.Memory{Limit: 100, Small: 10}
	for taken := 0; ; taken += 10 {
		h := budget.Hold{Memory: m}
		err := h.Take(10)
		if taken < 200 && err == nil {
			continue
		}
		if taken != 200 || !errs.Is(err, errs.ReasonQueueFull) {
			t.Fatalf("after %d bytes: %v", taken, err)
		}
		return
	}
}
