// SPDX-License-Identifier: MIT

package completion

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// grammar has a command of each kind.
type grammar struct {
	Boot struct {
		Image string   `arg:"" optional:""`
		Accel string   `enum:"kvm,tcg" default:"tcg" help:"How it's run. It matters."`
		Where []string `enum:"here,there" default:"here" short:"w"`
		Out   string   `help:"A file: any."`
		Quiet bool     `help:"Say nothing."`
		Trick bool     `hidden:""`
	} `cmd:"" help:"Boot an image. Or none."`
	Cache struct {
		List struct {
			Long bool
		} `cmd:"" default:"withargs" help:"List it."`
		Prune struct{} `cmd:"" help:"Empty it."`
	} `cmd:"" help:"See what is kept."`
	Shell struct {
		Name string `arg:"" enum:"bash,zsh"`
	} `cmd:"" help:"Choose a shell."`
	Secret struct{} `cmd:"" hidden:""`
}

// script writes the script of a shell to a file.
func script(t *testing.T, shell string) string {
	t.Helper()
	parser, err := kong.New(&grammar{}, kong.Name("tool"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Write(&b, shell, parser.Model); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), shell)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSyntax: each shell that there is can read its script.
func TestSyntax(t *testing.T) {
	for _, shell := range Shells() {
		t.Run(shell, func(t *testing.T) {
			path := script(t, shell)
			if shell != "bash" {
				if _, err := exec.LookPath(shell); err != nil {
					t.Logf("not executed: %v", err)
					return
				}
			}
			if out, err := exec.Command(shell, "-n", path).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestBash completes command lines, whose last word the cursor is in.
func TestBash(t *testing.T) {
	testutils.Program(t, "bash")
	path := script(t, "bash")
	for _, test := range []struct{ line, want string }{
		{"b", "boot"},
		{"", "boot cache shell"},
		{"boot --a", "--accel"},
		{"boot --", "--help --accel --where --out --quiet"},
		{"boot --accel ", "kvm tcg"},
		{"boot --accel = k", "kvm"},
		{"boot --accel =", "kvm tcg"},
		{"boot --where t", "there"},
		{"boot --out ", ""},
		{"boot --quiet ", ""},
		{"cache ", "list prune"},
		{"cache --", "--help --long"},
		{"cache prune --", "--help"},
		{"shell z", "zsh"},
		{"s", "shell"},
	} {
		t.Run(test.line, func(t *testing.T) {
			var words strings.Builder
			all := strings.Split("tool "+test.line, " ")
			for _, word := range all {
				words.WriteString(" " + quote(word))
			}
			run := fmt.Sprintf("source %s; COMP_WORDS=(%s); COMP_CWORD=%d; _tool; echo \"${COMPREPLY[*]}\"", path, words.String(), len(all)-1)
			out, err := exec.Command("bash", "--norc", "-uc", run).CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != test.want {
				t.Errorf("%q, want %q, %v", got, test.want, err)
			}
		})
	}
}

// TestQuoted: the texts of the program do not end the words of the script.
func TestQuoted(t *testing.T) {
	for _, shell := range []string{"fish", "zsh"} {
		text, err := os.ReadFile(script(t, shell))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), `How it'"'"'s run'`) {
			t.Errorf("%s: the help of --accel is not quoted in\n%s", shell, text)
		}
		if strings.Contains(string(text), "names=(':") || strings.Contains(string(text), "-a '' ") {
			t.Errorf("%s: has an empty word", shell)
		}
		if strings.Contains(string(text), "secret") || strings.Contains(string(text), "trick") {
			t.Errorf("%s: has what is hidden", shell)
		}
	}
}

func TestUnknownShell(t *testing.T) {
	if err := Write(nil, "csh", nil); err == nil || !strings.Contains(err.Error(), "bash, fish, zsh") {
		t.Error(err)
	}
}
