package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

// manyName is the name of the i-th of many files.
func manyName(i int) string { return fmt.Sprintf("entry-%06d", i) }

// createMany creates empty files, one after the other.
func createMany(args []string) error {
	count, err := number(args[1])
	if err != nil {
		return err
	}
	for i := range count {
		f, err := os.OpenFile(filepath.Join(args[0], manyName(i)), os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	fmt.Println("created", count)
	return nil
}

// listMany reads a folder and demands exactly the names that createMany made.
func listMany(args []string) error {
	count, err := number(args[1])
	if err != nil {
		return err
	}
	dir, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	sort.Strings(names)
	for i, name := range names {
		if i > 0 && names[i-1] == name {
			return fmt.Errorf("%s is listed twice", name)
		}
		if name != manyName(i) {
			return fmt.Errorf("entry %d is %q, want %q (%d names)", i, name, manyName(i), len(names))
		}
	}
	if len(names) != count {
		return fmt.Errorf("%d names, want %d", len(names), count)
	}
	fmt.Println("listed", count)
	return nil
}

// exitStatus is the status of a command that ran and failed.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// runAs runs a command as another user, with the supplementary groups that follow his own.
func runAs(args []string) error {
	uid, err := number(args[0])
	if err != nil {
		return err
	}
	var groups []uint32
	for text := range strings.SplitSeq(args[1], ",") {
		gid, err := number(text)
		if err != nil {
			return err
		}
		groups = append(groups, uint32(gid))
	}
	cmd := exec.Command(args[2], args[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: groups[0], Groups: groups[1:]}}
	err = cmd.Run()
	if exit, ok := err.(*exec.ExitError); ok {
		return exitStatus(exit.ExitCode())
	}
	return err
}
