// SPDX-License-Identifier: MIT

package results

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Write prints the shard's share: a line a unit, the kernels that cannot be resolved, and
// the sums.
func (w *Work) Write(out io.Writer) error {
	units := w.Units()
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(units) > 0 {
		fmt.Fprint(t, "kernel\tconfiguration\tsides\tvalues\ttrials\n")
	}
	twice := 0
	for _, u := range units {
		fmt.Fprintf(t, "%s\t%s\t%s : %s\t%s\t%d\n", u.Kernel, u.name(), u.A, u.B, cmp.Or(strings.Join(u.Values, " "), "-"), u.Trials)
		if u.Shows == "" {
			twice++
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	for _, k := range w.kernels() {
		if k.Reason != "" {
			fmt.Fprintf(&b, "%s cannot be measured: %s\n", k.Name, k.Reason)
		}
	}
	if twice > 0 && w.Clock == "auto" {
		b.WriteString("Where VMs are emulated, a configuration without a purpose is measured twice: counts by the wall clock, costs in virtual time.\n")
	}
	fmt.Fprintf(&b, "plan %s, shard %s: %d of %d units, %d of %d trials\n", w.Plan, w.Shard, len(units), len(w.All()), Trials(units), Trials(w.All()))
	_, err := io.WriteString(out, b.String())
	return err
}

// name is the number of the configuration, and its scenario.
func (c *WorkConfiguration) name() string {
	if c.Scenario == "" {
		return fmt.Sprint(c.Number)
	}
	return fmt.Sprintf("%d %s", c.Number, c.Scenario)
}

// kernels are those of the shard.
func (w *Work) kernels() []WorkKernel {
	return slices.DeleteFunc(slices.Clone(w.Kernels), func(k WorkKernel) bool { return !w.Has(k.Name) })
}

// WriteJSON prints the shard's share, and what it is a share of, as one object.
func (w *Work) WriteJSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	units := w.Units()
	return encoder.Encode(struct {
		Plan    string       `json:"plan"`
		SHA256  string       `json:"plan_sha256"`
		Clock   string       `json:"clock"`
		Shard   string       `json:"shard"`
		Kernels []WorkKernel `json:"kernels"`
		Units   []Unit       `json:"units"`
		Trials  int          `json:"trials"`
		Of      int          `json:"trials_of_all_shards"`
	}{w.Plan, w.PlanSHA256, w.Clock, w.Shard.String(), w.kernels(), units, Trials(units), Trials(w.All())})
}

// leg is a kernel in the matrix of a CI system. File is safe as the name of a file, and of
// an artifact.
type leg struct {
	Kernel string `json:"kernel"`
	File   string `json:"file"`
}

// WriteMatrix prints the kernels of the shard in one line of JSON. A kernel that cannot be
// resolved is among them: its leg says why.
func (w *Work) WriteMatrix(out io.Writer) error {
	legs := []leg{}
	for _, k := range w.kernels() {
		legs = append(legs, leg{k.Name, FileName(k.Name)})
	}
	return json.NewEncoder(out).Encode(legs)
}
