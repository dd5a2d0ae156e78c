// SPDX-License-Identifier: MIT

package record

import (
	"bytes"
	"strings"
	"testing"
)

// TestProfileCheck: a record whose profile cannot be used is not read, as any that is
// broken.
func TestProfileCheck(t *testing.T) {
	part := func(per int64, frames ...int) *Profile {
		return &Profile{Functions: []string{"a"}, Reader: Part{Per: per, Stacks: []Stack{{Frames: frames}}}}
	}
	for _, test := range []struct {
		name, want string
		profile    *Profile
	}{
		{"good", "", part(1, 0, 0)},
		{"no events", "", part(0, 0)},
		{"negative events", "-1 events", part(-1, 0)},
		{"no frame", "stack 0 is empty", part(1)},
		{"beyond", "function 1 of 1", part(1, 0, 1)},
		{"below", "function -1 of 1", part(1, -1)},
	} {
		var file bytes.Buffer
		if err := Write(&file, &Trial{Schema: Schema, ID: "x", Status: Invalid, Profile: test.profile}); err != nil {
			t.Fatal(err)
		}
		trials, err := Read(&file)
		switch {
		case test.want == "" && (err != nil || len(trials) != 1):
			t.Errorf("%s: %d trials, %v", test.name, len(trials), err)
		case test.want != "" && (err == nil || len(trials) != 0 || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %d trials, %v, want %q", test.name, len(trials), err, test.want)
		}
	}
}
