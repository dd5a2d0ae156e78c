// SPDX-License-Identifier: MIT

package kernel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Listed is a line of the list.
type Listed struct {
	Ref
	Cached bool `json:"cached"`
}

// WriteList writes the list, as a table or as JSON, one object a line.
func WriteList(w io.Writer, lines []Listed, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		for _, line := range lines {
			if err := out.Encode(line); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "version\tflavour\tsource\tpackage\tcached")
	for _, line := range lines {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", line.Kernel, cmp.Or(line.Flavour, "-"), line.Source, line.Package, yesNo(line.Cached))
	}
	return table.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Listed returns the kernels that the words mean, each once, or without words all of a
// source. problems are the reasons why some could not be listed.
func (r Resolver) Listed(ctx context.Context, words []string, arch, source string) (lines []Listed, problems []error, err error) {
	var refs []Ref
	if len(words) == 0 {
		refs, problems = r.List(ctx, arch, source)
	}
	for _, want := range words {
		found, err := r.Resolve(ctx, want)
		if err != nil {
			return nil, nil, err
		}
		for _, ref := range found {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	for _, ref := range refs {
		_, cached := r.Cache.Has(ref)
		lines = append(lines, Listed{ref, cached})
	}
	if len(lines) == 0 {
		err = errors.New("no kernels")
	}
	return lines, problems, err
}
