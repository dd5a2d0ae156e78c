package facts

import (
	"testing"

	"github.com/ringtwin/ringtwin/internal/need"
)

// TestHost decides every statement on this kernel: none may fail.
func TestHost(t *testing.T) {
	need.Root(t)
	err := Run(t.Context(), nil, OnlyBoot, func(r Result) error {
		t.Logf("%-32s %-13s %4d ms  %s", r.ID, r.Verdict, r.DurationNS/1e6, r.Seen)
		if r.Verdict == Fails {
			t.Errorf("%s does not hold: %s", r.ID, r.Seen)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
