package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// fetch makes a bundle of a package, from the cache where it is there.
func (a *apt) fetch(ctx context.Context, p Package) (*Bundle, error) {
	name := "apt/" + p.Name + "_" + strings.ReplaceAll(p.Version, "/", "_")
	if b, err := a.cache.byRef(name); err == nil {
		return b, nil
	}
	unlock, err := a.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if b, err := a.cache.byRef(name); err == nil {
		return b, nil
	}
	a.cache.sweep()
	temp, err := a.cache.temp()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	wanted := []string{p.Name + "=" + p.Version}
	if p.Config != "" && p.Config != p.Name {
		wanted = append(wanted, p.Config+"="+p.Version)
	}
	if err := checkSpace(a.cache.Dir, kernelBytes); err != nil {
		return nil, err
	}
	a.phase("fetch " + p.Name + " " + p.Version)
	if _, err := a.run(ctx, temp, "apt-get", append([]string{"download", "-q"}, wanted...)...); err != nil {
		return nil, fmt.Errorf("fetch kernel: %w", err)
	}
	a.phase("unpack " + p.Name)
	b := &Bundle{Release: p.Release, Source: "apt", Package: p.Name + "=" + p.Version}
	if err := unpackBundle(temp, p.Release, b); err != nil {
		return nil, fmt.Errorf("unpack kernel: %w", err)
	}
	return b, a.cache.store(filepath.Join(temp, "bundle"), name, b)
}

// unpackBundle takes image and configuration out of the packages in dir and
// puts them into dir/bundle.
func unpackBundle(dir, release string, b *Bundle) error {
	bundle := filepath.Join(dir, "bundle")
	if err := os.Mkdir(bundle, 0o755); err != nil {
		return err
	}
	// The places changed with 6.19 and 7.2.
	places := map[string]string{
		"boot/vmlinuz-" + release:                 imageFile,
		"usr/lib/modules/" + release + "/vmlinuz": imageFile,
		"boot/config-" + release:                  configFile,
		"usr/lib/modules/" + release + "/config":  configFile,
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, deb := range debs {
		want := 2 // image and configuration lie in front of the modules
		err := walkDeb(deb, func(name string, r io.Reader) (bool, error) {
			place, ok := places[name]
			if !ok {
				return true, nil
			}
			found[place] = true
			want--
			return want > 0, writeFile(filepath.Join(bundle, place), r)
		})
		if err != nil {
			return err
		}
	}
	if !found[imageFile] {
		return fmt.Errorf("no vmlinuz of %s in %d packages", release, len(debs))
	}
	if found[configFile] {
		text, err := os.ReadFile(filepath.Join(bundle, configFile))
		if err != nil {
			return err
		}
		b.Config = parseConfig(text)
	}
	return nil
}

func writeFile(path string, r io.Reader) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, r)
	return errors.Join(err, file.Close())
}
