// Package p9mem serves a tree in memory over 9P2000.L with the server of github.com/hugelgupf/p9: a peer that the
// benchmark compares pmemfs with.
package p9mem

import (
	"net"

	"github.com/hugelgupf/p9/p9"
)

// Serve serves a new, empty tree on a listener until that fails, and returns why.
func Serve(l net.Listener) error { return p9.NewServer(newTree()).Serve(l) }
