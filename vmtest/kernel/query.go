// SPDX-License-Identifier: MIT

package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// ErrNotNamed is returned for text that is not the name of a kernel.
var ErrNotNamed = errors.New("not a kernel")

// The sources of kernels that are on this machine only.
const (
	sourceFile = "file"
	sourceTree = "tree"
	sourceHost = "host"
)

// query is a parsed name of kernels.
type query struct {
	text    string // as it was given
	source  string // or "": any that has versions
	pattern string // of versions, see [expand]; or the path, or the image's name in a registry
	flavour string // or "": the source's own
	arch    string // as Go calls it
}

var (
	bareVersion = regexp.MustCompile(`^\d+\.\d+(\.\d+)?$`)
	// Flavours are words of letters: 6.1+rt. Versions of distributions have a
	// plus too, but digits after it: 6.12.9+deb13.
	suffix = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
)

// arches are those that sources have kernels of.
var arches = []string{"amd64", "arm64"}

const wanted = "want a version like 6.1, 6.1.192 or 6.1+rt, a pattern like 6.*, 5.10..6.12, all, latest or lts, " +
	"mainline:6.5, oci:IMAGE, host, or the path of an image or of a built kernel tree"

// parseQuery reads the name of one or of several kernels. The error wraps
// [ErrNotNamed].
func parseQuery(text string) (query, error) {
	q := query{text: text, arch: runtime.GOARCH}
	if text == sourceHost {
		q.source = sourceHost
		return q, nil
	}
	rest := text
	if source, after, ok := strings.Cut(text, ":"); ok && sourceNamed(source).open != nil {
		q.source, rest = source, after
	}
	if words := strings.Split(rest, "+"); isVersions(words[0]) {
		q.pattern = words[0]
		if m := interval.FindStringSubmatch(q.pattern); m != nil {
			from, _ := parseVersion(m[1])
			if to, _ := parseVersion(m[2]); from.Compare(to) > 0 {
				return q, fmt.Errorf("%w: %q: %s is newer than %s: want %s..%s", ErrNotNamed, text, m[1], m[2], m[2], m[1])
			}
		}
		for _, word := range words[1:] {
			switch {
			case slices.Contains(arches, word):
				q.arch = word
			case suffix.MatchString(word) && q.flavour == "":
				q.flavour = word
			default:
				return q, fmt.Errorf("%w: %q: %q is neither a flavour (cloud, rt, generic) nor an architecture (%s)",
					ErrNotNamed, text, word, strings.Join(arches, ", "))
			}
		}
		return q, nil
	}
	switch {
	case q.source == "":
		return localQuery(q)
	case sourceNamed(q.source).namesImages:
		q.pattern = rest
		return q, nil
	}
	return q, fmt.Errorf("%w: %q: %s has versions like 6.1, and patterns of them", ErrNotNamed, text, q.source)
}

func localQuery(q query) (query, error) {
	info, err := os.Stat(q.text)
	switch {
	case err == nil && info.Mode().IsRegular():
		q.source, q.pattern = sourceFile, q.text
		return q, nil
	case err == nil && info.IsDir():
		q.source, q.pattern = sourceTree, q.text
		return q, nil
	case err == nil:
		return q, fmt.Errorf("%w: %s is neither a file nor a directory", ErrNotNamed, q.text)
	case strings.ContainsRune(q.text, filepath.Separator):
		return q, fmt.Errorf("%w: %w", ErrNotNamed, err)
	}
	return q, fmt.Errorf("%w: %q: %s", ErrNotNamed, q.text, wanted)
}

func isVersions(text string) bool { return bareVersion.MatchString(text) || isPattern(text) }

// isLocal reports whether the kernel is already on this machine, and is not cached.
func (q query) isLocal() bool {
	return slices.Contains([]string{sourceFile, sourceTree, sourceHost}, q.source)
}

// localName is the name of a local kernel.
func (q query) localName() string {
	if path, err := filepath.Abs(q.pattern); err == nil && q.source != sourceHost {
		return filepath.Base(path)
	}
	return q.text
}

// named is the name of a version that the query means.
func (q query) named(version string) string {
	name := version
	if q.source != "" {
		name = q.source + ":" + name
	}
	if q.flavour != "" {
		name += "+" + q.flavour
	}
	if q.arch != runtime.GOARCH {
		name += "+" + q.arch
	}
	return name
}
