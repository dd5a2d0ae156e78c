// SPDX-License-Identifier: MIT

package kernel

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// mainlineFingerprint is that of the key that signs Ubuntu's mainline builds:
// https://wiki.ubuntu.com/Kernel/MainlineBuilds. A key with another one is not
// used, wherever it comes from.
const mainlineFingerprint = "60AA7B6F30434AE68E569963E50C6A0917C622B0"

// keys are those that may sign mainline builds.
func (m *mainline) keys(ctx context.Context) (openpgp.EntityList, error) {
	if m.places.MainlineKey != "" {
		text, err := os.ReadFile(m.places.MainlineKey)
		if err != nil {
			return nil, err
		}
		return readKeys(text)
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

// knownKey takes the one key whose fingerprint is known.
func knownKey(text []byte) (openpgp.EntityList, error) {
	keys, err := readKeys(text)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if strings.EqualFold(hex.EncodeToString(key.PrimaryKey.Fingerprint), mainlineFingerprint) {
			return openpgp.EntityList{key}, nil
		}
	}
	return nil, fmt.Errorf("the key server's answer does not have the key %s", mainlineFingerprint)
}

func readKeys(text []byte) (openpgp.EntityList, error) {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN")) {
		return openpgp.ReadArmoredKeyRing(bytes.NewReader(text))
	}
	return openpgp.ReadKeyRing(bytes.NewReader(text))
}

// errSignature is text that was not signed by whom it should be.
var errSignature = errors.New("signature is not valid")

// verifyDetached checks the signature of a text, armored or not.
func verifyDetached(keys openpgp.EntityList, text, signature []byte) error {
	check := openpgp.CheckDetachedSignature
	if bytes.HasPrefix(bytes.TrimSpace(signature), []byte("-----BEGIN")) {
		check = openpgp.CheckArmoredDetachedSignature
	}
	if _, err := check(keys, bytes.NewReader(text), bytes.NewReader(signature), nil); err != nil {
		return fmt.Errorf("%w: %w", errSignature, err)
	}
	return nil
}
