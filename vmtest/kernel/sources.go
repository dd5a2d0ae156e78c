package kernel

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// source is one archive that the machine's own apt knows.
type source struct {
	uris       []string
	suites     []string
	components []string
	signedBy   string // as in deb822: a path, or a key over several lines; may be ""
}

// suites are those that are read beside the machine's own, with the kernels
// that made them worth it when they were chosen.
var suites = []string{
	"bullseye-security", // 5.10, 6.1
	"bookworm",          // 6.1
	"bookworm-security", // 6.1, 6.12
	"trixie",            // 6.12
	"trixie-security",   // 6.12
	"trixie-backports",  // 6.16 to 7.3
	"sid",               // newest
}

// debianKeyring is used where the machine's sources name no key.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// machineSources reads the sources that apt itself would read.
func machineSources(root string) ([]source, error) {
	files := []string{filepath.Join(root, "etc/apt/sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, err := filepath.Glob(filepath.Join(root, "etc/apt/sources.list.d", pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	var all []source
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
func parseOneLine(text string) []source {
	var all []source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "deb" {
			continue
		}
		fields = fields[1:]
		var s source
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
func parseDeb822(text string) []source {
	var all []source
	fields := map[string]string{}
	flush := func() {
		if slices.Contains(strings.Fields(fields["types"]), "deb") && fields["enabled"] != "no" {
			all = append(all, source{
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

// isDebian reports whether a source is Debian's own archive. Others use its
// suites' names too: what tells them apart is whose keys sign them, and, where
// the source names no key, the path that every mirror of Debian has.
func (s source) isDebian() bool {
	if !slices.Contains(s.components, "main") || len(s.uris) == 0 {
		return false
	}
	if strings.HasPrefix(s.signedBy, "/") {
		return strings.HasPrefix(filepath.Base(s.signedBy), "debian-archive-")
	}
	uri := strings.TrimRight(s.uris[0], "/")
	return strings.HasSuffix(uri, "/debian") || strings.HasSuffix(uri, "/debian-security")
}

// mirrors finds where the machine gets Debian, and its security updates, from.
func mirrors(all []source) (main, security source) {
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

// isolatedSources is the sources file for the suites that the mirrors offer,
// and the suites in it. Nothing but package lists is fetched of them.
func isolatedSources(main, security source) (text string, offered []string) {
	var b strings.Builder
	for _, suite := range suites {
		s := main
		if strings.HasSuffix(suite, "-security") {
			s = security
		}
		if len(s.uris) == 0 {
			continue
		}
		key := s.signedBy
		if key == "" {
			key = debianKeyring
		}
		fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nTargets: Packages\nSigned-By: %s\n\n",
			s.uris[0], suite, key)
		offered = append(offered, suite)
	}
	return b.String(), offered
}
