// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ringtwin/ringtwin/harness/profile"
	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/golden"
)

// folded is a profile of stacks in the form that flamegraph.pl reads, with instructions,
// loads and stores of 100 events. An empty line is between program and reader.
func folded(tb testing.TB, text string) *record.Profile {
	tb.Helper()
	p := &record.Profile{Plugin: "0123456789abcdef", Program: record.Part{Per: 100}, Reader: record.Part{Per: 100}}
	index := map[string]int{}
	part := &p.Program
	for line := range strings.Lines(strings.TrimSpace(text)) {
		if line == "\n" {
			part = &p.Reader
			continue
		}
		fields := strings.Fields(line)
		stack, counts := strings.Join(fields[:len(fields)-3], " "), strings.Join(fields[len(fields)-3:], " ")
		var s record.Stack
		for name := range strings.SplitSeq(stack, ";") {
			if _, ok := index[name]; !ok {
				index[name] = len(p.Functions)
				p.Functions = append(p.Functions, name)
			}
			s.Frames = append(s.Frames, index[name])
		}
		if _, err := fmt.Sscan(counts, &s.Counts[record.Instructions], &s.Counts[record.Loads], &s.Counts[record.Stores]); err != nil {
			tb.Fatalf("%q: %v", line, err)
		}
		part.Stacks = append(part.Stacks, s)
	}
	return p
}

const perfStacks = `
do_syscall_64;__x64_sys_getpgid;find_task_by_vpid -12 0 0
do_syscall_64;syscall_trace_enter;trace_call_bpf 2931 801 300
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep 4400 1200 1500
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_perf_event_output_tp 3100 900 700
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_perf_event_output_tp;bpf_perf_event_output 5210 1500 900
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_perf_event_output_tp;bpf_perf_event_output;perf_event_output 6020 1900 1200
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_perf_event_output_tp;bpf_perf_event_output;perf_event_output;perf_output_begin_forward 9177 2500 1000
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_perf_event_output_tp;bpf_perf_event_output;perf_event_output;perf_output_sample 7001 1800 1400
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_perf_event_output_tp;bpf_perf_event_output;perf_event_output;perf_output_sample;perf_output_copy 4203 900 800
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_perf_event_output_tp;bpf_perf_event_output;perf_event_output;perf_output_end 3500 700 400
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_perf_event_output_tp;bpf_perf_event_output;perf_event_output;perf_prepare_sample 2800 500 600
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_get_smp_processor_id 40 1 0
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_ktime_get_ns 1210 300 100
do_syscall_64;syscall_trace_enter;trace_call_bpf;migrate_disable 905 200 100
do_syscall_64;syscall_trace_enter;trace_call_bpf;migrate_enable 905 200 100

entry_SYSCALL_64;do_syscall_64;__x64_sys_epoll_wait;ep_poll 21133 5000 3100
entry_SYSCALL_64;do_syscall_64;__x64_sys_epoll_wait;ep_poll;schedule 9000 2000 2000
[user space] 14020 5100 2090
[user space];asm_sysvec_irq_work 31 9 9
`

const ringbufStacks = `
do_syscall_64;__x64_sys_getpgid;find_task_by_vpid -3 0 0
do_syscall_64;syscall_trace_enter;trace_call_bpf 2928 801 300
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep 3605 1000 1400
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_ringbuf_reserve 900 300 200
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_ringbuf_reserve;__bpf_ringbuf_reserve 7112 2000 1300
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_ringbuf_reserve;__bpf_ringbuf_reserve;_raw_spin_lock_irqsave 2209 500 300
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_ringbuf_submit 4100 1100 500
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_ringbuf_submit;irq_work_queue 31 5 5
do_syscall_64;syscall_trace_enter;trace_call_bpf;bpf_prog_storm_tracep;bpf_ktime_get_ns 1210 300 100
do_syscall_64;syscall_trace_enter;trace_call_bpf;migrate_disable 905 200 100
do_syscall_64;syscall_trace_enter;trace_call_bpf;migrate_enable 905 200 100

entry_SYSCALL_64;do_syscall_64;__x64_sys_epoll_wait;ep_poll 11133 2500 1600
entry_SYSCALL_64;do_syscall_64;__x64_sys_epoll_wait;ep_poll;schedule 9400 2100 2050
[user space] 8020 3100 1090
[user space];asm_sysvec_irq_work 31 9 9
`

