// SPDX-License-Identifier: MIT

package transport

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ringtwin/ringtwin/bpf"
	"github.com/ringtwin/ringtwin/harness/vocab"
	"github.com/ringtwin/ringtwin/harness/workload"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// TestMessageChangesWhileRunning: the config map of a running program decides
// what the next program start sends.
func TestMessageChangesWhileRunning(t *testing.T) {
	testutils.Root(t)
	attach, err := bpf.ResolveAttach(vocab.AttachAuto)
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range sending(t, attach) {
		if kind.Spec().Family.Overwrites {
			continue // it is read once
		}
		t.Run(string(kind), func(t *testing.T) {
			twin, reader := openPage(t, kind, attach, 0)
			if err := twin.Attach(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for step, text := range []string{"", "first", "twelve bytes", ""} {
				if step > 0 {
					if err := twin.SetMessage(0, text); err != nil {
						t.Fatal(err)
					}
				}
				got = append(got, startOne(t, twin, reader, uint64(1<<40+10*i+step)))
			}
			if diff := cmp.Diff([]string{bpf.DefaultMessage, "first", "twelve bytes", ""}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if err := twin.SetMessage(0, "thirteen byte"); err == nil {
				t.Error("a message that does not fit was accepted")
			}
		})
	}
}

// startOne starts one program as root and returns the message of its event.
func startOne(t *testing.T, twin *bpf.Twin, reader Reader, token uint64) string {
	t.Helper()
	load, err := workload.New(t.Context(), workload.Options{Count: 1, CPUs: []int{0}, UIDs: []uint32{0}, FirstToken: token})
	if err != nil {
		t.Fatal(err)
	}
	defer load.Close()
	if _, err := load.Run(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(twin.Flush([]int{0}), reader.Flush()); err != nil {
		t.Fatal(err)
	}
	var sample Sample
	var event bpf.Event
	if err := reader.Read(&sample); err != nil {
		t.Fatal(err)
	}
	if err := bpf.Decode(sample.Raw, &event); err != nil {
		t.Fatal(err)
	}
	message := bpf.Text(event.Message[:])
	if err := reader.Read(&sample); !errors.Is(err, ErrFlushed) {
		t.Fatalf("after the only event: %v", err)
	}
	return message
}
