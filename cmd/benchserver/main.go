// Command benchserver measures servers of NFSv3 and 9P2000.L: pmemfs, which it starts as a process of its own, beside an echo
// and beside other servers. It is no part of the shipped program. Run it with --help for its options.
//
// # Exit status
//
// 0 for success and 1 for failure. On failure one line on standard error says why.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := newRoot().Execute(); err != nil {
		fmt.Fprintf(os.Stderr, "benchserver: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
}
