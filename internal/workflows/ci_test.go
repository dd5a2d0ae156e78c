// SPDX-License-Identifier: MIT

package workflows

import (
	"testing"

	"github.com/ringtwin/ringtwin/internal/testkernels"
)

// short is a measurement that takes seconds in an emulated VM.
const short = "--plan gate --clock virtual --set events=2000"

// TestCI runs the workflow of this repository on two kernels, one of them by its source.
func TestCI(t *testing.T) {
	names := needs(t)
	l := run{workflow: "ci.yml", event: "workflow_dispatch", inputs: map[string]string{
		"kernels": "apt:" + names[testkernels.Usual] + " " + names[testkernels.Oldest],
		"vmtest":  short,
		"facts":   "--only wedge",
	}}.execute(t)
	t.Log(l.jobs)
}