// profileTrials are two blocks in virtual time with these profiles.
func profileTrials(t *testing.T, a, b *record.Profile) []record.Trial {
	t.Helper()
	all := many(t, 1, 2)
	for i := range all {
		all[i].Machine.Accel, all[i].Machine.Clock = "tcg", record.Virtual
		all[i].Profile = []*record.Profile{a, b}[i%2]
	}
	return all
}

// profilesOf is the part of a page with the profiles.
func profilesOf(t *testing.T, page string) string {
	t.Helper()
	_, text, ok := strings.Cut(page, `<h2 id="profiles">`)
	if !ok {
		t.Fatal("the page has no profiles")
	}
	text, _, _ = strings.Cut(text, "<h2")
	return text
}

func TestProfilesGolden(t *testing.T) {
	a, b := folded(t, perfStacks), folded(t, ringbufStacks)
	page := page1(t, profileTrials(t, a, b))
	golden.Check(t, filepath.Join("testdata", "profiles.html"), profilesOf(t, page))
	if !strings.Contains(page, ".flame {") {
		t.Error("no style of the graphs")
	}
	golden.Check(t, filepath.Join("testdata", "profiles.txt"), render(t, func(w io.Writer) error { return ProfileText(w, "perf", "ringbuf", a, b) }))
}

// TestNoProfiles: a page without profiles has nothing of them, nor has one of wall time,
// of one side or of trials that are not ok.
func TestNoProfiles(t *testing.T) {
	a, b := folded(t, perfStacks), folded(t, ringbufStacks)
	for _, test := range []struct {
		name   string
		change func(*record.Trial)
	}{
		{"none", func(t *record.Trial) { t.Profile = nil }},
		{"wall time", func(t *record.Trial) { t.Machine.Clock = record.Wall }},
		{"one side", func(t *record.Trial) {
			if t.Trial.Side == "B" {
				t.Profile = nil
			}
		}},
		{"invalid", func(t *record.Trial) { t.Status = record.Invalid }},
	} {
		all := profileTrials(t, a, b)
		for i := range all {
			test.change(&all[i])
		}
		if page := page1(t, all); strings.Contains(page, `id="profiles"`) || strings.Contains(page, "flame") {
			t.Errorf("%s: there are profiles", test.name)
		}
	}
}

// TestChangesSum: every printed column sums to its last row.
func TestChangesSum(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		a, b := randomProfile(random), randomProfile(random)
		for _, part := range profile.Parts() {
			rows := changes(a, b, part).Rows
			for column := 1; column <= 3; column++ {
				sum := 0
				for _, row := range rows[:len(rows)-1] {
					sum += parseTenths(t, row[column])
				}
				if want := parseTenths(t, rows[len(rows)-1][column]); sum != want {
					t.Fatalf("column %d sums to %d, printed %d: %v", column, sum, want, rows)
				}
			}
			for _, row := range rows {
				if x, y, d := parseTenths(t, row[1]), parseTenths(t, row[2]), parseTenths(t, row[3]); y-x != d {
					t.Fatalf("%v: B-A is %d", row, y-x)
				}
			}
		}
	}
}

func parseTenths(t *testing.T, text string) int {
	t.Helper()
	whole, digit, ok := strings.Cut(text, ".")
	n, err := strconv.Atoi(whole + digit)
	if !ok || len(digit) != 1 || err != nil {
		t.Fatalf("%q has not one decimal", text)
	}
	return n
}

