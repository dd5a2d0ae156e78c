// SPDX-License-Identifier: MIT

package cachedir

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"oldest", "old", "young", "new"} {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "file"), make([]byte, 100), 0o644); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(time.Duration(i-4) * time.Hour)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	left := func() []string {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	if err := Use(filepath.Join(dir, "oldest")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		max  int64
		want []string
	}{
		{400, []string{"new", "old", "oldest", "young"}},
		{399, []string{"new", "oldest", "young"}},
		{150, []string{"oldest"}},
		{0, []string{"oldest"}}, // used a moment ago
	} {
		if err := Prune(dir, step.max); err != nil {
			t.Fatal(err)
		}
		if got := left(); !slices.Equal(got, step.want) {
			t.Errorf("at most %d bytes: %v, want %v", step.max, got, step.want)
		}
	}
	if err := Prune(filepath.Join(dir, "none"), 0); err != nil {
		t.Errorf("no cache yet: %v", err)
	}
}
