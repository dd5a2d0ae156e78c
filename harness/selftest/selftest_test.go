package selftest

import (
	"context"
	"testing"

	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/trial"
	"github.com/ringtwin/ringtwin/internal/need"
)

// TestEveryFaultIsFound measures on this kernel.
func TestEveryFaultIsFound(t *testing.T) {
	need.Root(t)
	attach, err := bpf.ResolveAttach(bpf.AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	r, err := trial.NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	results := 0
	err = Run(t.Context(), r.Run, attach, func(result Result) {
		results++
		if !result.Found {
			t.Errorf("%+v", result)
		}
	})
	if err != nil || results != 7*len(bpf.Transports()) {
		t.Errorf("%d results, %v", results, err)
	}
}

// TestWhatIsNotInjectedIsNotFound: a measurer that sees no fault is told from one
// that does.
func TestWhatIsNotInjectedIsNotFound(t *testing.T) {
	need.Root(t)
	attach, err := bpf.ResolveAttach(bpf.AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	r, err := trial.NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	blind := func(ctx context.Context, cell record.Cell) (*record.Trial, error) {
		cell.Fault = ""
		return r.Run(ctx, cell)
	}
	err = Run(t.Context(), blind, attach, func(result Result) {
		if result.Found != (result.Fault == "none") {
			t.Errorf("%+v", result)
		}
	})
	if err != nil {
		t.Error(err)
	}
}
