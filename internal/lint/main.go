// SPDX-License-Identifier: MIT

// Command lint has checks that go vet and staticcheck lack: it runs as go vet -vettool,
// which skips what has not changed.
package main

import (
	"github.com/polyfloyd/go-errorlint/errorlint"
	"golang.org/x/tools/go/analysis/passes/nilness"
	"golang.org/x/tools/go/analysis/passes/reflectvaluecompare"
	"golang.org/x/tools/go/analysis/passes/unusedwrite"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	unitchecker.Main(
		errorlint.NewAnalyzer(), // errors are compared with errors.Is, cast with errors.As, wrapped with %w
		nilness.Analyzer,        // what is nil on a path is used there, or compared once more
		reflectvaluecompare.Analyzer,
		unusedwrite.Analyzer, // to a field of a copy that nobody reads
	)
}
