// SPDX-License-Identifier: MIT

package elffiles

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// cached are the paths that glibc's cache has for a library, for any CPU, the best first.
// They may be of another architecture.
func (s *search) cached(name string) []string {
	if s.caches == nil {
		s.caches = map[string][]string{}
		// A loader does without a cache that it cannot read.
		if data, err := readCache(s.root + "/etc/ld.so.cache"); err == nil {
			if caches, err := parseCache(data); err == nil {
				s.caches = caches
			}
		}
	}
	return s.caches[name]
}

// maxCache bounds what is read of a cache, in bytes.
const maxCache = 64 << 20

func readCache(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxCache))
}

// The two formats of a cache. An old one may be followed by a new one, which counts.
// https://sourceware.org/git/?p=glibc.git;a=blob;f=sysdeps/generic/dl-cache.h
const (
	oldMagic      = "ld.so-1.7.0"
	oldHeader     = 16 // magic, padded, and the number of entries
	oldEntry      = 12 // flags, name, path
	newMagic      = "glibc-ld.so.cache1.1"
	newHeader     = 48
	newEntry      = 24 // flags, name, path, OS version, hwcap
	newEntryHwcap = 16
)

var errCache = errors.New("corrupt ld.so.cache")

// parseCache reads a cache in either format: the paths of each library.
func parseCache(data []byte) (map[string][]string, error) {
	if bytes.HasPrefix(data, []byte(newMagic)) {
		return parseNew(data)
	}
	if !bytes.HasPrefix(data, []byte(oldMagic)) || len(data) < oldHeader {
		return nil, errCache
	}
	count := int64(binary.LittleEndian.Uint32(data[oldHeader-4:]))
	end := oldHeader + count*oldEntry
	if end > int64(len(data)) {
		return nil, errCache
	}
	const alignment = 8
	if next := (end + alignment - 1) &^ (alignment - 1); next < int64(len(data)) && bytes.HasPrefix(data[next:], []byte(newMagic)) {
		return parseNew(data[next:])
	}
	return entriesOf(data[oldHeader:end], oldEntry, data[end:])
}

// parseNew reads a cache in the newer format.
func parseNew(data []byte) (map[string][]string, error) {
	if len(data) < newHeader {
		return nil, errCache
	}
	count := int64(binary.LittleEndian.Uint32(data[len(newMagic):]))
	end := newHeader + count*newEntry
	if end > int64(len(data)) {
		return nil, errCache
	}
	return entriesOf(data[newHeader:end], newEntry, data)
}

// entriesOf reads entries of a size, whose names are in text. Those that are only for a
// CPU with certain features are left out.
func entriesOf(entries []byte, size int, text []byte) (map[string][]string, error) {
	all := map[string][]string{}
	for ; len(entries) > 0; entries = entries[size:] {
		if size == newEntry && binary.LittleEndian.Uint64(entries[newEntryHwcap:]) != 0 {
			continue
		}
		name, ok := textAt(text, binary.LittleEndian.Uint32(entries[4:]))
		path, pathOK := textAt(text, binary.LittleEndian.Uint32(entries[8:]))
		if !ok || !pathOK || !filepath.IsAbs(path) {
			return nil, errCache
		}
		all[name] = append(all[name], path)
	}
	return all, nil
}

// textAt returns the string at an offset.
func textAt(data []byte, offset uint32) (string, bool) {
	if int64(offset) >= int64(len(data)) {
		return "", false
	}
	data = data[offset:]
	text, _, ended := bytes.Cut(data[:min(len(data), maxPath)], []byte{0})
	return string(text), ended
}
