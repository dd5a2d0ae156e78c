// SPDX-License-Identifier: MIT

package wire

// SymbolFiles answer [Symbols].
type SymbolFiles struct {
	// Kallsyms are the lines of functions of /proc/kallsyms, compressed by gzip.
	Kallsyms []byte `json:"kallsyms"`
	// Modules is /proc/modules.
	Modules []byte `json:"modules"`
}
