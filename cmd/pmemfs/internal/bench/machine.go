package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine says where a report was made.
type Machine struct {
	System     string `json:"system"` // as Go calls it, and the kernel's release
	Processor  string `json:"processor,omitempty"`
	Processors int    `json:"processors"`
}

// String is one line of text.
func (m Machine) String() string {
	text := m.System
	if m.Processor != "" {
		text += ", " + m.Processor
	}
	if m.Processors == 1 {
		return text + ", 1 processor"
	}
	return fmt.Sprintf("%s, %d processors", text, m.Processors)
}

func thisMachine() (Machine, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Machine{}, os.NewSyscallError("uname", err)
	}
	release, _, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), "-") // what follows is whose build it is
	m := Machine{
		System:     runtime.GOOS + "/" + runtime.GOARCH + " " + release,
		Processors: runtime.GOMAXPROCS(0),
	}
	var err error
	m.Processor, err = processorModel()
	return m, err
}
