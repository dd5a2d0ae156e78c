// SPDX-License-Identifier: MIT

package kernel

import (
	"fmt"
	"slices"
)

// offline finds the kernels of a query in the cache.
func (r Resolver) offline(q query) ([]Ref, error) {
	cached, err := r.Cache.refs()
	if err != nil {
		return nil, err
	}
	if !isVersions(q.pattern) {
		for _, ref := range cached {
			if ref.Source == q.source && (ref.Name == q.text || ref.Package == q.pattern) {
				return []Ref{ref}, nil
			}
		}
		return nil, fmt.Errorf("kernel %s is not in the cache, and --offline leaves %s alone", q.text, q.source)
	}
	if q.source != "" {
		cached = slices.DeleteFunc(cached, func(ref Ref) bool { return ref.Source != q.source })
	}
	var refs []Ref
	for _, c := range expand(cached, q) {
		c.candidates[0].Name = q.named(c.version)
		refs = append(refs, c.candidates[0])
	}
	if len(refs) == 0 {
		return nil, fmt.Errorf("kernel %s is not in the cache, and --offline leaves the sources alone", q.text)
	}
	return refs, nil
}
