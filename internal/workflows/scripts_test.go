// SPDX-License-Identifier: MIT

package workflows

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtwin/ringtwin/internal/testkernels"
	"github.com/ringtwin/ringtwin/internal/testutils"
)

// step is a script of scripts/ci as a step of a job: it has the files of the runner.
type step struct {
	script string
	args   []string
	dir    string
	env    []string
}

// outcome is what a step leaves.
type outcome struct {
	code                     int
	log, output, path, other string // output: of the step; other: variables for later steps
	summary                  string
}

func (s step) run(t *testing.T) outcome {
	t.Helper()
	script, err := filepath.Abs(filepath.Join(root, "scripts/ci", s.script))
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	file := func(name string) string { return filepath.Join(temp, name) }
	cmd := exec.CommandContext(t.Context(), script, s.args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "RUNNER_TEMP="+temp, "GITHUB_OUTPUT="+file("output"), "GITHUB_PATH="+file("path"), "GITHUB_ENV="+file("env"),
		"GITHUB_STEP_SUMMARY="+file("summary"), "GITHUB_ACTION_PATH="+filepath.Dir(filepath.Dir(filepath.Dir(script))), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	cmd.Env = append(cmd.Env, s.env...)
	log, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	text := func(name string) string {
		data, _ := os.ReadFile(file(name)) // none if there is nothing to say
		return string(data)
	}
	return outcome{cmd.ProcessState.ExitCode(), string(log), text("output"), text("path"), text("env"), text("summary")}
}

// archiveName is the archive of the newest release, 1.2.3.
const archiveName = "ringtwin_1.2.3_linux_amd64.tar.gz"

// makeArchive makes a release's archive of the program.
func makeArchive(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(compressed)
	if err := archive.WriteHeader(&tar.Header{Name: "ringtwin", Mode: 0o755, Size: int64(len(data))}); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// serveRelease serves releases as GitHub does.
func serveRelease(t *testing.T, archive []byte, sums string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/latest", http.RedirectHandler("/tag/v1.2.3", http.StatusFound))
	mux.HandleFunc("/tag/v1.2.3", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/download/v1.2.3/"+archiveName, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) })
	mux.HandleFunc("/download/v1.2.3/checksums.txt", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, sums) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// TestGet: what is installed for a version and a reference of the action, and what is
// refused.
func TestGet(t *testing.T) {
	t.Parallel()
	testutils.Program(t, "curl")
	archive := makeArchive(t)
	sums := fmt.Sprintf("%064d  other.tar.gz\n%x  %s\n", 0, sha256.Sum256(archive), archiveName)
	tampered := bytes.Clone(archive)
	tampered[len(tampered)/2] ^= 1
	unlisted := fmt.Sprintf("%x  ringtwin_1x2x3_linux_amd64.tar.gz\n", sha256.Sum256(archive))
	for name, test := range map[string]struct {
		version, ref string
		archive      []byte // default: archive
		sums         string // default: sums
		fails        string
	}{
		"a release":             {version: "1.2.3"},
		"with a v":              {version: "v1.2.3"},
		"of the action":         {ref: "v1.2.3"},
		"newest of the action":  {ref: "v1"},
		"newest":                {version: "latest"},
		"a path":                {version: program},
		"sources of a branch":   {ref: "main"},
		"sources":               {version: "source", ref: "v1"},
		"newest is of another":  {ref: "v2", fails: "the newest release is 1.2.3, not one of v2. Set version to the release to use"},
		"no such release":       {version: "9.9.9", fails: "cannot download "},
		"no such path":          {version: "./none", fails: "version ./none: there is no such file"},
		"no version":            {version: "newest", fails: "version newest: want a version such as 1.2.3, latest, source, or a path that begins with / or ./"},
		"tampered":              {version: "1.2.3", archive: tampered, fails: "the SHA-256 of ringtwin_1.2.3_linux_amd64.tar.gz is not the one in checksums.txt: it was changed or truncated"},
		"truncated":             {version: "1.2.3", archive: archive[:len(archive)/2], fails: "the SHA-256 of ringtwin_1.2.3_linux_amd64.tar.gz is not the one in checksums.txt: it was changed or truncated"},
		"not in the checksums":  {version: "1.2.3", sums: unlisted, fails: "checksums.txt of 1.2.3 does not list ringtwin_1.2.3_linux_amd64.tar.gz"},
		"an option as version":  {version: "--version", fails: "version --version: want a version"},
		"a command as version":  {version: "$(touch /tmp/x)", fails: "version $(touch /tmp/x): want a version"},
		"a version with a path": {version: "1.2.3/../..", fails: "cannot download "},
	} {
		t.Run(name, func(t *testing.T) {
			if test.archive == nil {
				test.archive = archive
			}
			url := serveRelease(t, test.archive, cmp.Or(test.sums, sums))
			got := step{script: "get.sh", env: []string{"VERSION=" + test.version, "ACTION_REF=" + test.ref, "RINGTWIN_RELEASES=" + url}}.run(t)
			if test.fails != "" {
				if got.code == 0 || got.path != "" || !strings.HasPrefix(got.summary, "**ringtwin was not installed**: "+test.fails) ||
					!strings.Contains(got.log, "::error title=ringtwin was not installed::"+test.fails) {
					t.Errorf("%+v", got)
				}
				return
			}
			if got.code != 0 || got.summary != "" {
				t.Fatalf("%+v", got)
			}
			if _, err := os.Stat(filepath.Join(strings.TrimSpace(got.path), "ringtwin")); err != nil {
				t.Errorf("%v: %+v", err, got)
			}
		})
	}
}

// TestResult: the last job fails unless all others succeeded, and names the first cause.
func TestResult(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		results, kernels string
		want             string // of the summary, if it fails
	}{
		"all":             {"build success\nreport success\n(test) skipped\n", "", ""},
		"failed":          {"build success\nvmtest failure\nreport failure\n", "5.10 6.1", "**failed: vmtest report; kernels: 5.10 6.1**\n"},
		"failed earlier":  {"build failure\nvmtest skipped\nreport skipped\n", "", "**failed: build**\n"},
		"cancelled":       {"build success\nvmtest cancelled\nreport skipped\n", "", "**cancelled: vmtest**\n"},
		"skipped":         {"build success\ntest skipped\n", "", "**skipped: test**\n"},
		"may be skipped":  {"build success\n(test) failure\n", "", "**failed: test**\n"},
		"of another kind": {"build success\ntest \n", "", "**failed: test**\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := step{script: "result.sh", env: []string{"RESULTS=" + test.results, "FAILED_KERNELS=" + test.kernels}}.run(t)
			want := outcome{code: 1, summary: test.want}
			if test.want == "" {
				want = outcome{summary: "All jobs succeeded.\n"}
			}
			if got.code != want.code || got.summary != want.summary {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestMachine: the accelerator by what the machine has, and mistakes.
func TestMachine(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	device := filepath.Join(t.TempDir(), "kvm")
	if err := os.WriteFile(device, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		env    []string
		output string // one of its lines
		fails  string
	}{
		"no KVM":        {[]string{"KVM_DEVICE=/none"}, "accel=tcg\n", ""},
		"KVM":           {[]string{"KVM_DEVICE=" + device}, "accel=auto\n", ""},
		"required":      {[]string{"KVM_DEVICE=" + device, "KVM=require"}, "accel=kvm\n", ""},
		"off":           {[]string{"KVM_DEVICE=" + device, "KVM=off"}, "accel=tcg\n", ""},
		"mistake":       {[]string{"KVM=yes"}, "", "kvm: yes: want auto, require or off"},
		"no kernel":     {[]string{"KERNELS=  "}, "", "kernels: want one at least, such as 6.1"},
		"no lock file":  {[]string{"LOCK_FILE=none.lock"}, "", "lock-file none.lock: there is no such file. ringtwin kernels lock 6.1 writes it"},
		"boots":         {nil, "boots=true\n", ""},
		"boots nothing": {[]string{"RUN=plan", "KVM_DEVICE=/none"}, "accel=tcg\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			env := append([]string{"KVM=auto", "KERNELS=6.1", "RUN=go test ./...", "LOCK_FILE="}, test.env...)
			got := step{script: "machine.sh", env: env}.run(t)
			switch {
			case test.fails != "":
				if got.code == 0 || got.summary != "**the machine is not ready**: "+test.fails+"\n" {
					t.Errorf("%+v", got)
				}
			case got.code != 0 || !strings.Contains(got.output, test.output):
				t.Errorf("%+v", got)
			case strings.Contains(got.output, "cache-key") != strings.Contains(got.output, "boots=true"):
				t.Errorf("a cache of what boots nothing: %+v", got)
			}
		})
	}
}

// TestCacheKey: another lock file or other kernels have another cache; spaces do not
// matter.
func TestCacheKey(t *testing.T) {
	t.Parallel()
	testutils.QEMU(t)
	key := func(kernels, lock string) string {
		file := ""
		if lock != "" {
			file = filepath.Join(t.TempDir(), "kernels.lock")
			if err := os.WriteFile(file, []byte(lock), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got := step{script: "machine.sh", env: []string{"KVM=off", "RUN=vmtest", "KERNELS=" + kernels, "LOCK_FILE=" + file}}.run(t)
		for line := range strings.Lines(got.output) {
			if value, ok := strings.CutPrefix(line, "cache-key="); ok {
				return value
			}
		}
		t.Fatalf("%+v", got)
		return ""
	}
	base := key("6.1 5.10", "a")
	if again := key(" 6.1  5.10\n", "a"); again != base {
		t.Errorf("%q and %q", base, again)
	}
	for _, other := range []string{key("6.1 5.10", "b"), key("6.1", "a"), key("6.1 5.10", "")} {
		if other == base {
			t.Errorf("%q again", other)
		}
	}
}

// TestProposeLock: a new lock is pushed to a branch and proposed, the same is not.
func TestProposeLock(t *testing.T) {
	t.Parallel()
	testutils.Program(t, "curl")
	dir := t.TempDir()
	remote, clone := filepath.Join(dir, "ringtwin/ringtwin"), filepath.Join(dir, "clone")
	for _, args := range [][]string{{"git", "clone", "--quiet", "--bare", checkout, remote}, {"git", "clone", "--quiet", "--depth=1", "file://" + remote, clone}} {
		if output, err := command(dir, args...); err != nil {
			t.Fatalf("%v: %v: %s", args, err, output)
		}
	}
	status, asked := http.StatusCreated, ""
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		asked += r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization") + " " + b.String() + "\n"
		w.WriteHeader(status)
	}))
	defer api.Close()
	propose := func(lock string) outcome {
		file := filepath.Join(dir, "new.lock")
		if err := os.WriteFile(file, []byte(lock), 0o644); err != nil {
			t.Fatal(err)
		}
		return step{script: "propose-lock.sh", args: []string{file}, dir: clone, env: []string{"GITHUB_TOKEN=secret", "GITHUB_REPOSITORY=ringtwin/ringtwin",
			"GITHUB_API_URL=" + api.URL, "GITHUB_SERVER_URL=file://" + dir}}.run(t)
	}
	const branch = "lock-kernels"
	pushed := func() string {
		output, _ := command(remote, "git", "show", branch+":.github/kernels.lock")
		return output
	}

	same, err := os.ReadFile(filepath.Join(root, ".github/kernels.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if got := propose(string(same)); got.code != 0 || asked != "" {
		t.Errorf("the same lock: %+v, %s", got, asked)
	}
	if got := propose("first\n"); got.code != 0 || pushed() != "first\n" ||
		!strings.HasPrefix(asked, `POST /repos/ringtwin/ringtwin/pulls Bearer secret {"title":"ci: lock the newest kernels","head":"lock-kernels","base":"main",`) {
		t.Errorf("a new lock: %+v, %s", got, asked)
	}
	status = http.StatusUnprocessableEntity // there is one
	if got := propose("second\n"); got.code != 0 || pushed() != "second\n" {
		t.Errorf("a newer lock: %+v", got)
	}
	status = http.StatusForbidden
	if got := propose("third\n"); got.code == 0 || !strings.Contains(got.log, "the pull request was not opened: HTTP status 403") {
		t.Errorf("forbidden: %+v", got)
	}
	if config, err := os.ReadFile(filepath.Join(clone, ".git/config")); err != nil || bytes.Contains(config, []byte("AUTHORIZATION")) {
		t.Errorf("credentials are stored: %v: %s", err, config)
	}
}

// TestDebianSources: kernels of Debian are found by nothing but the sources that the script
// writes, from this machine's mirror; the script is told of it by the file of
// python-apt-common.
func TestDebianSources(t *testing.T) {
	t.Parallel()
	usual := needs(t)[testkernels.Usual]
	mirrors, err := command(".", "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main", "Label: Debian")
	if err != nil {
		t.Fatal(mirrors, err)
	}
	first, _, _ := strings.Cut(mirrors, "\n")
	first = strings.TrimSuffix(strings.TrimRight(first, "/"), "/debian")
	dir, cache := t.TempDir(), t.TempDir()
	archives := filepath.Join(t.TempDir(), "Debian.info")
	none := step{script: "debian-sources.sh", args: []string{dir}, env: []string{"DEBIAN_ARCHIVES=" + archives}}.run(t)
	if none.code == 0 || !strings.Contains(none.log, "install python-apt-common, or set RINGTWIN_DEBIAN") {
		t.Errorf("without a mirror: %+v", none)
	}
	text := "Suite: stable-security\nBaseURI: http://security.invalid/\n\nSuite: stable\nRepositoryType: deb\nBaseURI: " + first +
		"/debian/\nComponent: main\n\nSuite: sid\nBaseURI: http://sid.invalid/debian/\n"
	if err := os.WriteFile(archives, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got := step{script: "debian-sources.sh", args: []string{dir}, env: []string{"DEBIAN_ARCHIVES=" + archives}}.run(t)
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	named := step{script: "debian-sources.sh", args: []string{t.TempDir()}, env: []string{"DEBIAN_ARCHIVES=/none", "RINGTWIN_DEBIAN=" + first}}.run(t)
	if named.code != 0 {
		t.Errorf("with a mirror that is named: %+v", named)
	}
	cmd := exec.CommandContext(t.Context(), program, "plan", "--matrix", "apt:"+usual)
	cmd.Env = append(os.Environ(), "RINGTWIN_APT="+dir, "RINGTWIN_CACHE="+cache)
	output, err := cmd.Output()
	if want := fmt.Sprintf(`[{"kernel":"apt:%s","file":"apt_%s"}]`+"\n", usual, usual); err != nil || string(output) != want {
		t.Errorf("%s, %v, want %s", output, err, want)
	}
	if text, err := os.ReadFile(filepath.Join(cache, "apt/index.json")); err != nil || !bytes.Contains(text, []byte(`"`+usual+`.`)) && !bytes.Contains(text, []byte("linux-image-"+usual+".")) {
		t.Errorf("the package lists have no %s: %v", usual, err)
	}
}
