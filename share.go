// SPDX-License-Identifier: MIT

package ringtwin

import (
	"errors"

	"github.com/ringtwin/ringtwin/harness/record"
	"github.com/ringtwin/ringtwin/harness/results"
	"github.com/ringtwin/ringtwin/vmtest/kernel"
)

// ErrEmptyShare is returned for a shard that has nothing to measure, because there are more
// shards than units of work. It is no failure.
var ErrEmptyShare = errors.New("nothing to measure here")

// Work is what the campaign has to measure on these kernels, and the shard's share of it.
// It needs no host.
func (c *Campaign) Work(refs []kernel.Ref) (*results.Work, error) {
	spec := c.Spec
	spec.Virtual = c.Clock == record.Virtual
	work, err := results.NewWork(c.Plan, c.Clock, spec.Defaults().CPUs, c.Shard)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		k := results.WorkKernel{Name: ref.Name, Source: ref.Source, Package: ref.Package}
		if err := ref.Unresolved(); err != nil {
			k.Reason = firstLine(err)
		}
		work.Kernels = append(work.Kernels, k)
	}
	return work, nil
}
