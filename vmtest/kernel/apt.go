package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// listsAge is how old the package lists may be before they are read again.
const listsAge = 24 * time.Hour

// retryAge is how old they must be before a version that they do not have is
// looked for again.
const retryAge = 10 * time.Minute

// apt runs apt with a state of its own under dir: no file of the system's apt
// is written, and no root is needed. Signatures are checked by apt.
type apt struct {
	cache Cache
	root  string // of the system whose mirrors are used: "/"
	phase func(string)
}

// index is what the package lists said.
type index struct {
	Suites   []string  `json:"suites"` // that were read
	Packages []Package `json:"packages"`

	age time.Duration
}

func (a *apt) dir() string       { return filepath.Join(a.cache.Dir, "apt") }
func (a *apt) indexPath() string { return filepath.Join(a.dir(), "index.json") }

// options isolate apt; each is needed.
func (a *apt) options() []string {
	o := func(key, value string) string { return "-o" + key + "=" + value }
	return []string{
		o("Dir::State", a.dir()),
		o("Dir::State::Lists", filepath.Join(a.dir(), "lists")),
		o("Dir::State::status", "/dev/null"), // nothing is installed here
		o("Dir::Cache", filepath.Join(a.dir(), "cache")),
		o("Dir::Etc::SourceList", filepath.Join(a.dir(), "ringtwin.sources")),
		o("Dir::Etc::SourceParts", "-"),
		o("APT::Architecture", debianArch()),
		o("APT::Architectures", debianArch()),
		o("APT::Sandbox::User", ""), // as root apt would write as another user
		o("Acquire::Languages", "none"),
		o("Acquire::Retries", "3"),
	}
}

// debianArch is Debian's name of the machine's architecture; the two that
// matter are called as in Go.
func debianArch() string { return runtime.GOARCH }

// fetchTimeout bounds one run of apt: package lists or a kernel are some ten MB.
const fetchTimeout = 5 * time.Minute

// run runs a command of apt; errors are apt's own lines.
func (a *apt) run(ctx context.Context, dir, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, fmt.Errorf("%s %s: not done in %s", program, args[0], fetchTimeout))
	defer cancel()
	ctx, stop := watchSpace(ctx, a.cache.Dir)
	defer stop()
	cmd := exec.CommandContext(ctx, program, append(a.options(), args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	// apt starts helpers: ask it to end, and it ends them.
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s not found: on this system give a kernel by path", program)
	}
	if err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w", program, args[0], aptError(stderr.String(), err))
	}
	return stdout.String(), nil
}

// What has to be free on the disk of the cache, in bytes. apt, when it cannot
// write a package list, can wait for ever: so it is not started without room,
// and ended when others take it.
const (
	listsBytes   = 200 << 20 // to read package lists: 90 MB, and what apt makes of them
	kernelBytes  = 150 << 20 // to fetch and unpack a kernel
	minFreeBytes = 4 << 20   // while apt runs
)