func TestTenthsText(t *testing.T) {
	for _, test := range []struct {
		n    int64
		sign bool
		want string
	}{{0, true, "0.0"}, {4, false, "0.4"}, {-4, true, "-0.4"}, {-10, false, "-1.0"}, {12345, true, "+1234.5"}} {
		if got := tenthsText(test.n, test.sign); got != test.want {
			t.Errorf("%d is %q, want %q", test.n, got, test.want)
		}
	}
}

func randomProfile(random *rand.Rand) *record.Profile {
	p := &record.Profile{Program: record.Part{Per: 1 + random.Int64N(40)}, Reader: record.Part{Per: 1 + random.Int64N(40)}}
	for i := range 1 + random.IntN(25) {
		p.Functions = append(p.Functions, fmt.Sprintf("function_%d", i))
	}
	for _, part := range []*record.Part{&p.Program, &p.Reader} {
		for range random.IntN(60) {
			var s record.Stack
			s.Counts[record.Instructions] = random.Int64N(3000) - 600
			for range 1 + random.IntN(9) {
				s.Frames = append(s.Frames, random.IntN(min(4, len(p.Functions))+random.IntN(len(p.Functions)))%len(p.Functions))
			}
			part.Stacks = append(part.Stacks, s)
		}
	}
	return p
}

// TestFlameNests: whatever the counts, each frame lies within a frame of the row above,
// and no two of a row overlap.
func TestFlameNests(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	drawn := 0
	for range 500 {
		a, b := randomProfile(random), randomProfile(random)
		part := profile.Parts()[random.IntN(2)]
		before, root := profile.Tree(a, part), profile.Tree(b, part)
		total := root.Inclusive[record.Instructions]
		for _, graph := range []flame{flameOf(root, nil, "all", 1.7*max(total, 1)), flameOf(root, before, "all", total)} {
			rows := map[int][]flameFrame{}
			for _, frame := range graph.Frames {
				drawn++
				if frame.left < 0 || frame.right > flameUnits || frame.right-frame.left < leastFrame {
					t.Fatalf("frame from %d to %d", frame.left, frame.right)
				}
				for _, other := range rows[frame.depth] {
					if frame.left < other.right && other.left < frame.right {
						t.Fatalf("%q and %q overlap", frame.Title, other.Title)
					}
				}
				rows[frame.depth] = append(rows[frame.depth], frame)
				above := 0
				for _, caller := range rows[frame.depth-1] {
					if caller.left <= frame.left && frame.right <= caller.right {
						above++
					}
				}
				if frame.depth > 0 && above != 1 {
					t.Fatalf("%q lies within %d frames", frame.Title, above)
				}
			}
		}
	}
	if drawn < 5000 {
		t.Errorf("only %d frames", drawn)
	}
}

