// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// at is the kernel of a package of apt.
func at(name string) Ref { return Ref{Source: "apt", Package: name} }

// put stores a bundle with an image of that content.
func put(c Cache, name, content string) error {
	_, err := c.make(context.Background(), at(name), func(dir string) (*Bundle, error) {
		return &Bundle{Release: name, Source: "apt"}, os.WriteFile(filepath.Join(dir, imageFile), []byte(content), 0o644)
	})
	return err
}

func TestCacheReturnsWhatWasStored(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	if _, err := c.byRef(at("x=1")); !errors.Is(err, errNotCached) {
		t.Errorf("empty cache: %v", err)
	}
	if err := put(c, "x=1", "image"); err != nil {
		t.Fatal(err)
	}
	b, err := c.byRef(at("x=1"))
	if err != nil {
		t.Fatal(err)
	}
	if image, err := os.ReadFile(b.Image); err != nil || string(image) != "image" || b.Release != "x=1" {
		t.Errorf("bundle %+v with image %q, %v", b, image, err)
	}
	if files, _ := filepath.Glob(filepath.Join(c.Dir, "tmp", "fetch-*")); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

// TestCacheNoticesDamage: a damaged image is never used, and storing it again repairs it.
func TestCacheNoticesDamage(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, b *Bundle){
		"truncated": func(t *testing.T, b *Bundle) { check(t, os.Truncate(b.Image, 2)) },
		"flipped":   func(t *testing.T, b *Bundle) { check(t, os.WriteFile(b.Image, []byte("imagf"), 0o644)) },
		"gone":      func(t *testing.T, b *Bundle) { check(t, os.Remove(b.Image)) },
		"no bundle": func(t *testing.T, b *Bundle) { check(t, os.Remove(filepath.Join(filepath.Dir(b.Image), bundleFile))) },
	} {
		t.Run(name, func(t *testing.T) {
			c := Cache{Dir: t.TempDir()}
			check(t, put(c, "x=1", "image"))
			b, err := c.byRef(at("x=1"))
			check(t, err)
			damage(t, b)
			if _, err := c.byRef(at("x=1")); !errors.Is(err, errNotCached) {
				t.Fatalf("damaged bundle: %v", err)
			}
			check(t, put(c, "x=1", "image"))
			if _, err := c.byRef(at("x=1")); err != nil {
				t.Errorf("after storing it again: %v", err)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestCacheAtOnce: many store the same and different images at the same time.
func TestCacheAtOnce(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	errs := make(chan error, 40)
	var wg sync.WaitGroup
	for i := range 40 {
		name := "x=" + string(rune('a'+i%4))
		wg.Go(func() {
			errs <- put(c, name, "image of "+name[:len(name)-i%2])
			_, err := c.byRef(at(name))
			errs <- err
		})
	}
	go func() { wg.Wait(); close(errs) }()
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestCacheNotWritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o644))
	_, _, err := Cache{Dir: filepath.Join(file, "cache")}.temp(t.Context())
	if err == nil || !strings.Contains(err.Error(), "RINGTWIN_CACHE") {
		t.Errorf("got %v, want what to do", err)
	}
}
