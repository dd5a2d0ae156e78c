// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// downloader fetches files over HTTP. It resumes interrupted downloads.
type downloader struct {
	client *http.Client
	dir    string // of partial files
	phase  func(string)
	// stall is how long a body may make no progress. Default: 30 s.
	stall time.Duration
}

// maxTries is the maximum number of requests; the pause before the next grows from half a
// second.
const maxTries = 4

// maxTextBytes bounds an answer that is read into memory.
const maxTextBytes = 8 << 20

// errGone is a file that the server does not have.
var errGone = errors.New("not there")

// errChanged is a file that does not match its checksum.
var errChanged = errors.New("does not have the checksum that was published for it")

// text returns a small file.
func (d *downloader) text(ctx context.Context, url string) ([]byte, error) {
	return backoff.Retry(ctx, func() ([]byte, error) {
		response, err := d.get(ctx, url, 0)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(io.LimitReader(response.Body, maxTextBytes+1))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", url, err)
		}
		if len(text) > maxTextBytes {
			return nil, backoff.Permanent(fmt.Errorf("read %s: more than %d MiB", url, maxTextBytes>>20))
		}
		return text, nil
	}, backoff.WithMaxTries(maxTries), backoff.WithBackOff(pauses()))
}

func pauses() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 500 * time.Millisecond
	return b
}

// get requests a file from an offset on. Errors that a retry would not change are
// permanent.
func (d *downloader) get(ctx context.Context, url string, offset int64) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	if offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	response, err := d.client.Do(request)
	if err != nil {
		return nil, err // it names the address
	}
	switch code := response.StatusCode; {
	case code == http.StatusOK, code == http.StatusPartialContent, code == http.StatusRequestedRangeNotSatisfiable:
		return response, nil
	case code == http.StatusNotFound, code == http.StatusGone:
		err = backoff.Permanent(fmt.Errorf("%s: %w", url, errGone))
	case code >= 400 && code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests:
		err = backoff.Permanent(fmt.Errorf("%s: %s", url, response.Status))
	default:
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil, errors.Join(err, response.Body.Close())
}

// file downloads a file whose SHA-256 is known, and returns its path. The caller removes
// it.
func (d *downloader) file(ctx context.Context, url, sum string) (string, error) {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache directory: %w (set another with RINGTWIN_CACHE)", err)
	}
	part := filepath.Join(d.dir, sum+".part")
	fromStart := false
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := d.goOn(ctx, url, part)
		if err != nil {
			return struct{}{}, err
		}
		switch have, err := sumFile(part); {
		case err != nil:
			return struct{}{}, backoff.Permanent(err)
		case have == sum:
			return struct{}{}, nil
		}
		// An old partial download may be of another file: retry once, from the start.
		err = errors.Join(fmt.Errorf("%s %w", url, errChanged), os.Remove(part))
		if fromStart {
			return struct{}{}, backoff.Permanent(err)
		}
		fromStart = true
		return struct{}{}, err
	}, backoff.WithMaxTries(maxTries), backoff.WithBackOff(pauses()))
	if err != nil {
		return "", err
	}
	whole := filepath.Join(d.dir, sum+path.Ext(url))
	return whole, os.Rename(part, whole)
}

// goOn appends the missing part to the file.
func (d *downloader) goOn(ctx context.Context, url, part string) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	file, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return backoff.Permanent(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return backoff.Permanent(err)
	}
	have := info.Size()
	response, err := d.get(ctx, url, have)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return nil // nothing is missing; the checksum decides
	case response.StatusCode == http.StatusOK && have > 0:
		if err := file.Truncate(0); err != nil { // the server does not resume
			return backoff.Permanent(err)
		}
		have = 0
	}
	if n := response.ContentLength; n > 0 {
		if err := checkSpace(d.dir, uint64(n)); err != nil {
			return backoff.Permanent(err)
		}
	}
	w := &progress{w: file, done: have, total: have + response.ContentLength, name: path.Base(url), phase: d.phase}
	stall := d.stall
	if stall == 0 {
		stall = 30 * time.Second
	}
	w.alive = time.AfterFunc(stall, func() { cancel(fmt.Errorf("%s: nothing came for %s", url, stall)) })
	w.stall = stall
	defer w.alive.Stop()
	if _, err := io.Copy(w, response.Body); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("get %s: %w", url, err)
	}
	return nil
}

// progress counts the bytes, and reports every five percent.
type progress struct {
	w           io.Writer
	done, total int64
	said        int64
	name        string
	phase       func(string)
	alive       *time.Timer
	stall       time.Duration
}

func (p *progress) Write(b []byte) (int, error) {
	p.alive.Reset(p.stall)
	n, err := p.w.Write(b)
	p.done += int64(n)
	if p.total > 0 && (p.done-p.said)*20 > p.total {
		p.said = p.done
		p.phase(fmt.Sprintf("fetch %s, %d of %d MiB", p.name, p.done>>20, p.total>>20))
	}
	return n, err
}
