// SPDX-License-Identifier: MIT

package trace

import (
	"encoding/json"
	"io"
)

// Format selects the output of traces. The zero value is text.
type Format struct {
	JSON, Markdown bool
	// Attachments shows each way to attach instead of the calls. Probes also shows the
	// library's feature probes.
	Attachments, Probes bool
}

// Write writes the traces of kernels, if there are any, and how they grow with the CPUs.
func Write(w io.Writer, kernels []Kernel, f Format) error {
	for i := range kernels {
		kernels[i].Growth = Grow(kernels[i].Traces)
	}
	switch {
	case len(kernels) == 0:
		return nil
	case f.JSON:
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		return out.Encode(kernels)
	case f.Attachments && f.Markdown:
		return AttachmentsMarkdown(w, kernels)
	case f.Attachments:
		return AttachmentsText(w, kernels)
	case f.Markdown:
		return Markdown(w, kernels, f.Probes)
	}
	return Text(w, kernels, f.Probes)
}
