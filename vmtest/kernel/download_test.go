// SPDX-License-Identifier: MIT

package kernel

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// unreliable serves data, and breaks off every answer until it got enough requests.
type unreliable struct {
	data   []byte
	breaks int32 // answers that are broken off
	asked  atomic.Int32
	ranges atomic.Int32
	first  int // status of the first answer, if not 0
	silent bool
}

func (u *unreliable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := u.asked.Add(1)
	if n == 1 && u.first != 0 {
		w.WriteHeader(u.first)
		return
	}
	if r.Header.Get("Range") != "" {
		u.ranges.Add(1)
	}
	if n > u.breaks {
		http.ServeContent(w, r, "x.deb", time.Time{}, bytes.NewReader(u.data))
		return
	}
	rest := u.data
	var offset int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &offset); err == nil {
		rest = rest[offset:]
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, len(u.data)-1, len(u.data)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(rest)))
	if offset > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(rest[:len(rest)/2])
	_ = http.NewResponseController(w).Flush()
	if u.silent {
		<-r.Context().Done()
	}
	panic(http.ErrAbortHandler)
}

func serve(t *testing.T, u *unreliable) (*downloader, string, string) {
	t.Helper()
	u.data = make([]byte, 1<<20)
	_, _ = rand.Read(u.data)
	server := httptest.NewServer(u)
	t.Cleanup(server.Close)
	d := &downloader{client: server.Client(), dir: t.TempDir(), phase: func(string) {}}
	return d, server.URL + "/x.deb", fmt.Sprintf("%x", sha256.Sum256(u.data))
}

// TestDownloadGoesOn: an interrupted download is resumed.
func TestDownloadGoesOn(t *testing.T) {
	u := &unreliable{breaks: 3}
	d, url, sum := serve(t, u)
	path, err := d.file(t.Context(), url, sum)
	check(t, err)
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, u.data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if u.ranges.Load() != 3 {
		t.Errorf("%d requests went on, want 3", u.ranges.Load())
	}
}

// TestDownloadGoesOnLater: a second process resumes the download of a first one, and
// restarts it if that was of another file.
func TestDownloadGoesOnLater(t *testing.T) {
	for name, left := range map[string]func(data []byte) []byte{
		"half":      func(data []byte) []byte { return data[:len(data)/2] },
		"all":       func(data []byte) []byte { return data },
		"too much":  func(data []byte) []byte { return append(bytes.Clone(data), "more"...) },
		"something": func(data []byte) []byte { return []byte("something else") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := &unreliable{}
			d, url, sum := serve(t, u)
			write(t, filepath.Join(d.dir, sum+".part"), left(u.data))
			path, err := d.file(t.Context(), url, sum)
			check(t, err)
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, u.data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

func TestDownloadTriesAgain(t *testing.T) {
	u := &unreliable{first: http.StatusServiceUnavailable}
	d, url, sum := serve(t, u)
	if _, err := d.file(t.Context(), url, sum); err != nil {
		t.Error(err)
	}
	u = &unreliable{first: http.StatusNotFound}
	d, url, sum = serve(t, u)
	if _, err := d.file(t.Context(), url, sum); !errors.Is(err, errGone) || u.asked.Load() != 1 {
		t.Errorf("asked %d times: %v", u.asked.Load(), err)
	}
	u = &unreliable{breaks: 100}
	d, url, sum = serve(t, u)
	if _, err := d.file(t.Context(), url, sum); err == nil || u.asked.Load() != maxTries {
		t.Errorf("asked %d times: %v", u.asked.Load(), err)
	}
}

// TestDownloadStalls: a server that stops sending is given up.
func TestDownloadStalls(t *testing.T) {
	u := &unreliable{breaks: 1, silent: true}
	d, url, sum := serve(t, u)
	d.stall = 200 * time.Millisecond
	if _, err := d.file(t.Context(), url, sum); err != nil {
		t.Error(err)
	}
	if u.asked.Load() != 2 {
		t.Errorf("asked %d times, want 2", u.asked.Load())
	}
}

func TestDownloadNamesTheProblem(t *testing.T) {
	d := &downloader{client: http.DefaultClient, dir: t.TempDir(), phase: func(string) {}}
	if _, err := d.file(t.Context(), "http://127.0.0.1:1/x.deb", strings.Repeat("0", 64)); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got %v", err)
	}
	u := &unreliable{}
	d, url, _ := serve(t, u)
	if _, err := d.file(t.Context(), url, strings.Repeat("0", 64)); !errors.Is(err, errChanged) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(d.dir, "*")); len(left) != 0 {
		t.Errorf("what is wrong was kept: %v", left)
	}
}
