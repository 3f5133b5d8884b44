// Command guest is the program that works inside the client kernel. It does
// what a shell does badly or slowly: files made from a seed, checksums of
// whole trees, thousands of creates, and records that are acknowledged only
// when fsync has returned. It is static, and prints one line per result.
//
// Every verb exits 0 when all went well, 1 after saying what did not, and 2
// when it was called wrongly.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

// verb is a subcommand, which takes what follows its name.
type verb struct {
	usage string
	args  int // how many; of a negative number, at least so many
	run   func(args []string) error
}

// verbs are the subcommands that every system has.
var verbs = map[string]verb{
	"tree":    {"tree DIR SEED: makes a tree of files from a seed", 2, makeTree},
	"sum":     {"sum DIR [SKIP]: prints one checksum over names, modes, sizes, link targets and bytes, but not of DIR/SKIP", -1, sumTree},
	"big":     {"big FILE MIB SEED: writes a large file, prints its SHA-256", 3, writeBig},
	"sha":     {"sha FILE: prints a file's SHA-256", 1, printSum},
	"many":    {"many DIR COUNT: creates COUNT empty files", 2, createMany},
	"list":    {"list DIR COUNT: reads the folder; the names must be those of many", 2, listMany},
	"sparse":  {"sparse FILE OFFSET: writes a few bytes at an offset, reads the hole", 2, writeSparse},
	"records": {"records DIR FILES STOP: writes fsynced records until STOP exists, reporting each", 3, writeRecords},
	"recount": {"recount DIR FILES: checks all records, prints how many each file has", 2, countRecords},
	"ids":     {"ids: prints the user it runs as, and the one whose rights it has", 0, printIDs},
	"talk":    {"talk SOCKET: says something through a socket with a name", 1, talk},
	"as":      {"as UID GID[,GROUP...] COMMAND...: runs a command as another user", -3, runAs},
}

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	verb, ok := verbs[os.Args[1]]
	args := os.Args[2:]
	if !ok || (verb.args >= 0 && len(args) != verb.args) || (verb.args < 0 && len(args) < -verb.args) {
		usage()
	}
	if err := verb.run(args); err != nil {
		var status exitStatus
		if errors.As(err, &status) {
			os.Exit(int(status))
		}
		fmt.Println("guest:", err)
		os.Exit(1)
	}
}

func usage() {
	for _, verb := range verbs {
		fmt.Println("usage: guest", verb.usage)
	}
	os.Exit(2)
}

func printIDs([]string) error {
	fmt.Println(os.Getuid(), os.Geteuid())
	return nil
}

// talk listens at a name, connects to it, and prints what arrives.
func talk(args []string) error {
	l, err := net.Listen("unix", args[0])
	if err != nil {
		return err
	}
	defer l.Close()
	out, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	defer out.Close()
	in, err := l.Accept()
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := out.Write([]byte("heard")); err != nil {
		return err
	}
	heard := make([]byte, len("heard"))
	if _, err := io.ReadFull(in, heard); err != nil {
		return err
	}
	fmt.Println(string(heard))
	return nil
}

// number reads a decimal argument.
func number(arg string) (int, error) {
	n, err := strconv.Atoi(arg)
	if err == nil && n < 0 {
		err = fmt.Errorf("%d is negative", n)
	}
	return n, err
}
