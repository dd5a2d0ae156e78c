// SPDX-License-Identifier: MIT

package mirrors

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry/remote"
)

// NewRegistry starts a registry, behind what is wrapped around it, and returns its host
// and port.
func NewRegistry(t testing.TB, wrap ...func(http.Handler) http.Handler) string {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	for _, w := range wrap {
		handler = w(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// Push puts an image with these layers into a registry, and returns its digest.
func Push(t testing.TB, reference string, layers ...[]byte) string {
	t.Helper()
	repository := open(t, reference)
	manifest := pushManifest(t, repository, layers...)
	check(t, repository.Tag(t.Context(), manifest, repository.Reference.Reference))
	return manifest.Digest.String()
}

// PushIndex puts an image for several architectures into a registry, of one layer each,
// and returns its digest.
func PushIndex(t testing.TB, reference string, layers map[string][]byte) string {
	t.Helper()
	repository := open(t, reference)
	var all []ocispec.Descriptor
	for arch, layer := range layers {
		m := pushManifest(t, repository, layer)
		m.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
		all = append(all, m)
	}
	text, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: all})
	check(t, err)
	index := content.NewDescriptorFromBytes(ocispec.MediaTypeImageIndex, text)
	check(t, repository.PushReference(t.Context(), index, bytes.NewReader(text), repository.Reference.Reference))
	return index.Digest.String()
}

func open(t testing.TB, reference string) *remote.Repository {
	t.Helper()
	repository, err := remote.NewRepository(reference)
	check(t, err)
	repository.PlainHTTP = true
	return repository
}

func pushManifest(t testing.TB, repository *remote.Repository, layers ...[]byte) ocispec.Descriptor {
	t.Helper()
	push := func(mediaType string, data []byte) ocispec.Descriptor {
		d := content.NewDescriptorFromBytes(mediaType, data)
		check(t, repository.Push(t.Context(), d, bytes.NewReader(data)))
		return d
	}
	config := push(ocispec.MediaTypeImageConfig, []byte(`{"os":"linux","architecture":"amd64"}`))
	var all []ocispec.Descriptor
	for _, data := range layers {
		all = append(all, push(ocispec.MediaTypeImageLayer, data))
	}
	manifest, err := oras.PackManifest(t.Context(), repository, oras.PackManifestVersion1_0, "", oras.PackManifestOptions{
		ConfigDescriptor: &config, Layers: all, ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: "2026-01-01T00:00:00Z"},
	})
	check(t, err)
	return manifest
}
