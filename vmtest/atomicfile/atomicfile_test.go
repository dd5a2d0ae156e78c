// SPDX-License-Identifier: MIT

package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestUnnamed: the file is not visible before it has its name.
func TestUnnamed(t *testing.T) {
	dir := t.TempDir()
	file, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("content"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("visible: %v", got)
	}
	path := filepath.Join(dir, "name")
	if err := file.Link(path); err != nil {
		t.Fatal(err)
	}
	if err := file.Link(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second link: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "content" {
		t.Errorf("read %q, %v", text, err)
	}
	if _, err := Create(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in no directory: %v", err)
	}
}

// TestNamed: the same on file systems that do not support unnamed files.
func TestNamed(t *testing.T) {
	dir := t.TempDir()
	plain, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		t.Fatal(err)
	}
	file := &File{File: plain, temp: plain.Name()}
	if err := errors.Join(file.Link(filepath.Join(dir, "name")), file.Close()); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); len(got) != 1 || got[0] != "name" {
		t.Errorf("left: %v", got)
	}
}

// TestWrite: with many writers the file is complete at any time.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "name")
	var writing sync.WaitGroup
	for n := range 8 {
		writing.Go(func() {
			for range 50 {
				if err := Write(path, make([]byte, 1000*(n+1))); err != nil {
					t.Error(err)
				}
				if text, err := os.ReadFile(path); err != nil || len(text) == 0 || len(text)%1000 != 0 {
					t.Errorf("read %d bytes, %v", len(text), err)
				}
			}
		})
	}
	writing.Wait()
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left: %v", got)
	}
}
