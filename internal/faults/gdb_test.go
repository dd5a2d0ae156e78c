// SPDX-License-Identifier: MIT

package faults

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/internal/testutils"
)

// debugger talks to QEMU's gdb stub. While it is connected the machine stands.
// https://sourceware.org/gdb/current/onlinedocs/gdb.html/Remote-Protocol.html
type debugger struct {
	conn net.Conn
	in   *bufio.Reader
}

func newDebugger(path string) (*debugger, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	d := &debugger{conn: conn, in: bufio.NewReader(conn)}
	if err := conn.SetDeadline(time.Now().Add(testutils.Limit)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return d, nil
}

// release lets the machine run on.
func (d *debugger) release() error {
	_, err := d.ask("D")
	return errors.Join(err, d.conn.Close())
}

// ask sends a packet and returns the answer's text.
func (d *debugger) ask(text string) (string, error) {
	sum := byte(0)
	for _, b := range []byte(text) {
		sum += b
	}
	if _, err := fmt.Fprintf(d.conn, "$%s#%02x", text, sum); err != nil {
		return "", err
	}
	for {
		// Acknowledgements, and stops that nobody asked for, come in between.
		if _, err := d.in.ReadString('$'); err != nil {
			return "", err
		}
		answer, err := d.in.ReadString('#')
		if err != nil {
			return "", err
		}
		if _, err := d.in.Discard(2); err != nil {
			return "", err
		}
		if _, err := d.conn.Write([]byte("+")); err != nil {
			return "", err
		}
		answer = strings.TrimSuffix(answer, "#")
		if strings.HasPrefix(answer, "T") && text != "?" {
			continue
		}
		if strings.HasPrefix(answer, "E") {
			return "", fmt.Errorf("debugger: %.20s: %s", text, answer)
		}
		return answer, nil
	}
}

// cpus are the names of the machine's CPUs.
func (d *debugger) cpus() ([]string, error) {
	answer, err := d.ask("qfThreadInfo")
	if err != nil {
		return nil, err
	}
	var names []string
	for strings.HasPrefix(answer, "m") {
		names = append(names, strings.Split(answer[1:], ",")...)
		if answer, err = d.ask("qsThreadInfo"); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// Where registers lie in what the command g returns, on x86-64.
const (
	ripAt    = 16 * 8
	eflagsAt = ripAt + 8
	csAt     = eflagsAt + 4
)

// Endless loops of a CPU: with interrupts off it does not wake from a halt, which costs
// the host nothing. A process must not halt, so it runs in a circle.
var (
	haltForEver = []byte{0xf4, 0xeb, 0xfd} // 1: hlt; jmp 1b
	circle      = []byte{0xeb, 0xfe}       // 1: jmp 1b
)

// registers of a CPU, which the commands after this are for.
func (d *debugger) registers(cpu string) ([]byte, error) {
	if _, err := d.ask("Hg" + cpu); err != nil {
		return nil, err
	}
	text, err := d.ask("g")
	if err != nil {
		return nil, err
	}
	registers, err := hex.DecodeString(text)
	if err == nil && len(registers) < csAt+4 {
		err = fmt.Errorf("debugger: %d bytes of registers", len(registers))
	}
	return registers, err
}

// write writes to the memory that the CPU sees.
func (d *debugger) write(address uint64, data []byte) error {
	_, err := d.ask(fmt.Sprintf("M%x,%x:%x", address, len(data), data))
	return err
}

const interruptFlag = 1 << 9

// hang makes every CPU loop where it is, with interrupts off.
func (d *debugger) hang() error {
	cpus, err := d.cpus()
	if err != nil {
		return err
	}
	for _, cpu := range cpus {
		registers, err := d.registers(cpu)
		if err != nil {
			return err
		}
		flags := binary.LittleEndian.Uint32(registers[eflagsAt:])
		binary.LittleEndian.PutUint32(registers[eflagsAt:], flags&^interruptFlag)
		if _, err := d.ask(fmt.Sprintf("G%x", registers)); err != nil {
			return err
		}
		code := haltForEver
		if registers[csAt]&3 != 0 {
			code = circle
		}
		if err := d.write(binary.LittleEndian.Uint64(registers[ripAt:]), code); err != nil {
			return err
		}
	}
	return nil
}

// places is where each CPU is, and whether its interrupts are on.
func (d *debugger) places() (places []uint64, on bool, err error) {
	cpus, err := d.cpus()
	if err != nil {
		return nil, false, err
	}
	for _, cpu := range cpus {
		registers, err := d.registers(cpu)
		if err != nil {
			return nil, false, err
		}
		places = append(places, binary.LittleEndian.Uint64(registers[ripAt:]))
		on = on || binary.LittleEndian.Uint32(registers[eflagsAt:])&interruptFlag != 0
	}
	return places, on, nil
}

// hangMachine hangs the machine and verifies that no CPU moves, and none takes
// interrupts.
func hangMachine(path string) error {
	var before []uint64
	for range 1000 {
		d, err := newDebugger(path)
		if err != nil {
			return err
		}
		now, on, err := d.places()
		if err == nil && !on && slices.EqualFunc(now, before, near) {
			return d.release()
		}
		if err == nil {
			err = d.hang()
		}
		if err == nil {
			before, _, err = d.places()
		}
		if err = errors.Join(err, d.release()); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("debugger: the machine does not hang")
}

// near reports whether two places are in the same few bytes of code.
func near(a, b uint64) bool { return max(a, b)-min(a, b) < uint64(len(haltForEver)) }

// breakFunction puts a null pointer dereference at the beginning of a function
// of the kernel.
func breakFunction(path string, address uint64) error {
	d, err := newDebugger(path)
	if err != nil {
		return err
	}
	return errors.Join(d.write(address, []byte{
		0x31, 0xc0, // xor %eax,%eax
		0x48, 0x8b, 0x00, // mov (%rax),%rax
	}), d.release())
}
