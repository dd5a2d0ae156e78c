// SPDX-License-Identifier: MIT

package kernel

import (
	"cmp"
	"path/filepath"
)

// Means reports whether a name or a pattern means the kernel that was called name and came
// from source, which may be empty. A name without a source means a kernel of any source.
// Whether a pattern means a kernel is decided by its version alone, and not by what else a
// source has: so latest means any.
func Means(text, name, source string) bool {
	if text == name {
		return true
	}
	want, err := parseQuery(text)
	if err != nil || !isVersions(want.pattern) || want.isLocal() {
		return filepath.Base(text) == name // a path that need not be here
	}
	have, err := parseQuery(name)
	if err != nil || !isVersions(have.pattern) {
		return false
	}
	if want.source != "" && want.source != cmp.Or(have.source, source) {
		return false
	}
	return want.flavour == have.flavour && want.arch == have.arch && matches(want.pattern, have.pattern)
}
