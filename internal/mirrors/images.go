// SPDX-License-Identifier: MIT

package mirrors

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// NewRegistry starts a registry and returns its host and port.
func NewRegistry(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// Push puts an image with these layers into a registry, and returns its digest.
func Push(t testing.TB, reference string, layers ...[]byte) string {
	t.Helper()
	ref, err := name.ParseReference(reference)
	check(t, err)
	var all []v1.Layer
	for _, data := range layers {
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
		check(t, err)
		all = append(all, layer)
	}
	image, err := mutate.AppendLayers(empty.Image, all...)
	check(t, err)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: rootFS(t, image)})
	check(t, err)
	check(t, remote.Write(ref, image))
	digest, err := image.Digest()
	check(t, err)
	return digest.String()
}

func rootFS(t testing.TB, image v1.Image) v1.RootFS {
	t.Helper()
	config, err := image.ConfigFile()
	check(t, err)
	return config.RootFS
}
