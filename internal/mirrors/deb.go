// SPDX-License-Identifier: MIT

// Package mirrors serves kernels on loopback in the layouts of the archives on
// the Internet, for tests: a real HTTP server, a real registry, real signatures.
package mirrors

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// File is a file of a package or of a layer.
type File struct {
	Name string
	Data []byte
}

// Tar makes an archive of files.
func Tar(t testing.TB, files ...File) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		check(t, w.WriteHeader(&tar.Header{Name: f.Name, Mode: 0o644, Size: int64(len(f.Data)), Typeflag: tar.TypeReg}))
		_, err := w.Write(f.Data)
		check(t, err)
	}
	check(t, w.Close())
	return b.Bytes()
}

// Deb makes a Debian package, its data compressed by xz or zst. control is its
// control file.
func Deb(t testing.TB, compression, control string, files ...File) []byte {
	t.Helper()
	files = slices.Clone(files)
	for i := range files {
		files[i].Name = "./" + files[i].Name
	}
	b := []byte("!<arch>\n")
	for _, member := range []File{
		{"debian-binary", []byte("2.0\n")},
		{"control.tar", Tar(t, File{"./control", []byte(control)})},
		{"data.tar." + compression, Pack(t, "."+compression, Tar(t, files...))},
	} {
		b = fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", member.Name, 0, 0, 0, 0o100644, len(member.Data), member.Data)
		if len(member.Data)%2 == 1 {
			b = append(b, '\n')
		}
	}
	return b
}

// Pack compresses data as the ending of a name says: .gz, .xz, .zst, or not at
// all.
func Pack(t testing.TB, ending string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch ending {
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".xz":
		w, err = xz.NewWriter(&b)
	case ".zst":
		w, err = zstd.NewWriter(&b)
	case "":
		return data
	default:
		t.Fatalf("ending %s", ending)
	}
	check(t, err)
	_, err = w.Write(data)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
