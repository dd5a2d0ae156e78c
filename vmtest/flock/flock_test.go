// SPDX-License-Identifier: MIT

package flock

import (
	"path/filepath"
	"testing"
)

// TestTry: a lock that is held is not waited for, and one that is released is had.
func TestTry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "lock")
	unlock, err := Try(path)
	if err != nil || unlock == nil {
		t.Fatalf("a free lock: %v", err)
	}
	if again, err := Try(path); err != nil || again != nil {
		t.Errorf("a held lock: had %t, %v", again != nil, err)
	}
	unlock()
	again, err := Try(path)
	if err != nil || again == nil {
		t.Fatalf("a released lock: %v", err)
	}
	again()
}
