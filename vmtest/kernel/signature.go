// SPDX-License-Identifier: MIT

package kernel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/openpgp"
)

// mainlineFingerprint is that of the key that signs Ubuntu's mainline builds:
// https://wiki.ubuntu.com/Kernel/MainlineBuilds. A key with another one is not
// used, wherever it comes from.
const mainlineFingerprint = "60AA7B6F30434AE68E569963E50C6A0917C622B0"

// keys are those that may sign mainline builds.
func (m *mainline) keys(ctx context.Context) ([]*openpgp.Key, error) {
	if m.places.MainlineKey != "" {
		text, err := os.ReadFile(m.places.MainlineKey)
		if err != nil {
			return nil, err
		}
		return openpgp.ReadKeys(text)
	}
	// Kept, so that the key server is asked once.
	kept := filepath.Join(m.get.dir, "..", "keys", mainlineFingerprint+".asc")
	if text, err := os.ReadFile(kept); err == nil {
		if keys, err := knownKey(text); err == nil {
			return keys, nil
		}
	}
	text, err := m.get.text(ctx, m.places.keyServer()+"/pks/lookup?op=get&options=mr&search=0x"+mainlineFingerprint)
	if err != nil {
		return nil, err
	}
	keys, err := knownKey(text)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err == nil {
		_ = os.WriteFile(kept, text, 0o644) // without it, it is asked for again
	}
	return keys, nil
}

// knownKey returns the one key whose fingerprint is known.
func knownKey(text []byte) ([]*openpgp.Key, error) {
	keys, err := openpgp.ReadKeys(text)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key.Fingerprint == mainlineFingerprint {
			return []*openpgp.Key{key}, nil
		}
	}
	return nil, fmt.Errorf("the key server's answer does not have the key %s", mainlineFingerprint)
}

// verifyDetached checks the signature of a text, armored or not.
func verifyDetached(keys []*openpgp.Key, text, signature []byte) error {
	return openpgp.Verify(keys, text, signature, time.Now())
}
