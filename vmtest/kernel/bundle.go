package kernel

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ringtwin/ringtwin/vmtest/whole"
)

// Bundle is a kernel ready to boot.
type Bundle struct {
	Want    string `json:"-"`                 // as the user named it
	Release string `json:"release"`           // as uname(2) will say it, as far as known
	Source  string `json:"source"`            // apt, file
	Package string `json:"package,omitempty"` // name=version
	SHA256  string `json:"sha256"`            // of the image, hex
	Image   string `json:"-"`                 // path
	Config  Config `json:"config"`
}

// Names of the files of a bundle in the cache.
const (
	imageFile  = "vmlinuz"
	configFile = "config"
	bundleFile = "bundle.json"
)

// Cache is a folder of bundles, by the SHA-256 of their image.
type Cache struct{ Dir string }

func (c Cache) bundleDir(sum string) string { return filepath.Join(c.Dir, "kernels", sum) }
func (c Cache) refPath(ref string) string   { return filepath.Join(c.Dir, "refs", ref+".json") }

// errNotCached is returned for what is not in the cache, or not sound there.
var errNotCached = errors.New("not in the cache")

// ref is the name of a package version in the cache.
type ref struct {
	SHA256 string `json:"sha256"`
}

// byRef returns the bundle that was stored under a name. The image is read in
// full: what was truncated or changed since is not returned, and not used.
func (c Cache) byRef(name string) (*Bundle, error) {
	var r ref
	if err := readJSON(c.refPath(name), &r); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotCached, err)
	}
	return c.bySum(r.SHA256)
}

func (c Cache) bySum(want string) (*Bundle, error) {
	dir := c.bundleDir(want)
	b := &Bundle{Image: filepath.Join(dir, imageFile)}
	if err := readJSON(filepath.Join(dir, bundleFile), b); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotCached, err)
	}
	sum, err := sumFile(b.Image)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotCached, err)
	}
	if sum != want {
		return nil, fmt.Errorf("%w: %s has changed since it was stored", errNotCached, b.Image)
	}
	return b, nil
}

// store puts a bundle whose files lie in dir, a folder of [Cache.temp], in its
// place and gives it a name. Whoever is first with the same image wins; a
// bundle there that is not sound is replaced.
func (c Cache) store(dir, name string, b *Bundle) error {
	sum, err := sumFile(filepath.Join(dir, imageFile))
	if err != nil {
		return fmt.Errorf("store kernel: %w", err)
	}
	b.SHA256 = sum
	if err := writeJSON(filepath.Join(dir, bundleFile), b); err != nil {
		return fmt.Errorf("store kernel: %w", err)
	}
	final := c.bundleDir(sum)
	b.Image = filepath.Join(final, imageFile)
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return fmt.Errorf("store kernel: %w", err)
	}
	if _, err := c.bySum(sum); err != nil {
		// Moved away first: a folder cannot replace one that is not empty, and
		// a machine that has the old image open keeps it.
		if err := os.Rename(final, dir+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("store kernel: %w", err)
		}
		if err := os.Rename(dir, final); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("store kernel: %w", err)
		}
		if err := os.RemoveAll(dir + ".old"); err != nil {
			return fmt.Errorf("store kernel: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(c.refPath(name)), 0o755); err != nil {
		return fmt.Errorf("store kernel: %w", err)
	}
	return writeJSON(c.refPath(name), ref{SHA256: sum})
}

// sweep removes what a process left that was killed while it fetched. It may
// only be called with apt's lock, without which nobody makes such folders.
func (c Cache) sweep() {
	left, _ := filepath.Glob(filepath.Join(c.Dir, "tmp", "fetch-*"))
	for _, dir := range left {
		_ = os.RemoveAll(dir) // else it is tried again next time
	}
}

// temp makes a folder in the cache, on the same file system as the bundles.
func (c Cache) temp() (string, error) {
	dir := filepath.Join(c.Dir, "tmp")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w (set another with RINGTWIN_CACHE)", err)
	}
	temp, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return "", fmt.Errorf("make cache folder: %w (set another with RINGTWIN_CACHE)", err)
	}
	return temp, nil
}

func sumFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// writeJSON replaces the file in one step: readers see the old or the new one.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return whole.Write(path, append(text, '\n'))
}
