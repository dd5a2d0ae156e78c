// SPDX-License-Identifier: MIT

package trace

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes what [Text] does, as tables.
func Markdown(w io.Writer, kernels []Kernel, probes bool) error {
	var b strings.Builder
	for i := range kernels {
		k := &kernels[i]
		c := &k.Traces[0]
		if i > 0 {
			b.WriteString("\n")
		}
		a, z := c.Sequences[0], c.Sequences[1]
		fmt.Fprintf(&b, "## %s\n\n| | %s | %s |\n| --- | --- | --- |\n", c.title(), a.Transport, z.Transport)
		for n, row := range align(a.shown(probes), z.shown(probes)) {
			fmt.Fprintf(&b, "| %d | %s | %s |\n", n+1, code(row[0].cell()), code(row[1].cell()))
		}
		fmt.Fprintf(&b, "\n%s\n\n", k.summary())
		for n, row := range k.growthRows() {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
			if n == 0 {
				b.WriteString("|" + strings.Repeat(" --- |", len(row)) + "\n")
			}
		}
		if !probes {
			fmt.Fprintf(&b, "\n%s\n", probesNote)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// code is a text as it stands, in a cell of a table.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`` " + strings.ReplaceAll(text, "|", `\|`) + " ``"
}
