package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func init() {
	verbs["owner"] = verb{"owner NAME FILE: has FILE open and locks it as tell says, until it is killed", 2, ownLocks}
	verbs["tell"] = verb{"tell NAME WORD...: has an owner do something, prints what came of it: " +
		"set|wait r|w|u START LENGTH, test r|w START LENGTH, flock|flockwait sh|ex|un, close", -2, tellOwner}
}

// ownerSocket is where an owner listens.
func ownerSocket(name string) string { return "/tmp/owner-" + name }

// ownLocks is one owner of POSIX locks, as they belong to a process, and of the flocks of one open file. Each command comes by a
// connection of its own, so that one may wait while others are carried out.
func ownLocks(args []string) error {
	f, err := os.OpenFile(args[1], os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	l, err := net.Listen("unix", ownerSocket(args[0]))
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err == nil {
				_, err = fmt.Fprintln(conn, lockAnswer(f, strings.Fields(line)))
			}
			if err := errors.Join(err, conn.Close()); err != nil {
				fmt.Println("owner:", err)
			}
		}()
	}
}

// tellOwner sends a command and prints the answer.
func tellOwner(args []string) error {
	conn, err := net.Dial("unix", ownerSocket(args[0]))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(conn, strings.Join(args[1:], " ")); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	fmt.Print(string(answer))
	return err
}

// lockAnswer carries out a command and says in a word what came of it.
func lockAnswer(f *os.File, words []string) string {
	answer := "ok"
	err := errors.New("not a command of an owner")
	switch {
	case len(words) == 4:
		answer, err = posixLock(f, words)
	case len(words) == 2:
		err = wholeLock(f, words)
	case len(words) == 1 && words[0] == "close":
		err = f.Close()
	}
	var number syscall.Errno
	switch {
	case errors.As(err, &number):
		return unix.ErrnoName(number)
	case err != nil:
		return err.Error()
	}
	return answer
}

// lockTypes are the letters of fcntl's lock types.
var lockTypes = map[string]int16{"r": unix.F_RDLCK, "w": unix.F_WRLCK, "u": unix.F_UNLCK}

// posixLock sets, waits for or tests a lock by fcntl.
func posixLock(f *os.File, words []string) (string, error) {
	start, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil {
		return "", err
	}
	length, err := strconv.ParseInt(words[3], 10, 64)
	if err != nil {
		return "", err
	}
	commands := map[string]int{"set": unix.F_SETLK, "wait": unix.F_SETLKW, "test": unix.F_GETLK}
	l := unix.Flock_t{Type: lockTypes[words[1]], Whence: io.SeekStart, Start: start, Len: length}
	command, ok := commands[words[0]]
	if !ok {
		return "", fmt.Errorf("%q is no way to lock", words[0])
	}
	for {
		err = unix.FcntlFlock(f.Fd(), command, &l)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil || command != unix.F_GETLK {
		return "ok", err
	}
	switch l.Type {
	case unix.F_UNLCK:
		return "free", nil
	case unix.F_RDLCK:
		return fmt.Sprintf("r %d %d", l.Start, l.Len), nil
	}
	return fmt.Sprintf("w %d %d", l.Start, l.Len), nil
}

// wholeLock locks by flock.
func wholeLock(f *os.File, words []string) error {
	how, ok := map[string]int{"sh": unix.LOCK_SH, "ex": unix.LOCK_EX, "un": unix.LOCK_UN}[words[1]]
	if !ok {
		return fmt.Errorf("%q is no flock", words[1])
	}
	switch words[0] {
	case "flock":
		how |= unix.LOCK_NB
	case "flockwait":
	default:
		return fmt.Errorf("%q is no way to flock", words[0])
	}
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}
