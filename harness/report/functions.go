// SPDX-License-Identifier: MIT

package report

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/vocab"
)

// FunctionCosts is where the instructions of an event go with one transport on one kernel,
// for others to reproduce.
type FunctionCosts struct {
	Kernel    string          `json:"kernel"`
	Release   string          `json:"release"`
	SHA256    string          `json:"sha256"` // of the kernel's image
	Transport vocab.Transport `json:"transport"`
	// Program and Reader are instructions of an event, by function, to a tenth. Functions
	// of less are missing, so that the figures may add up to a little less than the total.
	Program      map[string]float64 `json:"program"`
	ProgramTotal float64            `json:"program_total"`
	Reader       map[string]float64 `json:"reader"`
	ReaderTotal  float64            `json:"reader_total"`
}

// FunctionCostsOf are those of all profiles, in the order of versions and of the transports.
// It returns an error if a transport has several on a kernel.
func FunctionCostsOf(trials []record.Trial) ([]FunctionCosts, error) {
	var all []FunctionCosts
	sides := profile.Sides(trials)
	type key struct {
		kernel    string
		transport vocab.Transport
	}
	firsts := map[key]*profile.Side{}
	for i := range sides {
		s := &sides[i]
		k := key{s.Kernel, s.Cell.Transport}
		if first := firsts[k]; first != nil {
			return nil, fmt.Errorf("functions: there are two profiles of %s on %s, %s:%s and %s:%s: give results of one, as of plan costs",
				k.transport, k.kernel, first.Scenario, first.Name(), s.Scenario, s.Name())
		}
		firsts[k] = s
		c := FunctionCosts{Kernel: s.Kernel, Release: s.Release, SHA256: s.SHA256, Transport: s.Cell.Transport}
		for _, part := range profile.Parts() {
			functions := map[string]float64{}
			for name, counts := range profile.Functions(s.Profile, part) {
				if n := tenth(counts[record.Instructions]); n != 0 {
					functions[name] = n
				}
			}
			total := tenth(profile.Total(s.Profile, part)[record.Instructions])
			if part.Name == profile.Parts()[0].Name {
				c.Program, c.ProgramTotal = functions, total
			} else {
				c.Reader, c.ReaderTotal = functions, total
			}
		}
		all = append(all, c)
	}
	order := vocab.Transports()
	slices.SortStableFunc(all, func(a, b FunctionCosts) int {
		return cmp.Or(slices.Compare(profile.Version(a.Release), profile.Version(b.Release)), cmp.Compare(a.Kernel, b.Kernel),
			cmp.Compare(slices.Index(order, a.Transport), slices.Index(order, b.Transport)))
	})
	return all, nil
}

func tenth(x float64) float64 { return math.Round(10*x) / 10 }

// WriteLines writes a line of JSON for each.
func WriteLines[T any](w io.Writer, all []T) error {
	out := json.NewEncoder(w)
	for _, one := range all {
		if err := out.Encode(one); err != nil {
			return err
		}
	}
	return nil
}

// ReadLines reads what [WriteLines] wrote.
func ReadLines[T any](text []byte) ([]T, error) {
	var all []T
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var one T
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("read line of JSON: %w", err)
		}
		all = append(all, one)
	}
	return all, nil
}

// FunctionTables are the tables of the program for each transport, functions over
// kernels, in Markdown. A function has a row if it takes at least an instruction of an
// event on some kernel.
func FunctionTables(all []FunctionCosts) string {
	var b strings.Builder
	var kernels []string
	for _, c := range all {
		if !slices.Contains(kernels, c.Kernel) {
			kernels = append(kernels, c.Kernel)
		}
	}
	for _, transport := range vocab.Transports() {
		costs := map[string]*FunctionCosts{}
		most := map[string]float64{}
		for i := range all {
			c := &all[i]
			if c.Transport != transport {
				continue
			}
			costs[c.Kernel] = c
			for name, n := range c.Program {
				most[name] = max(most[name], math.Abs(n))
			}
		}
		if len(costs) == 0 {
			continue
		}
		maps.DeleteFunc(most, func(_ string, n float64) bool { return n < 1 })
		names := slices.SortedFunc(maps.Keys(most), func(x, y string) int {
			return cmp.Or(cmp.Compare(most[y], most[x]), cmp.Compare(x, y))
		})
		fmt.Fprintf(&b, "### %s\n\n| function | %s |\n|---|%s\n", transport.Spec().Title, strings.Join(kernels, " | "), strings.Repeat("---:|", len(kernels)))
		row := func(name string, of func(*FunctionCosts) float64) {
			fmt.Fprintf(&b, "| %s |", name)
			for _, kernel := range kernels {
				text := ""
				if c := costs[kernel]; c != nil {
					if n := of(c); n != 0 {
						text = fmt.Sprintf("%.1f", n)
					}
				}
				fmt.Fprintf(&b, " %s |", text)
			}
			b.WriteByte('\n')
		}
		for _, name := range names {
			row("`"+name+"`", func(c *FunctionCosts) float64 { return c.Program[name] })
		}
		row("others", func(c *FunctionCosts) float64 {
			rest := c.ProgramTotal
			for _, name := range names {
				rest -= c.Program[name]
			}
			return tenth(rest)
		})
		row("**all**", func(c *FunctionCosts) float64 { return c.ProgramTotal })
		row("reader: user space", func(c *FunctionCosts) float64 { return c.Reader["[user space]"] })
		row("reader: kernel", func(c *FunctionCosts) float64 { return tenth(c.ReaderTotal - c.Reader["[user space]"]) })
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}
