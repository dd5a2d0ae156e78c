// SPDX-License-Identifier: MIT

// Package workflows has only tests: they execute the workflows of .github/workflows and
// action.yml with act, which runs them on this machine, with its kernels and QEMU. The
// actions of others are replaced by stand-ins (package standin). Containers, runners and
// branch protection are not executed.
package workflows
