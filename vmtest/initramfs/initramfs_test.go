// SPDX-License-Identifier: MIT

package initramfs

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, []File{{Name: "init", Mode: Regular | 0o755, Data: []byte("hello")}}); err != nil {
		t.Fatal(err)
	}
	const header = "070701" + "00000001" + "000081ed" + "00000000" + "00000000" + "00000001" + "00000000" +
		"00000005" + "00000000" + "00000000" + "00000000" + "00000000" + "00000005" + "00000000"
	// 110 bytes of header and 5 of the name are padded by one, 5 of data by three.
	want := header + "init\x00\x00" + "hello\x00\x00\x00"
	if got := b.String(); !strings.HasPrefix(got, want[:len(want)-4]) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if b.Len()%4 != 0 || !strings.Contains(b.String(), "TRAILER!!!\x00") {
		t.Errorf("archive of %d bytes has no end", b.Len())
	}
}

func TestPad(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 3, 2: 2, 3: 1, 4: 0, 115: 1} {
		if got := len(pad(n)); got != want {
			t.Errorf("pad(%d) has %d bytes, want %d", n, got, want)
		}
	}
}

// TestSelf: the same program gives the same file, and a damaged one is replaced.
func TestSelf(t *testing.T) {
	dir := t.TempDir()
	first, err := Self(dir)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(first, whole[:1000], 0o644); err != nil {
		t.Fatal(err)
	}
	second, err := Self(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	if first != second || !bytes.Equal(whole, again) {
		t.Errorf("%s, then %s with %d of %d bytes", first, second, len(again), len(whole))
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

func TestCheckStatic(t *testing.T) {
	path, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := elf.NewFile(bytes.NewReader(program)); err != nil {
		t.Fatal(err)
	}
	if err := CheckStatic(program); !errors.Is(err, ErrNotStatic) {
		t.Errorf("%s: %v, want it refused", path, err)
	}
	if CheckStatic([]byte("text")) == nil {
		t.Error("text accepted as a program")
	}
}
