// SPDX-License-Identifier: MIT

package workflows

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testkernels"
)

// roles are the kernels of these tests.
var roles = []testkernels.Role{testkernels.Newest, testkernels.Usual, testkernels.Oldest}

// fill fills the cache once.
var fill sync.Once

// sharedCache is a cache of ringtwin with the kernels of the roles and nothing else, so
// that the workflows' caches are as small as on GitHub. Tests share its snapshots.
func sharedCache(t *testing.T) string {
	t.Helper()
	fill.Do(func() {
		names, err := testkernels.All(t)
		if err != nil {
			t.Fatal(err)
		}
		from, err := testkernels.Cache()
		if err != nil {
			t.Fatal(err)
		}
		wanted := map[string]bool{}
		for _, role := range roles {
			wanted[testkernels.Bundle(t, names[role], false).SHA256] = true
		}
		if err := copyKernels(shared, from, wanted); err != nil {
			t.Fatal(err)
		}
	})
	return shared
}

// copyKernels copies bundles by their SHA-256 from one cache to another, with their
// references, and what the package lists say.
func copyKernels(to, from string, wanted map[string]bool) error {
	copyOf := func(name string) error {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return fmt.Errorf("copy the cache: %w", err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, 0o644)
	}
	refs, err := filepath.Glob(filepath.Join(from, "refs", "*", "*.json"))
	if err != nil {
		return err
	}
	for _, path := range refs {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var ref struct{ SHA256 string }
		if json.Unmarshal(text, &ref) != nil || !wanted[ref.SHA256] {
			continue
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if err := copyOf(name); err != nil {
			return err
		}
		bundle := filepath.Join("kernels", ref.SHA256)
		if err := os.MkdirAll(filepath.Join(to, "kernels"), 0o755); err != nil {
			return err
		}
		if err := os.CopyFS(filepath.Join(to, bundle), os.DirFS(filepath.Join(from, bundle))); err != nil {
			return err
		}
	}
	return copyOf("apt/index.json")
}
