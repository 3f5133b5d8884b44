package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// filesystemOf names the type of the filesystem that a folder is on, and how it uses DAX where it does.
// Source: proc_pid_mountinfo(5).
func filesystemOf(folder string) (string, error) {
	real, err := filepath.EvalSymlinks(folder)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return "", err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	return mountOf(string(mounts), real)
}

// mountOf looks for the mount that a path is on: the longest that leads to it, of equals the last.
func mountOf(mounts, path string) (string, error) {
	length, found := 0, ""
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) < 6 || len(right) < 1 {
			return "", fmt.Errorf("mountinfo has the line %q", line)
		}
		point := unescape.Replace(left[4])
		if path != point && !strings.HasPrefix(path, strings.TrimSuffix(point, "/")+"/") || len(point) < length {
			continue
		}
		length, found = len(point), right[0]
		for _, option := range strings.Split(right[len(right)-1], ",") {
			if strings.HasPrefix(option, "dax") {
				found += " -o " + option
			}
		}
	}
	if found == "" {
		return "", fmt.Errorf("mountinfo has no mount that leads to %s", path)
	}
	return found, nil
}

// processorModel is what the kernel calls the processor; nothing where it has no name for it, as on arm64.
func processorModel() (string, error) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	lines := strings.Split(string(text), "\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "model name") })
	if i < 0 {
		return "", nil
	}
	_, model, _ := strings.Cut(lines[i], ":")
	return strings.TrimSpace(model), nil
}

// durableWays are those of Linux.
var durableWays = []durableWay{
	{name: "O_DSYNC", flag: unix.O_DSYNC},
	{name: "fdatasync", sync: true},
	{name: "O_DIRECT|O_DSYNC", flag: unix.O_DIRECT | unix.O_DSYNC},
}

// syncData makes a file's data durable.
func syncData(f *os.File) error {
	return os.NewSyscallError("fdatasync", unix.Fdatasync(int(f.Fd())))
}
