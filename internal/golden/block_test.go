// SPDX-License-Identifier: MIT

package golden

import "testing"

func TestFindBlock(t *testing.T) {
	const page = "a\n<!-- generated: one -->\nx\ny\n<!-- end -->\nb\n<!-- generated: two -->\n<!-- end -->\n<!-- generated: open -->\n"
	for name, want := range map[string]string{"one": "x\ny\n", "two": ""} {
		start, end, ok := findBlock(page, name)
		if !ok || page[start:end] != want {
			t.Errorf("%s: %d to %d, %t", name, start, end, ok)
		}
	}
	for _, name := range []string{"open", "none", "on"} {
		if _, _, ok := findBlock(page, name); ok {
			t.Errorf("%s: found", name)
		}
	}
	if names := BlockNames(page); len(names) != 3 || names[1] != "two" {
		t.Errorf("%q", names)
	}
}
