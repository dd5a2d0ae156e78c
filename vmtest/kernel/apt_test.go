// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringtwin/ringtwin/internal/testutils"
	"golang.org/x/sys/unix"
)

// TestWatchSpace: work is ended when others fill the disk.
func TestWatchSpace(t *testing.T) {
	testutils.Root(t)
	dir := t.TempDir()
	check(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"))
	t.Cleanup(func() { check(t, syscall.Unmount(dir, 0)) })
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := watchSpace(t.Context(), dir)
		defer stop()
		time.Sleep(time.Minute)
		if ctx.Err() != nil {
			t.Fatalf("ended with room to spare: %v", context.Cause(ctx))
		}
		check(t, os.WriteFile(filepath.Join(dir, "full"), make([]byte, 5<<20), 0o644))
		time.Sleep(time.Minute)
		if err := context.Cause(ctx); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "RINGTWIN_CACHE") {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestCheckSpace(t *testing.T) {
	if err := checkSpace(t.TempDir(), 0); err != nil {
		t.Error(err)
	}
	if err := checkSpace(t.TempDir(), 1<<62); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if err := checkSpace("/no/such/directory", 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestAptError(t *testing.T) {
	failed := errors.New("exit status 100")
	if err := aptError("W: a warning\nE: first\nN: note\nE: second\n", failed); err.Error() != "first; second" {
		t.Errorf("got %q", err)
	}
	if err := aptError("no error line", failed); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}

// TestLock: a second process waits for the first, and reports that.
func TestLock(t *testing.T) {
	var said []string
	a := &apt{cache: Cache{Dir: t.TempDir()}, root: "/", phase: func(text string) { said = append(said, text) }}
	unlock, err := a.lock(t.Context())
	check(t, err)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := a.lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("locked twice: %v", err)
		}
	})
	if len(said) != 1 || !strings.Contains(said[0], "another process") {
		t.Errorf("said %q", said)
	}
	unlock()
	unlock, err = a.lock(t.Context())
	check(t, err)
	unlock()
}
