// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	"flag"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ringtwin/ringtwin/harness/verdict"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

var shots = flag.String("shots", "", "directory for screenshots of the page, to look at")

// browserName is the first that is installed.
func browserName(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if _, err := exec.LookPath(name); err == nil {
			return name
		}
	}
	testutils.Program(t, "chromium")
	return ""
}

// browser runs headless Chromium, without a network, and returns what it wrote. The
// profile disables scripts, as a user would.
func browser(t *testing.T, scripts bool, args ...string) (stdout, stderr string) {
	t.Helper()
	profile := t.TempDir()
	if !scripts {
		if err := os.MkdirAll(filepath.Join(profile, "Default"), 0o755); err != nil {
			t.Fatal(err)
		}
		const off = `{"profile":{"default_content_setting_values":{"javascript":2}}}`
		if err := os.WriteFile(filepath.Join(profile, "Default", "Preferences"), []byte(off), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), browserName(t), append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir=" + profile, "--enable-logging=stderr",
	}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, complaints.String())
	}
	return out.String(), complaints.String()
}

// console are the lines of the page's console. Pages of the browser's own write too, as that
// the network is slow where a busy host delays it.
func console(stderr string) []string {
	var lines []string
	for line := range strings.Lines(stderr) {
		if strings.Contains(line, ":CONSOLE") && !strings.Contains(line, "source: chrome://") {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestBrowser: the page loads without network and scripts, logs nothing to the console,
// and adapts to light, dark and narrow displays.
func TestBrowser(t *testing.T) {
	testutils.Root(t) // to disable the network
	browserName(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return "file://" + path
	}
	all := append(append(many(t, 12, 8), sweep(t)...), trials(t)...)
	comparisons := verdict.Compare(all)
	page := write("report.html", render(t, func(w io.Writer) error { return HTML(w, &Results{Comparisons: comparisons}) }))

	// Verify that the test would see a script, and a console message.
	control := write("control.html", `<!DOCTYPE html><p id="x">still</p><script>console.error("boo"); document.getElementById("x").textContent = "moved"</script>`)
	if dom, stderr := browser(t, true, "--dump-dom", control); !strings.Contains(dom, ">moved<") || len(console(stderr)) != 1 {
		t.Errorf("control with scripts: %s %v", dom, console(stderr))
	}
	if dom, _ := browser(t, false, "--dump-dom", control); !strings.Contains(dom, ">still<") {
		t.Errorf("control without scripts: %s", dom)
	}

	for _, scripts := range []bool{true, false} {
		dom, stderr := browser(t, scripts, "--dump-dom", page)
		if lines := console(stderr); len(lines) > 0 {
			t.Errorf("scripts %v: the console says %v", scripts, lines)
		}
		for _, want := range []string{"of 217 trials measured", "Highest rate without loss", "Latency by percentile", "What it cannot show", "</html>", "&lt;script&gt;alert(1)"} {
			if !strings.Contains(dom, want) {
				t.Errorf("scripts %v: no %q", scripts, want)
			}
		}
	}

	light := screenshot(t, dir, page, "light", "--window-size=1250,2400", "--blink-settings=preferredColorScheme=1")
	dark := screenshot(t, dir, page, "dark", "--window-size=1250,2400", "--blink-settings=preferredColorScheme=0")
	if light < 0.8 || dark > 0.3 {
		t.Errorf("light is %.2f bright, dark %.2f", light, dark)
	}
	screenshot(t, dir, page, "narrow", "--window-size=390,2400")
}

// screenshot returns how bright the page is, from 0 to 1.
func screenshot(t *testing.T, dir, page, name string, args ...string) float64 {
	t.Helper()
	if *shots != "" {
		dir = *shots
	}
	path := filepath.Join(dir, name+".png")
	browser(t, false, append(args, "--screenshot="+path, page)...)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	var sum, n float64
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 7 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 7 {
			r, g, b, _ := img.At(x, y).RGBA()
			sum += float64(r+g+b) / (3 * 0xffff)
			n++
		}
	}
	return sum / n
}

// TestBrowserProfiles: a page with flame graphs logs nothing to the console, and adapts
// too.
func TestBrowserProfiles(t *testing.T) {
	testutils.Root(t) // to disable the network
	browserName(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "profiles.html")
	text := page1(t, profileTrials(t, folded(t, perfStacks), folded(t, ringbufStacks)))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	page := "file://" + path
	dom, stderr := browser(t, false, "--dump-dom", page)
	if lines := console(stderr); len(lines) > 0 || !strings.Contains(dom, `class="flame"`) {
		t.Errorf("the console says %v", lines)
	}
	light := screenshot(t, dir, page, "profiles-light", "--window-size=1280,3400", "--blink-settings=preferredColorScheme=1")
	dark := screenshot(t, dir, page, "profiles-dark", "--window-size=1280,3400", "--blink-settings=preferredColorScheme=0")
	if light < 0.8 || dark > 0.3 {
		t.Errorf("light is %.2f bright, dark %.2f", light, dark)
	}
	screenshot(t, dir, page, "profiles-narrow", "--window-size=500,4200", "--blink-settings=preferredColorScheme=1")
}
