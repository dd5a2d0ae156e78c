// SPDX-License-Identifier: MIT

package wire

// Command asks a guest to run a program of its initramfs, without input.
type Command struct {
	Args []string `json:"args"` // the program's path first
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
}

// CorePath is where the kernel leaves the core dump of a program.
const CorePath = "/ringtwin/core"

// Output is a piece of what a program does. Exactly one field is set.
type Output struct {
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	// Exit is the exit code; 128 + n where signal n ended it, as in a shell.
	Exit *int `json:"exit,omitempty"`
}

// PieceBytes is how much of an output fits in one frame.
const PieceBytes = 256 << 10

// State is the body of a frame that says ready.
type State struct {
	Release string `json:"release"` // of uname(2)
	CPUs    int    `json:"cpus"`    // online
}
