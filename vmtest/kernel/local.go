// SPDX-License-Identifier: MIT

package kernel

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// fromFile uses an image as it is. Whether it boots is not checked. Distributions put the
// configuration beside it.
func fromFile(path string) (*Bundle, error) {
	config := strings.Replace(filepath.Base(path), "vmlinuz", "config", 1)
	if config == filepath.Base(path) {
		config = ""
	}
	return fromImage(sourceFile, path, filepath.Join(filepath.Dir(path), config))
}

// fromImage is the bundle of an image that stays where it is. The configuration
// may be missing.
func fromImage(source, path, config string) (*Bundle, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	sum, err := sumFile(path)
	if err != nil {
		return nil, fmt.Errorf("read kernel image: %w", err)
	}
	b := &Bundle{Source: source, Package: path, SHA256: sum, Image: path, Release: imageRelease(path)}
	if info, err := os.Stat(config); err == nil && info.Mode().IsRegular() {
		b.ConfigPath = config
	}
	return b, b.readConfig()
}

// images are where a build of the kernel leaves them.
var images = []string{"arch/x86/boot/bzImage", "arch/arm64/boot/Image"}

// fromTree takes what was built in a tree of the kernel, or in its O= directory.
func fromTree(dir string) (*Bundle, error) {
	for _, image := range images {
		path := filepath.Join(dir, image)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		b, err := fromImage(sourceTree, path, filepath.Join(dir, ".config"))
		if err != nil {
			return nil, err
		}
		if release, err := os.ReadFile(filepath.Join(dir, "include/config/kernel.release")); err == nil {
			b.Release = strings.TrimSpace(string(release))
		}
		return b, nil
	}
	return nil, fmt.Errorf("%w: %s has none of %s: build it there, or give the image itself", ErrNotNamed, dir, strings.Join(images, ", "))
}

// fromHost takes the image of the running kernel.
func fromHost(root string) (*Bundle, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, fmt.Errorf("read kernel release: %w", err)
	}
	release := unix.ByteSliceToString(uts.Release[:])
	modules := filepath.Join(root, "lib/modules", release)
	tried := []string{filepath.Join(root, "boot/vmlinuz-"+release), filepath.Join(modules, "vmlinuz")}
	for _, path := range tried {
		config := filepath.Join(root, "boot/config-"+release)
		if _, err := os.Stat(config); err != nil {
			config = filepath.Join(modules, "config")
		}
		b, err := fromImage(sourceHost, path, config)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if errors.Is(err, os.ErrPermission) {
			return nil, fmt.Errorf("%w: the image of the running kernel is for root only here: sudo chmod a+r %s", err, path)
		}
		if err != nil {
			return nil, err
		}
		b.Release = release
		if b.ConfigPath == "" {
			b.Config = configOf(filepath.Join(root, "proc/config.gz"))
		}
		if info, err := os.Stat(filepath.Join(modules, "modules.dep")); err == nil && info.Mode().IsRegular() {
			b.Modules = modules
		}
		return b, nil
	}
	return nil, fmt.Errorf("the image of the running kernel, %s, is not on this system: looked for %s", release, strings.Join(tried, ", "))
}

// configOf reads a kernel's own compressed configuration, if there is one.
func configOf(path string) Config {
	file, err := os.Open(path)
	if err != nil {
		return Config{}
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		return Config{}
	}
	text, err := io.ReadAll(io.LimitReader(z, maxConfigBytes))
	if err != nil {
		return Config{}
	}
	return parseConfig(text)
}

// maxConfigBytes bounds a kernel's configuration: they have 300 kB.
const maxConfigBytes = 16 << 20

// imageRelease reads the release out of an x86 boot header, or returns "".
// https://docs.kernel.org/arch/x86/boot.html#the-real-mode-kernel-header
func imageRelease(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	const magicAt, pointerAt, pointerBase = 0x202, 0x20e, 0x200
	var header [0x210]byte
	if _, err := file.ReadAt(header[:], 0); err != nil || string(header[magicAt:magicAt+4]) != "HdrS" {
		return ""
	}
	var text [256]byte
	n, _ := file.ReadAt(text[:], int64(binary.LittleEndian.Uint16(header[pointerAt:]))+pointerBase)
	line, _, _ := bytes.Cut(text[:n], []byte{0})
	release, _, _ := strings.Cut(string(line), " ")
	return release
}
