// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/ringtwin/ringtwin"
	"github.com/ringtwin/ringtwin/vmtest"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// doctorCmd says what this machine can do.
type doctorCmd struct {
	JSON bool `name:"json" help:"Write JSON."`
	qemuFlag
}

// Run looks at every part. The exit code is 3 if the main job cannot run.
func (d *doctorCmd) Run(e *env) error {
	findings, err := ringtwin.Doctor(e.ctx, vmtest.Config{QEMU: d.QEMU, Places: kernel.PlacesFromEnvironment()})
	if err != nil {
		return err
	}
	if err := d.show(e.stdout, findings); err != nil {
		return err
	}
	for _, f := range findings {
		if f.Needed && !f.OK {
			return exitError(exitInfra)
		}
	}
	return nil
}

func (d *doctorCmd) show(w io.Writer, findings []ringtwin.Finding) error {
	if d.JSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(findings)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		state := "yes"
		if !f.OK {
			state = "no"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Part, state, f.Found)
		if f.Advice != "" {
			fmt.Fprintf(t, "\t\t-> %s\n", f.Advice)
		}
	}
	return t.Flush()
}
