// SPDX-License-Identifier: MIT

package kernel

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	reference "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// parseImage parses the name of an image as other tools do: without a host it is on
// Docker Hub, without a tag it is the newest.
func parseImage(text string) (reference.Reference, error) {
	if first, _, found := strings.Cut(text, "/"); !found {
		text = "docker.io/library/" + text
	} else if !strings.ContainsAny(first, ".:") && first != "localhost" {
		text = "docker.io/" + text
	}
	image, err := reference.ParseReference(text)
	if err != nil {
		return image, fmt.Errorf("%w: %w", ErrNotNamed, err)
	}
	if image.Reference == "" {
		image.Reference = "latest"
	}
	return image, nil
}

// open opens the repository of an image. A registry on this machine is accessed without
// TLS, and may name itself as the issuer of tokens.
func (g *registry) open(image reference.Reference) *remote.Repository {
	client := &auth.Client{
		Client:     &http.Client{Transport: retry.NewTransport(g.client.Transport)},
		Cache:      auth.NewCache(),
		Credential: storedCredential(),
	}
	client.SetUserAgent("ringtwin")
	repository := &remote.Repository{Reference: image, Client: client}
	if isLoopback(image.Registry) {
		repository.PlainHTTP = true
		client.BlockedRealmPrefixes = []netip.Prefix{}
	}
	return repository
}

func isLoopback(hostPort string) bool {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// storedCredential looks for credentials of docker login or podman login. Without any,
// and for most kernels, access is anonymous.
func storedCredential() auth.CredentialFunc {
	var stores []credentials.Store
	if store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{}); err == nil {
		stores = append(stores, store)
	}
	for _, path := range []string{os.Getenv("REGISTRY_AUTH_FILE"), filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")} {
		if !filepath.IsAbs(path) {
			continue
		}
		if store, err := credentials.NewStore(path, credentials.StoreOptions{}); err == nil {
			stores = append(stores, store)
		}
	}
	if len(stores) == 0 {
		return nil
	}
	return credentials.Credential(credentials.NewStoreWithFallbacks(stores[0], stores[1:]...))
}

// layersOf returns the layers of an image for an architecture, lowest first. Each
// manifest on the way has the digest by which it was requested.
func layersOf(ctx context.Context, from *remote.Repository, digest, arch string) ([]ocispec.Descriptor, error) {
	descriptor, err := from.Resolve(ctx, digest)
	if err != nil {
		return nil, err
	}
	if from.Reference.ValidateReferenceAsDigest() == nil && descriptor.Digest.String() != digest {
		return nil, fmt.Errorf("asked for %s, the registry has %s", digest, descriptor.Digest)
	}
	for range 2 { // an index, and a manifest
		text, err := content.FetchAll(ctx, from.Manifests(), descriptor)
		if err != nil {
			return nil, err
		}
		// An image for several platforms is an index of manifests.
		var manifest struct {
			Layers    []ocispec.Descriptor `json:"layers"`
			Manifests []ocispec.Descriptor `json:"manifests"`
		}
		if err := json.Unmarshal(text, &manifest); err != nil {
			return nil, fmt.Errorf("read manifest %s: %w", descriptor.Digest, err)
		}
		if len(manifest.Manifests) == 0 {
			return manifest.Layers, nil
		}
		found := false
		for _, m := range manifest.Manifests {
			if p := m.Platform; p != nil && p.OS == "linux" && p.Architecture == arch {
				descriptor, found = m, true
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("%s is not there for linux/%s", digest, arch)
		}
	}
	return nil, fmt.Errorf("%s is an index of indexes", digest)
}

// compression tells by the first bytes how a layer is packed, as the ending of a name
// that has it. What media types say differs between builders.
func compression(r *bufio.Reader) string {
	head, _ := r.Peek(4) // of what is shorter, what there is
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return ".gz"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return ".zst"
	}
	return ".tar"
}
