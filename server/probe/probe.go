// Package probe finds out whether a server answers, as a client would: over the network, with calls of the protocol.
//
// # Concurrency and durability
//
// Everything may be called by any number of goroutines. Nothing is changed.
package probe

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"pmemfs/pmemfs/safego"
	"pmemfs/server/nfswire"
	"pmemfs/server/ownsocket"
	"pmemfs/server/rpc"
)

// Check is one thing that was looked at.
type Check struct {
	Name    string  `json:"name" doc:"what was looked at"`
	OK      bool    `json:"ok" doc:"it is as it should be"`
	Seconds float64 `json:"seconds" doc:"how long that took"`
	Message string  `json:"message,omitempty" doc:"what is wrong, or worth knowing"`
}

// Root is a directory of which NFS is asked.
type Root struct {
	Export string
	Handle []byte // the file handle of its root directory
	Err    error  // why there is none: nobody can mount it then, which is no fault of the server
}

// Target is what is asked.
type Target struct {
	NFS   netip.AddrPort
	Roots []Root
	NineP []string // addresses of TCP, or paths of sockets
	// Own is told the addresses of both sides of each connection before anything is sent, this side's first; the function that it returns is called
	// before the connection is closed.
	Own func(from, to netip.AddrPort) (done func())
}

// The program that is asked (RFC 1813 section 3).
const (
	nfsProgram = 100003
	nfsVersion = 3
)

// Run makes all calls, each on a connection of its own, until ctx ends.
func Run(ctx context.Context, t Target) []Check {
	checks := []Check{timed("NFS NULL at "+t.NFS.String(), func() (string, error) {
		_, err := t.call(ctx, 0, nil)
		return "", err
	})}
	for _, r := range t.Roots {
		checks = append(checks, timed("NFS GETATTR of "+r.Export, func() (string, error) { return t.getattr(ctx, r) }))
	}
	for _, at := range t.NineP {
		checks = append(checks, timed("9P version at "+at, func() (string, error) { return "", version(ctx, at) }))
	}
	return checks
}

// timed makes a Check of what f says.
func timed(name string, f func() (string, error)) Check {
	start := time.Now()
	message, err := f()
	if err != nil {
		message = err.Error()
	}
	return Check{Name: name, OK: err == nil, Seconds: time.Since(start).Seconds(), Message: message}
}

// getattr asks for the attributes of a root.
func (t *Target) getattr(ctx context.Context, r Root) (string, error) {
	if r.Err != nil {
		return "not asked: it has no directory: " + r.Err.Error(), nil
	}
	e := rpc.NewEncoder(nil)
	e.Opaque(r.Handle)
	const getattr = 1
	results, err := t.call(ctx, getattr, e.Bytes())
	if err != nil {
		return "", err
	}
	d := rpc.NewDecoder(results)
	if status := nfswire.Status(d.Uint32()); !d.OK() || status != nfswire.OK {
		return "", fmt.Errorf("NFS answers with status %d", uint32(status))
	}
	return "", nil
}

// call makes one call of NFS.
func (t *Target) call(ctx context.Context, proc uint32, args []byte) ([]byte, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", t.NFS.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close() // nothing is lost with it
	if here, ok := conn.(*net.TCPConn); ok && t.Own != nil {
		from, to := here.LocalAddr().(*net.TCPAddr).AddrPort(), here.RemoteAddr().(*net.TCPAddr).AddrPort()
		defer t.Own(from, to)()
	}
	return rpc.CallStream(ctx, conn, &rpc.OutCall{Prog: nfsProgram, Vers: nfsVersion, Proc: proc, Args: args})
}

const (
	tversion  = 100
	noTag     = 0xffff
	nineSize  = 8192
	nineName  = "9P2000.L"
	nineReply = 64 // bytes, and more than an Rversion has
)

// version asks a 9P server for the version that it speaks, which is how every client begins.
func version(ctx context.Context, at string) error {
	conn, err := dialNine(ctx, at)
	if err != nil {
		return err
	}
	defer conn.Close()                                                                            // as above
	stop := safego.OnEnd(ctx, "ending a probe", func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // that it is closed the call itself says
	defer stop()
	le := binary.LittleEndian
	b := le.AppendUint32(nil, uint32(4+1+2+4+2+len(nineName)))
	b = le.AppendUint16(append(b, tversion), noTag)
	b = le.AppendUint16(le.AppendUint32(b, nineSize), uint16(len(nineName)))
	if _, err := conn.Write(append(b, nineName...)); err != nil {
		return err
	}
	reply := make([]byte, nineReply)
	if _, err := io.ReadFull(conn, reply[:5]); err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	if n := le.Uint32(reply); n < 5 || n > nineReply || reply[4] != tversion+1 {
		return fmt.Errorf("an answer of type %d with %d bytes is none to a version", reply[4], n)
	}
	return nil
}

// dialNine connects to an address of TCP, or to the socket at a path.
func dialNine(ctx context.Context, at string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(at); err != nil {
		return ownsocket.Dial(ctx, at)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", at)
}
