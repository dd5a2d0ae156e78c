// SPDX-License-Identifier: MIT

package kernel

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// archive is one entry of sources that the machine's own apt knows.
type archive struct {
	uris       []string
	suites     []string
	components []string
	signedBy   string // as in deb822: a path, or a key over several lines; may be ""
}

// suites are read besides the machine's own; the comments list the kernels that each had
// when it was chosen.
var suites = []string{
	"bullseye-security", // 5.10, 6.1
	"bookworm",          // 6.1
	"bookworm-security", // 6.1, 6.12
	"trixie",            // 6.12
	"trixie-security",   // 6.12
	"trixie-backports",  // 6.16 to 7.3
	"sid",               // newest
}

// Keys that are used where the machine's sources name none.
const (
	debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
	ubuntuKeyring = "/usr/share/keyrings/ubuntu-archive-keyring.gpg"
)

// machineSources reads the sources that apt itself would read.
func machineSources(root string) ([]archive, error) {
	files := []string{filepath.Join(root, "etc/apt/sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, err := filepath.Glob(filepath.Join(root, "etc/apt/sources.list.d", pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	var all []archive
	for _, file := range files {
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read apt sources: %w", err)
		}
		if strings.HasSuffix(file, ".sources") {
			all = append(all, parseDeb822(string(text))...)
		} else {
			all = append(all, parseOneLine(string(text))...)
		}
	}
	return all, nil
}

// parseOneLine reads the format of sources.list(5): deb [options] uri suite component...
func parseOneLine(text string) []archive {
	var all []archive
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "deb" {
			continue
		}
		fields = fields[1:]
		var s archive
		for len(fields) > 0 && (strings.HasPrefix(fields[0], "[") || s.signedBy == "" && strings.Contains(fields[0], "=")) {
			option := strings.Trim(fields[0], "[]")
			if value, ok := strings.CutPrefix(option, "signed-by="); ok {
				s.signedBy = value
			}
			last := strings.HasSuffix(fields[0], "]")
			fields = fields[1:]
			if last {
				break
			}
		}
		if len(fields) >= 2 {
			s.uris, s.suites, s.components = fields[:1], fields[1:2], fields[2:]
			all = append(all, s)
		}
	}
	return all
}

// parseDeb822 reads the format of *.sources files: stanzas of fields, whose
// further lines are indented.
func parseDeb822(text string) []archive {
	var all []archive
	fields := map[string]string{}
	flush := func() {
		if slices.Contains(strings.Fields(fields["types"]), "deb") && fields["enabled"] != "no" {
			all = append(all, archive{
				uris:       strings.Fields(fields["uris"]),
				suites:     strings.Fields(fields["suites"]),
				components: strings.Fields(fields["components"]),
				signedBy:   fields["signed-by"],
			})
		}
		clear(fields)
	}
	key := ""
	scanner := bufio.NewScanner(strings.NewReader(text))
	for scanner.Scan() {
		line := scanner.Text()
		switch {
		case strings.TrimSpace(line) == "":
			flush()
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"):
			fields[key] += "\n" + line
		default:
			var value string
			key, value, _ = strings.Cut(line, ":")
			key = strings.ToLower(strings.TrimSpace(key))
			fields[key] = strings.TrimSpace(value)
		}
	}
	flush()
	return all
}

// isOf reports whether an archive is a distribution's own. Others use its suite names
// too: they differ in the keys that sign them, and, if the source names no key, in the
// path that every mirror of the distribution has.
func (s archive) isOf(keys string, paths ...string) bool {
	if !slices.Contains(s.components, "main") || len(s.uris) == 0 {
		return false
	}
	if strings.HasPrefix(s.signedBy, "/") {
		return strings.HasPrefix(filepath.Base(s.signedBy), keys)
	}
	uri := strings.TrimRight(s.uris[0], "/")
	return slices.ContainsFunc(paths, func(path string) bool { return strings.HasSuffix(uri, path) })
}

func (s archive) isDebian() bool { return s.isOf("debian-archive-", "/debian", "/debian-security") }

func (s archive) isUbuntu() bool { return s.isOf("ubuntu-archive-", "/ubuntu", "/ubuntu-ports") }

// debianMirrors finds where the machine gets Debian, and its security updates, from.
func debianMirrors(all []archive) (main, security archive) {
	for _, s := range all {
		if !s.isDebian() {
			continue
		}
		for _, suite := range s.suites {
			isSecurity := strings.HasSuffix(suite, "-security")
			if !slices.Contains(suites, suite) && !slices.Contains([]string{"stable", "oldstable", "testing", "unstable"}, suite) {
				continue
			}
			if isSecurity && security.uris == nil {
				security = s
			}
			if !isSecurity && main.uris == nil {
				main = s
			}
		}
	}
	return main, security
}

// isolatedSources is the sources file of the isolated apt, and its suites: all Debian
// suites with useful kernels, and for Ubuntu only the machine's own suites, because
// others have other keys.
func isolatedSources(all []archive) (text string, offered []string) {
	var b strings.Builder
	main, security := debianMirrors(all)
	for _, suite := range suites {
		s := main
		if strings.HasSuffix(suite, "-security") {
			s = security
		}
		if len(s.uris) == 0 {
			continue
		}
		b.WriteString(s.stanza(suite, []string{"main"}, debianKeyring))
		offered = append(offered, suite)
	}
	for _, s := range all {
		if !s.isUbuntu() {
			continue
		}
		for _, suite := range s.suites {
			if !slices.Contains(offered, suite) {
				b.WriteString(s.stanza(suite, s.components, ubuntuKeyring))
				offered = append(offered, suite)
			}
		}
	}
	return b.String(), offered
}

// stanza writes one suite of a source. Only package lists are fetched from it.
func (s archive) stanza(suite string, components []string, keyring string) string {
	return fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nTargets: Packages\nSigned-By: %s\n\n",
		s.uris[0], suite, strings.Join(components, " "), cmp.Or(s.signedBy, keyring))
}
