// SPDX-License-Identifier: MIT

package trace

import (
	"fmt"

	"github.com/ringtwin/ringtwin/harness/ptrace"
)

// decoder is a ptrace.Watcher that keeps the calls of interest, and tracks the object of
// each descriptor.
type decoder struct {
	fds     map[int]*object
	pending map[int]*call // index: thread
	calls   []*call
	waits   bool // for events of the kernel
	err     error
}

func newDecoder() *decoder {
	return &decoder{fds: map[int]*object{}, pending: map[int]*call{}}
}

// call is an incomplete Call.
type call struct {
	name, command string
	args          []arg
	subject       *object   // the object that it acts on
	uses          []*object // other objects that it names
	makes         *object   // valid if it returns a descriptor
	result        int64
	waits         bool // it has not returned
	unseen        bool // it only changes the objects of descriptors
	// done is called when it has succeeded; it may be nil.
	done func()
}

// arg is an object, whose name may not be known yet, or a text.
type arg struct {
	name, text string
	object     *object
}

func (c *call) add(name, format string, args ...any) {
	c.args = append(c.args, arg{name: name, text: fmt.Sprintf(format, args...)})
}

func (c *call) addObject(name string, o *object) {
	c.args = append(c.args, arg{name: name, object: o})
}

// Enter decodes a call. It returns true once a thread waits for events.
func (d *decoder) Enter(thread int, asked ptrace.Call, memory ptrace.Memory) bool {
	delete(d.pending, thread)
	if d.err != nil {
		return true
	}
	mem := reader{memory, nil}
	c := d.decode(asked.Number, asked.Args, &mem)
	if mem.err != nil {
		d.err = mem.err
		return true
	}
	if c == nil {
		return false
	}
	if !c.unseen {
		d.calls = append(d.calls, c)
	}
	d.pending[thread] = c
	d.waits = c.waits
	return d.waits
}

// Leave keeps the result of a call.
func (d *decoder) Leave(thread int, result int64) {
	c := d.pending[thread]
	if c == nil {
		return
	}
	delete(d.pending, thread)
	c.result = result
	if result < 0 {
		return
	}
	if c.makes != nil {
		c.makes.open++
		d.fds[int(result)] = c.makes
	}
	if c.done != nil {
		c.done()
	}
}

// close forgets a descriptor.
func (d *decoder) close(fd int) {
	if o := d.fds[fd]; o != nil {
		o.open--
		delete(d.fds, fd)
	}
}
