// SPDX-License-Identifier: MIT

package wire

// HostWord on the kernel's command line means that the machine is for programs, which
// shall take it for a host, and that its memory is shared.
const HostWord = "ringtwin.host"

// Session asks a guest to run a program. Pieces of files and standard input follow, as
// frames of kind [Input]. The guest answers with [Report] values, of which the last has
// Ended.
type Session struct {
	Path    string   `json:"path"` // of the program
	Args    []string `json:"args"` // its own name first
	Env     []string `json:"env"`
	Dir     string   `json:"dir"`
	Stdin   bool     `json:"stdin,omitempty"`   // pieces of it will follow
	OneFile bool     `json:"oneFile,omitempty"` // standard output and error are the same
	// Terminal is the size of one that the program has as input and output.
	Terminal *Size `json:"terminal,omitempty"`
	// User runs the program, and owns the files that it brings along.
	User User `json:"user"`
	// Mounts, Sysctls and Modules are set up in this order.
	Modules []string  `json:"modules,omitempty"` // paths, each after what it needs
	Mounts  []Mount   `json:"mounts,omitempty"`
	Sysctls []Setting `json:"sysctls,omitempty"`
	Core    bool      `json:"core,omitempty"` // leave a core dump as [CorePath]
	// Fetch are paths of files and directories to return. One that is missing is not an
	// error.
	Fetch []string `json:"fetch,omitempty"`
	// Tree is the directory whose changes are looked for, or "". Those below a directory
	// whose name is in Keep are returned; "" in Keep is every directory.
	Tree string   `json:"tree,omitempty"`
	Keep []string `json:"keep,omitempty"`
	// Now is the time of day, since a restored machine's has stopped, in Unix
	// nanoseconds. Entropy is for the kernel's random numbers, which the machines that are
	// restored from one snapshot share.
	Now     int64  `json:"now"`
	Entropy []byte `json:"entropy"`
	// Mark is what the guest writes to the console before and after the program.
	Mark string `json:"mark"`
}

// User is who runs a program.
type User struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
}

// Mount is a file system to mount.
type Mount struct {
	Type    string `json:"type"`
	Target  string `json:"target"`
	Options string `json:"options,omitempty"`
}

// Setting is a value below /proc/sys.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Size is that of a terminal.
type Size struct {
	Rows    uint16 `json:"rows"`
	Columns uint16 `json:"columns"`
}

// Stream names a sequence of bytes between host and guest.
type Stream string

// The streams. The files of both directions are tar archives, with absolute paths without
// the leading slash.
const (
	Stdin  Stream = "in"
	Stdout Stream = "out" // or of the terminal
	Stderr Stream = "err"
	Files  Stream = "files"
)

// Chunk is a piece of a stream, in order.
type Chunk struct {
	Stream Stream `json:"stream"`
	// Data is the piece, or it is in a slot of the guest's buffer: its first Bytes bytes.
	// Either is empty at the end of a stream.
	Data  []byte `json:"data,omitempty"`
	Slot  int    `json:"slot,omitempty"`
	Bytes int    `json:"bytes,omitempty"`
	Sum   uint32 `json:"sum,omitempty"`
	End   bool   `json:"end,omitempty"`
	// After is the time stamp of the last line in the kernel's log before the guest read it
	// from the program, in microseconds since boot.
	After int64 `json:"after,omitempty"`
}

// BufferBytes is the size of the buffer that host and guest share: a power of two, as that
// of the memory of any PCI device.
const BufferBytes = 16 * SlotBytes

// SlotBytes is the size of a slot. The first half of the slots of a buffer is for the
// host's pieces, and the second half for the guest's.
const SlotBytes = 2 << 20

// InlineBytes is up to which size a piece is in the frame itself.
const InlineBytes = 1 << 10

// ToGuest is the body of an [Input] frame. One field is set.
type ToGuest struct {
	Chunk  *Chunk `json:"chunk,omitempty"`
	Free   *int   `json:"free,omitempty"` // a slot that the guest may fill again
	Signal int    `json:"signal,omitempty"`
	Size   *Size  `json:"size,omitempty"` // the terminal's new one
	Over   bool   `json:"over,omitempty"` // the session has ended
}

// Report is a piece of what happens in a session. One field is set.
type Report struct {
	Chunk   *Chunk `json:"chunk,omitempty"`
	Free    *int   `json:"free,omitempty"`    // a slot that the host may fill again
	Started bool   `json:"started,omitempty"` // the program runs
	Ended   *Ended `json:"ended,omitempty"`
}

// Ended is how a program ended.
type Ended struct {
	// Code is the exit code; 128 + n where signal n ended it, as in a shell.
	Code int `json:"code"`
	// Changed are paths below the tree that the program has changed and that are not
	// returned, at most [MaxChanged]. Count is how many there are.
	Changed []string `json:"changed,omitempty"`
	Count   int      `json:"count,omitempty"`
}

// MaxChanged bounds the names of changed files.
const MaxChanged = 10
