package serverbench

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// gather puts the calling thread and all threads of a process on one processor, and returns what undoes
// that.
func gather(pid int) (undo func() error, err error) {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, err
	}
	for cpu := range len(all) * 64 {
		if all.IsSet(cpu) {
			one.Zero()
			one.Set(cpu) // in the end the last one, as interrupts prefer the first
		}
	}
	undo = func() error { return runOn(pid, &all) }
	if err := runOn(pid, &one); err != nil {
		return nil, errors.Join(err, undo())
	}
	return undo, nil
}

// runOn puts the calling thread and all threads of a process on some processors.
func runOn(pid int, where *unix.CPUSet) error {
	if err := unix.SchedSetaffinity(0, where); err != nil || pid == 0 {
		return err
	}
	folder := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
		// A thread may have ended since.
		if err := unix.SchedSetaffinity(tid, where); err != nil && err != unix.ESRCH {
			return fmt.Errorf("thread %d: %w", tid, err)
		}
	}
	return nil
}
