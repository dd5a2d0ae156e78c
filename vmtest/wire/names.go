// SPDX-License-Identifier: MIT

package wire

// ControlPort is the serial port that requests come from: the second, since
// the kernel writes to the first.
const ControlPort = "/dev/ttyS1"

// VirtualWord on the kernel's command line means that time is virtual: the host must send
// nothing, because its time of arrival would vary.
const VirtualWord = "ringtwin.virtual"

// RequestItem is the name of the request in QEMU's firmware configuration.
const RequestItem = "opt/ringtwin/request"

// HostRoot is the directory of the initramfs that becomes the root of a machine for
// programs, without a leading slash.
const HostRoot = "root"
