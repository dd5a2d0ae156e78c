// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// fetch has apt download the packages, and unpacks them.
func (a *apt) fetch(ctx context.Context, ref Ref, dir string) (*Bundle, error) {
	a = a.of(ref.Arch)
	p, err := a.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	wanted := []string{p.Name + "=" + p.Version}
	if p.Config != "" && p.Config != p.Name {
		wanted = append(wanted, p.Config+"="+p.Version)
	}
	if p.Modules != "" && p.Modules != p.Config && p.Modules != p.Name && a.modules {
		wanted = append(wanted, p.Modules+"="+p.Version)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "packages-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	a.phase("fetch " + p.Name + " " + p.Version)
	if err := a.download(ctx, temp, wanted); err != nil {
		if err := a.whyNot(ctx, ref, err); err != nil {
			return nil, err
		}
		if err := a.download(ctx, temp, wanted); err != nil {
			return nil, err
		}
	}
	debs, err := filepath.Glob(filepath.Join(temp, "*.deb"))
	if err != nil {
		return nil, err
	}
	a.phase("unpack " + p.Name)
	b := &Bundle{Release: p.Release, Source: ref.Source, Package: ref.Package, Flavour: ref.Flavour}
	return b, unpackDebs(debs, p.Release, dir, a.modules)
}

// download has apt put packages into a directory.
func (a *apt) download(ctx context.Context, dir string, packages []string) error {
	unlock, err := a.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = a.run(ctx, dir, "apt-get", append([]string{"download", "-q"}, packages...)...)
	return err
}

// whyNot is why a kernel could not be fetched: the archive may have changed since its
// lists were read. It is nil if the lists, read again, have the kernel: then only apt had
// lost them.
func (a *apt) whyNot(ctx context.Context, ref Ref, err error) error {
	idx, readErr := a.load(ctx, 0)
	if readErr != nil || idx.age > 0 || idx.Problem != "" {
		return err
	}
	if _, ok := idx.find(ref); !ok {
		return fmt.Errorf("%s %w: %w", ref.Package, errVanished, err)
	}
	return nil
}

func (idx *index) find(ref Ref) (Package, bool) {
	i := slices.IndexFunc(idx.Packages, func(p Package) bool { return p.Name+"="+p.Version == ref.Package })
	if i < 0 {
		return Package{}, false
	}
	return idx.Packages[i], true
}

// find looks up a package in the lists. Old lists will do if they have it.
func (a *apt) find(ctx context.Context, ref Ref) (Package, error) {
	for _, maxAge := range []time.Duration{forever, retryAge} {
		idx, err := a.load(ctx, maxAge)
		if err != nil {
			return Package{}, err
		}
		if p, ok := idx.find(ref); ok {
			return p, nil
		}
	}
	return Package{}, fmt.Errorf("%s %w", ref.Package, errVanished)
}

// unpackDebs takes image, configuration and, if asked for, modules of a release
// out of packages and puts them into dir.
func unpackDebs(debs []string, release, dir string, modules bool) error {
	found := map[string]bool{}
	for _, deb := range debs {
		err := walkDeb(deb, func(name string, r io.Reader) (bool, error) {
			place := placeOf(name, release)
			if place == "" || strings.HasPrefix(place, modulesDir) && !modules {
				return true, nil
			}
			found[place] = true
			// They come before the modules, which take a minute to unpack.
			done := found[imageFile] && found[configFile] && !modules
			return !done, writeFile(filepath.Join(dir, place), r)
		})
		if err != nil {
			return err
		}
	}
	if !found[imageFile] {
		return fmt.Errorf("no image of %s in %d packages", release, len(debs))
	}
	return nil
}

// placeOf returns where a file of a package or of a registry's image belongs in a bundle,
// or "" for a file that is not needed.
func placeOf(name, release string) string {
	// Packages of Debian changed with 6.19 and 7.2; those of Ubuntu have the
	// configuration with the modules, and with the headers.
	switch name = strings.TrimPrefix(name, "usr/"); name {
	case "boot/vmlinuz-" + release, "lib/modules/" + release + "/vmlinuz":
		return imageFile
	case "boot/config-" + release, "lib/modules/" + release + "/config", "src/linux-headers-" + release + "/.config":
		return configFile
	}
	if rest, ok := strings.CutPrefix(name, "lib/modules/"+release+"/"); ok {
		return filepath.Join(modulesDir, release, filepath.FromSlash(rest))
	}
	return ""
}

func writeFile(path string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, r)
	return errors.Join(err, file.Close())
}
