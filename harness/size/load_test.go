// SPDX-License-Identifier: MIT

package size

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		text  string
		parse func(string) (int, error)
		want  int
	}{
		{"0", ParseCount, 0},
		{"50000", ParseCount, 50000},
		{"50k", ParseCount, 50000},
		{" 50 k", ParseCount, 50000},
		{"1.5k", ParseCount, 1500},
		{"0.001k", ParseCount, 1},
		{"2M", ParseCount, 2_000_000},
		{"120", ParseBytes, 120},
		{"4KiB", ParseBytes, 4096},
		{"1.5 KiB", ParseBytes, 1536},
		{"1MiB", ParseBytes, 1 << 20},
	} {
		if got, err := test.parse(test.text); err != nil || got != test.want {
			t.Errorf("%q: %d, %v, want %d", test.text, got, err, test.want)
		}
	}
	for text, want := range map[string]string{
		"":                      "is no number",
		"k":                     "is no number",
		".":                     "is no number",
		"1.2.3":                 "is no number",
		"1e3":                   "is no number",
		"0x10":                  "is no number",
		"1_000":                 "is no number",
		"+5":                    "is no number",
		"NaN":                   "is no number",
		"Inf":                   "is no number",
		"50K":                   "is no number",
		"50kk":                  "is no number",
		"50 000":                "is no number",
		"5/2":                   "is no number",
		"-5":                    "is negative",
		"-5k":                   "is negative",
		"1.5":                   "is not whole",
		"0.0001k":               "is not whole",
		"1099511627777":         "is too large",
		"99999999M":             "is too large",
		strings.Repeat("9", 32): "is too large",
		strings.Repeat("9", 99): "is no number",
	} {
		if got, err := ParseCount(text); err == nil || !strings.Contains(err.Error(), want) || got != 0 {
			t.Errorf("%q: %d, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"50k", "4KB", "4kib", "4GiB"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%q is %d bytes", text, got)
		}
	}
}

// FuzzParse: whatever the text, a number is in the limits, and errors are one line.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"50k", "4KiB", "1.5M", "-1", "", "9e99", "0.0000000001k"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) (int, error){ParseCount, ParseBytes} {
			n, err := parse(text)
			if n < 0 || n > maxNumber || err != nil && n != 0 {
				t.Errorf("%q: %d, %v", text, n, err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") && !strings.Contains(text, "\n") {
				t.Errorf("%q: more than a line: %v", text, err)
			}
		}
	})
}

func TestEvents(t *testing.T) {
	for _, test := range []struct {
		name  string
		rate  int
		burst int
		stall time.Duration
		want  int
	}{
		{"burst and stall", 50_000, 20_000, 50 * time.Millisecond, 22_500},
		{"burst alone", 0, 20, 0, 20},
		{"a rate without a stall", 50_000, 20, 0, 20},
		{"stall alone", 50_000, 0, 50 * time.Millisecond, 2_500},
		{"rounded up", 1, 0, time.Microsecond, 1},
		{"rounded up once", 3, 0, 500 * time.Millisecond, 2},
		{"exact", 1_000_000, 0, time.Microsecond, 1},
		{"a day", 1, 0, 24 * time.Hour, 86_400},
		{"the most", 1_000_000_000, 73_741_824, time.Second, 1 << 30},
	} {
		l := Load{RateHz: test.rate, Burst: test.burst, Stall: test.stall, EventBytes: 8, CPUs: 1}
		if got, err := l.Events(); err != nil || got != test.want {
			t.Errorf("%s: %d, %v, want %d", test.name, got, err, test.want)
		}
	}
}

func TestBadLoads(t *testing.T) {
	good := Load{RateHz: 50_000, Burst: 20_000, Stall: 50 * time.Millisecond, EventBytes: 120, CPUs: 8}
	for _, test := range []struct {
		name string
		bad  func(*Load)
		want string
	}{
		{"nothing waits", func(l *Load) { l.RateHz, l.Burst = 0, 0 }, "no event would ever wait: want --burst"},
		{"no stall", func(l *Load) { l.Burst, l.Stall = 0, 0 }, "no event would ever wait: want --burst"},
		{"negative rate", func(l *Load) { l.RateHz = -1 }, "--rate -1: want 0 to 1,000,000,000"},
		{"negative burst", func(l *Load) { l.Burst = -1 }, "--burst -1: want 0 events or more"},
		{"negative stall", func(l *Load) { l.Stall = -1 }, "--stall -1ns: want 0s to 24h0m0s"},
		{"long stall", func(l *Load) { l.Stall = 25 * time.Hour }, "--stall 25h0m0s: want"},
		{"small event", func(l *Load) { l.EventBytes = 7 }, "--bytes 7: want 8 to 32768"},
		{"large event", func(l *Load) { l.EventBytes = 32769 }, "--bytes 32769: want 8 to 32768"},
		{"no CPU", func(l *Load) { l.CPUs = 0 }, "--cpus 0: want 1 to 8192"},
		{"too many CPUs", func(l *Load) { l.CPUs = 8193 }, "--cpus 8193: want"},
		{"high rate", func(l *Load) { l.RateHz = math.MaxInt }, "--rate 9223372036854775807: want"},
		{"an overflow of the stall", func(l *Load) { l.RateHz, l.Stall = 1e9, 24*time.Hour }, "want a shorter --stall"},
		{"an overflow of the burst", func(l *Load) { l.Burst = maxNumber }, "want a shorter --stall, or a lower --rate or --burst"},
		{"one more than the most", func(l *Load) { l.RateHz, l.Stall, l.Burst = 0, 0, MaxRingBytes+1 }, "want a shorter --stall"},
		{"a ring beyond the limit", func(l *Load) { l.Burst = 20_000_000 }, "20,002,500 events of 120 bytes need a ring of more than 1 GiB over perf: want a shorter --stall"},
	} {
		l := good
		test.bad(&l)
		_, err := For(l)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := For(good); err != nil {
		t.Error(err)
	}
}

func TestWords(t *testing.T) {
	measured := &Load{RateHz: 7, Burst: 8, EventBytes: 64}
	for _, test := range []struct {
		name  string
		words Words
		want  Load
		err   string
	}{
		{"all", Words{Rate: "50k", Burst: "20k", Bytes: "1KiB", Stall: time.Second, CPUs: 2}, Load{50_000, 20_000, time.Second, 1024, 2}, ""},
		{"measured", Words{CPUs: 2, Measured: measured}, Load{7, 8, 0, 64, 2}, ""},
		{"words over what was measured", Words{Burst: "9", CPUs: 2, Measured: measured}, Load{7, 9, 0, 64, 2}, ""},
		{"no bytes", Words{Rate: "1", Stall: time.Second, CPUs: 1}, Load{}, "--bytes is missing"},
		{"bad rate", Words{Rate: "x", Bytes: "8", CPUs: 1}, Load{}, `--rate: "x" is no number: want one such as 50000 or 50k`},
		{"bad burst", Words{Burst: "-1", Bytes: "8", CPUs: 1}, Load{}, "--burst: -1 is negative"},
		{"bad bytes", Words{Burst: "1", Bytes: "8k", CPUs: 1}, Load{}, `--bytes: "8k" is no number`},
	} {
		got, err := test.words.Load()
		if test.err == "" && (err != nil || got != test.want) {
			t.Errorf("%s: %+v, %v", test.name, got, err)
		}
		if test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.err)
		}
	}
}
