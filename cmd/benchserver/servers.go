package main

import (
	"errors"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"pmemfs/cmd/benchserver/internal/p9mem"
	"pmemfs/cmd/benchserver/internal/serverbench"
)

// newEcho is the floor: this program starts itself with it.
func newEcho() *cobra.Command {
	var protocol string
	var batched bool
	cmd := &cobra.Command{
		Use:     serverbench.EchoCommand,
		Short:   "Answer messages of one size with messages of another",
		Long:    "The server that others are compared with. A connection begins with the answers that the echo is to give.",
		Example: "  benchserver echo --listen 127.0.0.1:12049 --batched",
		Hidden:  true,
		Args:    cobra.NoArgs,
	}
	listenOn(cmd, func(l net.Listener) error { return serverbench.Echo(l, protocol, batched) })
	cmd.Flags().StringVar(&protocol, "protocol", serverbench.ProtocolNFS, strings.Join(serverbench.Protocols, " or "))
	cmd.Flags().BoolVar(&batched, "batched", false, "answer all that was read in one write")
	return cmd
}

// newP9Mem is the peer from the Go library: this program starts itself with it.
func newP9Mem() *cobra.Command {
	cmd := &cobra.Command{
		Use:     serverbench.P9MemCommand,
		Short:   "Serve a tree in memory over 9P2000.L with the server of github.com/hugelgupf/p9",
		Example: "  benchserver p9mem --listen 127.0.0.1:5640",
		Hidden:  true,
		Args:    cobra.NoArgs,
	}
	listenOn(cmd, p9mem.Serve)
	return cmd
}

// listenOn has a command listen at --listen and serve.
func listenOn(cmd *cobra.Command, serve func(net.Listener) error) {
	addr := cmd.Flags().String("listen", "127.0.0.1:0", "address, host:port")
	cmd.RunE = func(*cobra.Command, []string) error {
		l, err := net.Listen("tcp", *addr)
		if err != nil {
			return err
		}
		return errors.Join(serve(l), l.Close())
	}
}
