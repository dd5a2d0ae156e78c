// SPDX-License-Identifier: MIT

//go:build faults

package guest

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/ringtwin/ringtwin/vmtest/wire"
	"golang.org/x/sys/unix"
)

// faultPort is the port on which a fault campaign sends commands to a guest. Only a
// program that is built for such a campaign listens on it.
const faultPort = "/dev/ttyS2"

// victim is the system call that the campaign breaks in the kernel, which nothing else
// here uses, and the function that serves it.
const (
	victim         = unix.SYS_SCHED_RR_GET_INTERVAL
	victimFunction = "__x64_sys_sched_rr_get_interval"
)

// victimName is the name as which a guest starts itself to call the victim.
const victimName = "ringtwin-victim"

func init() {
	switch {
	case IsInit():
		go faultAgent()
	case os.Args[0] == victimName:
		_, _, errno := unix.Syscall(victim, 0, 0, 0)
		fmt.Fprintln(os.Stderr, "ringtwin: survived:", errno)
		os.Exit(1)
	}
}

// faultAgent executes the lines from the port, each a word and a number. It echoes each
// line first.
func faultAgent() {
	port, err := openPort(faultPort)
	for ; err != nil; port, err = openPort(faultPort) {
		time.Sleep(10 * time.Millisecond) // there are no devices yet
	}
	address := symbol(victimFunction)
	lines := bufio.NewScanner(port)
	for lines.Scan() {
		var what string
		var seed uint64
		if _, err := fmt.Sscan(lines.Text(), &what, &seed); err != nil {
			continue // a partial line: the machine was just restored
		}
		fmt.Fprintf(port, "%s %d %s\n", what, seed, address)
		_ = unix.IoctlSetInt(int(port.Fd()), unix.TCSBRK, 1) // until it is sent
		if err := do(what, rand.New(rand.NewPCG(seed, 0))); err != nil {
			fmt.Fprintf(os.Stderr, "ringtwin: %s: %v\n", what, err)
		}
	}
}

func do(what string, random *rand.Rand) error {
	switch what {
	case "look":
		return nil
	case "panic":
		return os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	case "oops":
		cmd := exec.Command("/proc/self/exe")
		cmd.Args = []string{victimName}
		return cmd.Start()
	case "exit":
		os.Exit(random.IntN(256))
	case "memory":
		return exhaust()
	case "flood":
		return flood(100 << 20)
	case "noise":
		return toPort(garbage(random))
	case "cut-frame":
		return toPort(cutFrame(random))
	case "huge-frame":
		return toPort(hugeFrame(random))
	}
	return fmt.Errorf("no such fault")
}

// exhaust allocates memory until there is none. The pieces get smaller, so that the last
// ones take all.
func exhaust() error {
	for bytes := 64 << 20; ; {
		_, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
		if err != nil && bytes <= os.Getpagesize() {
			return err
		}
		if err != nil {
			bytes /= 2
		}
	}
}

// flood writes to the console.
func flood(bytes int) error {
	console, err := os.OpenFile("/dev/ttyS0", os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer console.Close()
	line := []byte(strings.Repeat("all work and no play makes a dull kernel, ", 24) + "\n")
	for done := 0; done < bytes; done += len(line) {
		if _, err := console.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// toPort writes to the port that is for the guest's frames only.
func toPort(text []byte) error {
	port, err := os.OpenFile(wire.ControlPort, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer port.Close()
	_, err = port.Write(text)
	return err
}

// garbage is some lines of noise.
func garbage(random *rand.Rand) []byte {
	text := make([]byte, 1+random.IntN(16<<10))
	for i := range text {
		text[i] = byte(random.Uint32())
	}
	return append(text, '\n')
}

// cutFrame is the beginning of an answer. Sometimes its line ends there; sometimes the
// next frame follows on it.
func cutFrame(random *rand.Rand) []byte {
	frame := `RT1 answer 120 0badc0de {"status":"ok","trial":{"schema":"ringtwin/trial/v1","id":"","status":"ok","kernel":{"want":""`
	text := []byte(frame[:1+random.IntN(len(frame))])
	if random.IntN(2) == 0 {
		text = append(text, '\n')
	}
	return text
}

// hugeFrame announces 4 GiB.
func hugeFrame(random *rand.Rand) []byte {
	text := []byte("RT1 answer 4294967296 0badc0de {")
	text = append(text, strings.Repeat("x", random.IntN(64<<10))...)
	if random.IntN(2) == 0 {
		text = append(text, '\n')
	}
	return text
}

// symbol is the address of a function of the kernel, in hex, or "0".
func symbol(name string) string {
	file, err := os.Open("/proc/kallsyms")
	for ; err != nil; file, err = os.Open("/proc/kallsyms") {
		time.Sleep(10 * time.Millisecond) // proc is not mounted yet
	}
	defer file.Close()
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadString('\n')
		if fields := strings.Fields(line); len(fields) >= 3 && fields[2] == name {
			return fields[0]
		}
		if err == io.EOF || err != nil {
			return "0"
		}
	}
}
