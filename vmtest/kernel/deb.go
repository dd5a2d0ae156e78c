// SPDX-License-Identifier: MIT

package kernel

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// arHeaderBytes is the size of a member's header in an ar archive.
const arHeaderBytes = 60

// walkDeb calls visit for every regular file of a Debian package until visit
// returns false. Names start with ./ in the archive and without here.
//
// https://manpages.debian.org/bookworm/dpkg-dev/deb.5.en.html
func walkDeb(file string, visit func(name string, r io.Reader) (more bool, err error)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil || string(head) != "!<arch>\n" {
		return fmt.Errorf("%s is no Debian package", file)
	}
	for {
		name, size, err := arHeader(r)
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s has no data member", file)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		member := io.LimitReader(r, size)
		if strings.HasPrefix(name, "data.tar") {
			if err := walkTar(name, member, visit); err != nil {
				return fmt.Errorf("read %s: %w", file, err)
			}
			return nil
		}
		if _, err := io.Copy(io.Discard, io.LimitReader(r, size+size%2)); err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
	}
}

func arHeader(r io.Reader) (name string, size int64, err error) {
	var h [arHeaderBytes]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return "", 0, err
	}
	name = strings.TrimRight(string(h[:16]), " /")
	size, err = strconv.ParseInt(strings.TrimSpace(string(h[48:58])), 10, 64)
	if err != nil || size < 0 || string(h[58:]) != "`\n" {
		return "", 0, errors.New("broken archive header")
	}
	return name, size, nil
}

func walkTar(name string, r io.Reader, visit func(string, io.Reader) (bool, error)) error {
	r, closer, err := decompress(name, r)
	if err != nil {
		return err
	}
	defer closer()
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		more, err := visit(path.Clean(h.Name), t)
		if err != nil || !more {
			return err
		}
	}
}

// decompress chooses the format by the ending of the name.
func decompress(name string, r io.Reader) (io.Reader, func(), error) {
	nothing := func() {}
	switch path.Ext(name) {
	case ".tar":
		return r, nothing, nil
	case ".gz":
		z, err := gzip.NewReader(r)
		return z, nothing, err
	case ".xz":
		z, err := xz.NewReader(r)
		return z, nothing, err
	case ".zst":
		z, err := zstd.NewReader(r)
		if err != nil {
			return nil, nothing, err
		}
		return z, z.Close, nil
	}
	return nil, nothing, fmt.Errorf("compression of %s is not known", name)
}
