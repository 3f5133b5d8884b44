// Command attack takes of a server what it can get: memory, connections, and its time. It goes on until its standard input ends. What a server
// does to its connections is the server's right; it connects again.
//
//	attack NAME ADDRESS FROM CONNECTIONS [HANDLE]
//
// FROM is the address of this machine that the server knows the attacker by, HANDLE that of a file in NFS, in hexadecimal.
//
// Concurrency: each attack runs any number of goroutines and returns when all have ended. Durability: none is asked for.
package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
)

// attacks by their names.
var attacks = map[string]attack{
	"half-records": halfRecords, "half-writes": halfWrites, "ignored-reads": ignoredReads, "getattrs": getattrs, "reads": reads, "writes": writes,
	"silence": silence, "junk": junk, "nine-writes": nineWrites,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 {
		return fmt.Errorf("usage: attack NAME ADDRESS FROM CONNECTIONS [HANDLE]")
	}
	a, ok := attacks[args[0]]
	if !ok {
		return fmt.Errorf("no attack is called %q", args[0])
	}
	connections, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	t := target{addr: args[1], from: args[2]}
	if len(args) > 4 {
		file, err := hex.DecodeString(args[4])
		if err != nil {
			return err
		}
		t.file = string(file)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	a(ctx, t, connections)
	fmt.Printf("%d replies were taken\n", replies.Load())
	return nil
}
