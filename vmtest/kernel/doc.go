// SPDX-License-Identifier: MIT

// Package kernel turns what a user calls a kernel into a bundle: an image that
// is ready to boot, with its configuration and where it came from.
//
// A bare version is looked for in the archive of Debian or Ubuntu by way of apt,
// in a state of its own that leaves the machine's apt alone, then among Ubuntu's
// mainline builds, then among the images of a registry. A source in front of it
// (mainline:6.5) takes that source only. A path is taken as it is. Bundles are
// kept in a cache by the SHA-256 of the image, which several processes may use
// at once. Nothing is booted here.
package kernel
