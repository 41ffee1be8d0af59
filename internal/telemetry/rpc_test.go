package telemetry_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/gitstore-dev/gitstore/internal/telemetry"
)

func TestClientCallsAreCountedByMethodAndCode(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := telemetry.NewClientMetrics(reg)
	begin := time.Now()
	for _, call := range []struct {
		method string
		err    error
	}{{"/a.B/C", nil}, {"/a.B/C", nil}, {"/a.B/C", status.Error(codes.NotFound, "")}, {"/a.B/D", nil}} {
		ctx := h.TagRPC(t.Context(), &stats.RPCTagInfo{FullMethodName: call.method})
		h.HandleRPC(ctx, &stats.Begin{BeginTime: begin})
		h.HandleRPC(ctx, &stats.End{BeginTime: begin, EndTime: begin.Add(time.Second), Error: call.err})
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetHistogram().GetSampleSum()
		}
	}
	for name, want := range map[string]float64{
		"gitstore_grpc_client_requests_total OK a.B/C":        2,
		"gitstore_grpc_client_requests_total NotFound a.B/C":  1,
		"gitstore_grpc_client_requests_total OK a.B/D":        1,
		"gitstore_grpc_client_request_duration_seconds a.B/C": 3,
		"gitstore_grpc_client_request_duration_seconds a.B/D": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}
