// Command p9mem serves a tree in memory over 9P2000.L with the server of github.com/hugelgupf/p9: a peer that
// `pmemfs bench server --protocol 9p` compares pmemfs with. It is a program of its own so that pmemfs does not carry a second
// server of 9P.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"

	"github.com/hugelgupf/p9/p9"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:5640", "address, host:port")
	flag.Parse()
	if err := serve(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "p9mem:", err)
		os.Exit(1)
	}
}

func serve(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return p9.NewServer(newTree()).Serve(l)
}