// TestFlameChange: colours and signs show what grew and what shrank; frames that are too
// narrow are merged.
func TestFlameChange(t *testing.T) {
	stacks := "f;same 1000 0 0\nf;grew 100 0 0\nf;shrank 900 0 0\nf;gone 300 0 0"
	for i := range 50 {
		stacks += fmt.Sprintf("\nf;narrow%d 2 0 0", i)
	}
	part := profile.Parts()[0]
	before := profile.Tree(folded(t, stacks), part)
	root := profile.Tree(folded(t, strings.NewReplacer("grew 100", "grew 800", "shrank 900", "shrank 850", "gone 300", "new 60").Replace(stacks)), part)
	got := map[string]string{}
	for _, frame := range flameOf(root, before, "program", root.Inclusive[record.Instructions]).Frames {
		name, _, _ := strings.Cut(frame.Title, "\n")
		name, _, _ = strings.Cut(name, ":")
		got[name] = frame.Class + " " + frame.Text
	}
	for name, want := range map[string]string{
		"program": "u2 + program", "f": "u2 + f", "same": "z same", "grew": "u2 + grew", "shrank": "d1 − shrank", "50 narrow functions": "z t 50 narrow functions",
		"new": "u1 ", "narrow1": "", "gone": "",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// TestHostileNames: names of functions have no effect on a page or a terminal, however
// long they are.
func TestHostileNames(t *testing.T) {
	long := strings.Repeat("ünterminated_", 500)
	hostile := []string{`<script>alert(1)</script>`, `"></i><img src=x>`, "", " ", long, "a\nb\tc", "\x1b[31mred", "\xff\xfe", `" onclick="x`, "url(javascript:x)", "…"}
	p := &record.Profile{Functions: hostile}
	for i := range hostile {
		s := record.Stack{Frames: []int{i, (i + 1) % len(hostile)}}
		s.Counts[record.Instructions] = int64(1000 + 10*i)
		p.Program.Stacks, p.Reader.Stacks = append(p.Program.Stacks, s), append(p.Reader.Stacks, s)
	}
	p.Program.Per, p.Reader.Per = 7, 9
	text := profilesOf(t, page1(t, profileTrials(t, p, p)))
	for _, bad := range []string{"<script", "<img", `" onclick`, "ZgotmplZ", "\x1b", "\ufffd[31m"} {
		if strings.Contains(text, bad) {
			t.Errorf("there is %q", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;alert(1)", "[no name]"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	terminal := render(t, func(w io.Writer) error {
		return ProfileText(w, long, "\x1b[2J", p, &record.Profile{Functions: hostile, Program: p.Program, Reader: record.Part{Per: 1, Stacks: p.Reader.Stacks}})
	})
	for line := range strings.Lines(terminal) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > textWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.ContainsAny(terminal, "\x1b\t") || !utf8.ValidString(terminal) || strings.Count(terminal, "\n") > 40 {
		t.Errorf("control characters, or further lines:\n%s", terminal)
	}
}

// TestOddProfiles: parts without events or without instructions, and profiles that are
// wrong, are named and not drawn.
func TestOddProfiles(t *testing.T) {
	a, b := folded(t, perfStacks), folded(t, ringbufStacks)
	a.Reader = record.Part{}
	for i := range b.Program.Stacks {
		b.Program.Stacks[i].Counts[record.Instructions] *= -1
	}
	text := profilesOf(t, page1(t, profileTrials(t, a, b)))
	for _, want := range []string{"nothing was counted of A", "Nothing is drawn"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, bad := range []string{"NaN", "Inf"} {
		if strings.Contains(text, bad) {
			t.Errorf("there is %q", bad)
		}
	}
	deep := folded(t, strings.Repeat("f;", 512)+"f 100 0 0")
	if graph := flameOf(profile.Tree(deep, profile.Parts()[0]), nil, "program", 1); len(graph.Frames) != mostRows || len(graph.Notes) != 1 {
		t.Errorf("%d frames of a deep stack, notes %q", len(graph.Frames), graph.Notes)
	}
	if err := ProfileText(io.Discard, "A", "B", nil, b); err == nil {
		t.Error("no profile, and no error")
	}
}

// TestProfilesSize: many profiles are a page of bounded size.
func TestProfilesSize(t *testing.T) {
	a, b := folded(t, perfStacks), folded(t, ringbufStacks)
	all := many(t, 300, 1)
	for i := range all {
		all[i].Machine.Clock = record.Virtual
		all[i].Profile = []*record.Profile{a, b}[i%2]
	}
	comparisons := verdict.Compare(all)
	text := profilesOf(t, render(t, func(w io.Writer) error { return HTML(w, &Results{Comparisons: comparisons}) }))
	if len(text) > 3*graphBytes {
		t.Errorf("%d bytes", len(text))
	}
	n := strings.Count(text, "<details")
	if n != mostProfiles || !strings.Contains(text, fmt.Sprintf("%d more configurations", len(comparisons)-n)) || !strings.Contains(text, "The graphs are left out") {
		t.Errorf("%d of %d configurations in %d bytes", n, len(comparisons), len(text))
	}
	if graphs := regexp.MustCompile(`class="flame"`).FindAllString(text, -1); len(graphs) < 6*20 {
		t.Errorf("%d graphs", len(graphs))
	}
}
