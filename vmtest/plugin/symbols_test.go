// SPDX-License-Identifier: MIT

package plugin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// names are the functions at addresses: the last that begins there or before.
func (s *Symbols) names() []string {
	var all []string
	for _, symbol := range s.all {
		name := symbol.name
		if symbol.gap {
			name = "-"
		}
		all = append(all, name)
	}
	return all
}

func TestParseSymbols(t *testing.T) {
	for _, c := range []struct {
		name, kallsyms, modules string
		want                    []string
	}{
		{"nothing", "", "", nil},
		{"names of one address", "ffffffff81000000 t __se_sys_x\nffffffff81000000 T x\nffffffff81000000 T x_text_start\n", "", []string{"x"}},
		{"data", "ffffffff81000000 D jiffies\nffffffff81000010 t f\n", "", []string{"f"}},
		{"what is freed after the boot", "ffffffff81000000 T f\nffffffff82000000 T _etext\nffffffff83000000 t handshake_exit\n", "", []string{"f", "-"}},
		{"BPF programs come and go", "ffffffffc0000000 t bpf_prog_1_x\t[bpf]\nffffffffc0000100 t k\t[__builtin__kprobes]\n", "", nil},
		{
			"a module, with its end", "ffffffffc0000000 t f\t[fuse]\nffffffff81000000 T g\n", "fuse 4096 1 - Live 0xffffffffc0000000\nhidden 4096 0 - Live 0x0000000000000000\nshort\n",
			[]string{"g", "f [fuse]", "-"},
		},
		{"hidden", "0000000000000000 T f\n", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := ParseSymbols(strings.NewReader(c.kallsyms), strings.NewReader(c.modules))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, s.names()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := ParseSymbols(strings.NewReader("address T f\n"), strings.NewReader("")); err == nil {
		t.Error("an address that is no number is taken")
	}
}

func TestMissing(t *testing.T) {
	s, err := ParseSymbols(strings.NewReader("ffffffff81000000 t __schedule\nffffffff81000010 t sched_clock_cpu\nffffffff81000020 t update_rq_clock.part.0\n"), strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"task_sched_runtime", "__switch_to"}, s.Missing()); diff != "" {
		t.Error(diff)
	}
	if got := len((&Symbols{}).Missing()); got != len(needed) {
		t.Errorf("without symbols %d are missing, want %d", got, len(needed))
	}
}

func FuzzParseSymbols(f *testing.F) {
	f.Add("ffffffff81000000 T f\t[m]\n", "m 1 1 - Live 0xffffffff81000000\n")
	f.Fuzz(func(t *testing.T, kallsyms, modules string) {
		s, err := ParseSymbols(strings.NewReader(kallsyms), strings.NewReader(modules))
		if err != nil {
			return
		}
		for i := 1; i < len(s.all); i++ {
			if s.all[i-1].address >= s.all[i].address {
				t.Fatalf("%v before %v", s.all[i-1], s.all[i])
			}
		}
	})
}
