// SPDX-License-Identifier: MIT

package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const deb822 = `# a comment
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://other.test/node
Suites: nodistro
Components: main

Types: deb
URIs: http://off.test/debian
Suites: sid
Enabled: no
`

func TestMirrorsFromDeb822(t *testing.T) {
	text, offered := isolatedSources(parseDeb822(deb822))
	if diff := cmp.Diff(suites, offered); diff != "" {
		t.Errorf("suites (-want +got):\n%s", diff)
	}
	for _, part := range []string{
		"URIs: http://mirror.test/debian\nSuites: trixie-backports\nComponents: main\nTargets: Packages\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
		"URIs: http://mirror.test/debian-security\nSuites: bookworm-security\nComponents: main\nTargets: Packages\nSigned-By: \n -----BEGIN",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
	for _, foreign := range []string{"other.test", "off.test"} {
		if strings.Contains(text, foreign) {
			t.Errorf("%s is used:\n%s", foreign, text)
		}
	}
}

func TestMirrorsFromOneLine(t *testing.T) {
	const text = `
deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://docker.test/linux/debian bookworm stable
deb [signed-by=/usr/share/keyrings/tailscale-archive-keyring.gpg] https://tail.test/stable/debian bookworm main
deb [arch=amd64] https://chrome.test/linux/chrome/deb/ stable main
# deb http://commented.test/debian bookworm main
deb-src http://source.test/debian bookworm main
deb http://plain.test/debian bookworm main contrib # comment
deb [arch=amd64 signed-by=/etc/debian-archive-k.gpg] http://sec.test/debian-security bookworm-security main
deb [ trusted=yes ] http://third.test/x stable main
deb broken
`
	main, security := debianMirrors(parseOneLine(text))
	if len(main.uris) != 1 || main.uris[0] != "http://plain.test/debian" {
		t.Errorf("main is %+v", main)
	}
	if len(security.uris) != 1 || security.uris[0] != "http://sec.test/debian-security" || security.signedBy != "/etc/debian-archive-k.gpg" {
		t.Errorf("security is %+v", security)
	}
}

// TestMachineSources reads all the files that apt would.
func TestMachineSources(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"etc/apt/sources.list":                  "deb http://a.test/debian bookworm main\n",
		"etc/apt/sources.list.d/x.list":         "deb http://b.test/debian sid main\n",
		"etc/apt/sources.list.d/debian.sources": deb822,
		"etc/apt/sources.list.d/y.sources.bak":  "deb http://no.test/debian sid main\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, err := machineSources(root)
	if err != nil || len(all) != 5 {
		t.Errorf("%d sources, %v, want 5", len(all), err)
	}
	if all, err := machineSources(t.TempDir()); err != nil || len(all) != 0 {
		t.Errorf("no apt: %d sources, %v", len(all), err)
	}
}

// TestNoMirror: a machine without Debian or Ubuntu gets no sources.
func TestNoMirror(t *testing.T) {
	if text, offered := isolatedSources(parseOneLine("deb http://archive.test/mint noble main")); text != "" || offered != nil {
		t.Errorf("offered %v", offered)
	}
}

// TestUbuntu: the machine's own suites, once each.
func TestUbuntu(t *testing.T) {
	text, offered := isolatedSources(parseDeb822(`Types: deb
URIs: http://archive.test/ubuntu/
Suites: noble noble-updates
Components: main restricted
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

Types: deb
URIs: http://security.test/ubuntu
Suites: noble-security noble
Components: main
`))
	if diff := cmp.Diff([]string{"noble", "noble-updates", "noble-security"}, offered); diff != "" {
		t.Errorf("suites (-want +got):\n%s", diff)
	}
	want := "URIs: http://security.test/ubuntu\nSuites: noble-security\nComponents: main\nTargets: Packages\nSigned-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n"
	if !strings.Contains(text, want) {
		t.Errorf("%q is not in:\n%s", want, text)
	}
}

func FuzzSources(f *testing.F) {
	f.Add(deb822)
	f.Add("deb [a=b http://x y z")
	f.Fuzz(func(t *testing.T, text string) {
		isolatedSources(append(parseDeb822(text), parseOneLine(text)...))
	})
}
