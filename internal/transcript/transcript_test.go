// SPDX-License-Identifier: MIT

package transcript

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const document = "Text, `$ not this`.\n" +
	"```console\n$ echo one; echo two\none\ntwo\n$ x=3; true\n```\n" +
	"```text\n$ nor this\n```\n" +
	"```console\n$ echo $x \\\n>   four\n3 four\n```\n" +
	"<!-- file: a.yaml -->\n```yaml\na: $x\n\n```\n" +
	"```sh\n# nor this\ngrep 'a: $x' a.yaml   # 3\n\ntest $x \\\n  = 3\n```\n"

func TestParse(t *testing.T) {
	got, err := Parse(document)
	want := []Step{
		{3, "echo one; echo two", "one\ntwo\n", false}, {6, "x=3; true", "", false},
		{12, "echo $x \\\n  four", "3 four\n", false},
		{17, "cat >a.yaml <<'END OF FILE'\na: $x\n\nEND OF FILE", "", true},
		{23, "grep 'a: $x' a.yaml   # 3", "", true}, {25, "test $x \\\n  = 3", "", true},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"```console\n$ true\n": "line 2: a block is not closed",
		"```console\nx\n```\n": `line 2: "x" is before`,
		"```\n":                "line 1: a block is not closed",
		"```console\n$ a\n```\n```console\nx\n```": `line 5: "x" is before`,
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		want, got string
		matches   bool
	}{
		{"", "", true},
		{"", "x\n", false},
		{"a\n", "a\n", true},
		{"a\n", "a\nb\n", false},
		{"a.c\n", "abc\n", false},
		{"pid … is …\n", "pid 12 is up\n", true},
		{"pid … is\n", "pid 12\nis\n", false},
		{"a\n…\nz\n", "a\nz\n", true},
		{"a\n  …\nz\n", "a\nb\nc\nz\n", true},
		{"a\n…\n", "b\n", false},
		{"…\n", "", true},
	} {
		step := Step{Want: test.want}
		if got := step.Matches(test.got); got != test.matches {
			t.Errorf("%q against %q: %t", test.got, test.want, got)
		}
	}
}

func TestSession(t *testing.T) {
	s, err := NewSession(t.Context(), t.TempDir(), []string{"PATH=/usr/bin:/bin"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	steps, err := Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		got, code, err := s.Run(step.Command, time.Minute)
		if err != nil || code != 0 || !step.Script && !step.Matches(got) {
			t.Errorf("line %d: %q, %d, %v", step.Line, got, code, err)
		}
	}
	if got, code, err := s.Run("printf 'no newline'; echo err >&2; cat; (exit 3)", time.Minute); got != "no newlineerr\n" || code != 3 || err != nil {
		t.Errorf("%q, %d, %v", got, code, err)
	}
	if _, _, err := s.Run("sleep 60", 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), `"sleep 60" has not ended`) {
		t.Errorf("slow: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewSession(ctx, t.TempDir(), nil); err == nil {
		t.Error("started after the end")
	}
}
