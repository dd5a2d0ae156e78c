// SPDX-License-Identifier: MIT

//go:build !(386 || amd64)

package bpf

import (
	"errors"
	"runtime"

	"github.com/cilium/ebpf"
)

// errNoObjects: the programs read registers of an architecture, so there is an object for
// each; see generate.go.
var errNoObjects = errors.New("no BPF objects for " + runtime.GOARCH)

func loadTwinPerf() (*ebpf.CollectionSpec, error)          { return nil, errNoObjects }
func loadTwinRingbuf() (*ebpf.CollectionSpec, error)       { return nil, errNoObjects }
func loadTwinRingbufOutput() (*ebpf.CollectionSpec, error) { return nil, errNoObjects }
