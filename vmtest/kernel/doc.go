// SPDX-License-Identifier: MIT

// Package kernel resolves the user's name of a kernel to a bundle: an image that is ready
// to boot, with its configuration and origin.
//
// A bare version is looked up in the archive of Debian or Ubuntu through apt, with a
// state that does not affect the machine's apt, then in Ubuntu's mainline builds, then
// among the images of a registry. A prefix (mainline:6.5) selects one source. A path is
// used as it is. Bundles are cached by the SHA-256 of the image; several processes may
// use the cache at once. Nothing is booted here.
package kernel
