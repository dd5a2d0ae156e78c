package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// put stores a bundle with an image of that content.
func put(c Cache, name, content string) error {
	temp, err := c.temp()
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	dir := filepath.Join(temp, "bundle")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, imageFile), []byte(content), 0o644); err != nil {
		return err
	}
	return c.store(dir, name, &Bundle{Release: name, Source: "apt"})
}

func TestCacheReturnsWhatWasStored(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	if _, err := c.byRef("apt/x"); !errors.Is(err, errNotCached) {
		t.Errorf("empty cache: %v", err)
	}
	if err := put(c, "apt/x", "image"); err != nil {
		t.Fatal(err)
	}
	b, err := c.byRef("apt/x")
	if err != nil {
		t.Fatal(err)
	}
	if image, err := os.ReadFile(b.Image); err != nil || string(image) != "image" || b.Release != "apt/x" {
		t.Errorf("bundle %+v with image %q, %v", b, image, err)
	}
	if files, _ := filepath.Glob(filepath.Join(c.Dir, "tmp", "*")); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

// TestCacheNoticesDamage: an image that is not what was stored is never used,
// and storing it again mends it.
func TestCacheNoticesDamage(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, b *Bundle){
		"truncated": func(t *testing.T, b *Bundle) { check(t, os.Truncate(b.Image, 2)) },
		"flipped":   func(t *testing.T, b *Bundle) { check(t, os.WriteFile(b.Image, []byte("imagf"), 0o644)) },
		"gone":      func(t *testing.T, b *Bundle) { check(t, os.Remove(b.Image)) },
		"no bundle": func(t *testing.T, b *Bundle) { check(t, os.Remove(filepath.Join(filepath.Dir(b.Image), bundleFile))) },
	} {
		t.Run(name, func(t *testing.T) {
			c := Cache{Dir: t.TempDir()}
			check(t, put(c, "apt/x", "image"))
			b, err := c.byRef("apt/x")
			check(t, err)
			damage(t, b)
			if _, err := c.byRef("apt/x"); !errors.Is(err, errNotCached) {
				t.Fatalf("damaged bundle: %v", err)
			}
			check(t, put(c, "apt/x", "image"))
			if _, err := c.byRef("apt/x"); err != nil {
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
		name := "apt/" + string(rune('a'+i%4))
		wg.Go(func() {
			errs <- put(c, name, "image of "+name[:len(name)-i%2])
			_, err := c.byRef(name)
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
	_, err := Cache{Dir: filepath.Join(file, "cache")}.temp()
	if err == nil || !strings.Contains(err.Error(), "RINGTWIN_CACHE") {
		t.Errorf("got %v, want what to do", err)
	}
}

func TestFromFile(t *testing.T) {
	dir := t.TempDir()
	image := make([]byte, 0x600)
	copy(image[0x202:], "HdrS")
	image[0x20e], image[0x20f] = 0x00, 0x03 // the version string is at 0x500
	copy(image[0x500:], "6.5.13-test (builder) #1 SMP\x00")
	check(t, os.WriteFile(filepath.Join(dir, "vmlinuz-6.5.13-test"), image, 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "config-6.5.13-test"), []byte("CONFIG_HZ=1000\n"), 0o644))
	b, err := Resolver{}.Find(t.Context(), filepath.Join(dir, "vmlinuz-6.5.13-test"))
	check(t, err)
	if b.Release != "6.5.13-test" || b.Config.HZ != 1000 || b.Source != "file" || len(b.SHA256) != 64 {
		t.Errorf("bundle %+v", b)
	}
	short := filepath.Join(dir, "short")
	check(t, os.WriteFile(short, []byte("x"), 0o644))
	if b, err := (Resolver{}).Find(t.Context(), short); err != nil || b.Release != "" {
		t.Errorf("a file that is no kernel: %+v, %v", b, err)
	}
}