// checkSpace is an error that wraps ENOSPC unless that much is free.
func checkSpace(folder string, need uint64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil {
		return &os.PathError{Op: "statfs", Path: folder, Err: err}
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < need {
		return fmt.Errorf("%s: %w: %d MiB are free, %d are needed (set another folder with RINGTWIN_CACHE)",
			folder, unix.ENOSPC, free>>20, need>>20)
	}
	return nil
}

// watchSpace cancels the context when the disk of the folder is full.
func watchSpace(ctx context.Context, folder string) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if err := checkSpace(folder, minFreeBytes); errors.Is(err, unix.ENOSPC) {
					cancel(err)
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// aptError picks the errors out of what apt wrote.
func aptError(stderr string, err error) error {
	var lines []string
	for line := range strings.Lines(stderr) {
		if text, ok := strings.CutPrefix(line, "E: "); ok {
			lines = append(lines, strings.TrimSpace(text))
		}
	}
	if len(lines) == 0 {
		return err
	}
	return errors.New(strings.Join(lines, "; "))
}

// lock keeps other processes out of apt's state.
func (a *apt) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Join(a.dir(), "lists", "partial"), 0o755); err != nil {
		return nil, fmt.Errorf("make cache folder: %w (set another with RINGTWIN_CACHE)", err)
	}
	if err := os.MkdirAll(filepath.Join(a.dir(), "cache", "archives", "partial"), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(a.dir(), "ringtwin.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	waiting := false
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock apt state: %w", err), file.Close())
		}
		if !waiting {
			waiting = true
			a.phase("wait for another process that fetches kernels")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), file.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// load returns the index, read again if it is older than maxAge. With an old
// one at hand, an archive that cannot be reached is no error.
func (a *apt) load(ctx context.Context, maxAge time.Duration) (*index, error) {
	old := a.readIndex()
	if old != nil && old.age < maxAge {
		return old, nil
	}
	unlock, err := a.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	// Whoever held the lock may have done it.
	if now := a.readIndex(); now != nil && now.age < maxAge {
		return now, nil
	}
	fresh, err := a.update(ctx)
	if err != nil && old != nil && ctx.Err() == nil {
		a.phase(fmt.Sprintf("package lists of %s are used: %v", old.age.Round(time.Minute), err))
		return old, nil
	}
	return fresh, err
}

func (a *apt) readIndex() *index {
	info, err := os.Stat(a.indexPath())
	if err != nil {
		return nil
	}
	idx := &index{age: max(time.Since(info.ModTime()), 0)}
	if readJSON(a.indexPath(), idx) != nil {
		return nil
	}
	return idx
}

// update fetches the package lists and reads the kernels out of them.
func (a *apt) update(ctx context.Context) (*index, error) {
	all, err := machineSources(a.root)
	if err != nil {
		return nil, err
	}
	text, offered := isolatedSources(mirrors(all))
	if len(offered) == 0 {
		return nil, errors.New("this machine's apt has no mirror of Debian: on this system give a kernel by path")
	}
	if err := os.WriteFile(filepath.Join(a.dir(), "ringtwin.sources"), []byte(text), 0o644); err != nil {
		return nil, err
	}
	if err := checkSpace(a.cache.Dir, listsBytes); err != nil {
		return nil, err
	}
	a.phase("read package lists")
	// A suite that is not there any more fails the update, but not the others.
	_, updateErr := a.run(ctx, a.dir(), "apt-get", "update", "-q")
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	idx, err := a.readLists(ctx)
	if err != nil {
		return nil, errors.Join(updateErr, err)
	}
	if len(idx.Packages) == 0 {
		return nil, errors.Join(updateErr, errors.New("no kernel in any package list"))
	}
	return idx, writeJSON(a.indexPath(), idx)
}

func (a *apt) readLists(ctx context.Context) (*index, error) {
	targets, err := a.run(ctx, a.dir(), "apt-get", "indextargets", "--format", "$(FILENAME)\t$(RELEASE)", "Created-By: Packages")
	if err != nil {
		return nil, err
	}
	idx := &index{}
	for line := range strings.Lines(targets) {
		file, suite, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if file == "" {
			continue
		}
		packages, err := a.readList(ctx, file, suite)
		if err != nil {
			return nil, fmt.Errorf("read package list of %s: %w", suite, err)
		}
		idx.Suites = append(idx.Suites, suite)
		idx.Packages = append(idx.Packages, packages...)
	}
	return idx, nil
}

// readList has apt decompress the list: it chose how to keep it.
func (a *apt) readList(ctx context.Context, file, suite string) ([]Package, error) {
	cmd := exec.CommandContext(ctx, "/usr/lib/apt/apt-helper", "cat-file", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	packages, err := readPackages(out, suite)
	_, drain := io.Copy(io.Discard, out)
	return packages, errors.Join(err, drain, cmd.Wait())
}

// fetch makes a bundle of a package, from the cache where it is there.
func (a *apt) fetch(ctx context.Context, p Package) (*Bundle, error) {
	name := "apt/" + p.Name + "_" + strings.ReplaceAll(p.Version, "/", "_")
	if b, err := a.cache.byRef(name); err == nil {
		return b, nil
	}
	unlock, err := a.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if b, err := a.cache.byRef(name); err == nil {
		return b, nil
	}
	temp, err := a.cache.temp()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	wanted := []string{p.Name + "=" + p.Version}
	if p.Config != "" && p.Config != p.Name {
		wanted = append(wanted, p.Config+"="+p.Version)
	}
	if err := checkSpace(a.cache.Dir, kernelBytes); err != nil {
		return nil, err
	}
	a.phase("fetch " + p.Name + " " + p.Version)
	if _, err := a.run(ctx, temp, "apt-get", append([]string{"download", "-q"}, wanted...)...); err != nil {
		return nil, fmt.Errorf("fetch kernel: %w", err)
	}
	a.phase("unpack " + p.Name)
	b := &Bundle{Release: p.Release, Source: "apt", Package: p.Name + "=" + p.Version}
	if err := unpackBundle(temp, p.Release, b); err != nil {
		return nil, fmt.Errorf("unpack kernel: %w", err)
	}
	return b, a.cache.store(filepath.Join(temp, "bundle"), name, b)
}

// unpackBundle takes image and configuration out of the packages in dir and
// puts them into dir/bundle.
func unpackBundle(dir, release string, b *Bundle) error {
	bundle := filepath.Join(dir, "bundle")
	if err := os.Mkdir(bundle, 0o755); err != nil {
		return err
	}
	// The places changed with 6.19 and 7.2.
	places := map[string]string{
		"boot/vmlinuz-" + release:                 imageFile,
		"usr/lib/modules/" + release + "/vmlinuz": imageFile,
		"boot/config-" + release:                  configFile,
		"usr/lib/modules/" + release + "/config":  configFile,
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, deb := range debs {
		want := 2 // image and configuration lie in front of the modules
		err := walkDeb(deb, func(name string, r io.Reader) (bool, error) {
			place, ok := places[name]
			if !ok {
				return true, nil
			}
			found[place] = true
			want--
			return want > 0, writeFile(filepath.Join(bundle, place), r)
		})
		if err != nil {
			return err
		}
	}
	if !found[imageFile] {
		return fmt.Errorf("no vmlinuz of %s in %d packages", release, len(debs))
	}
	if found[configFile] {
		text, err := os.ReadFile(filepath.Join(bundle, configFile))
		if err != nil {
			return err
		}
		b.Config = parseConfig(text)
	}
	return nil
}

func writeFile(path string, r io.Reader) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, r)
	return errors.Join(err, file.Close())
}
