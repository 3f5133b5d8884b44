package rpc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pmemfs/server/rpc"
)

// packets is a server of the test program on a UDP socket.
type packets struct {
	*testServer
	*rpc.Datagrams
	stop func()
}

// startPackets serves over UDP at an address until the test ends.
func startPackets(t testing.TB, at string, c rpc.Config) *packets {
	t.Helper()
	s := &testServer{slow: make(chan struct{}, 1000)}
	c.Programs = []rpc.Program{{Number: testProgram, Low: 2, High: 3, Datagrams: true, Serve: s.serve},
		{Number: testProgram + 1, Low: 2, High: 3, Serve: s.serve}}
	ua, err := net.ResolveUDPAddr("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	uc, err := net.ListenUDP("udp", ua)
	if err != nil {
		t.Fatal(err)
	}
	d, err := rpc.NewServer(c).NewDatagrams(uc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx) }()
	p := &packets{s, d, sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(patience):
			t.Error("the server does not stop")
		}
	})}
	t.Cleanup(p.stop)
	return p
}

// peer is a client's socket.
type peer struct {
	t testing.TB
	net.Conn
}

func dialUDP(t testing.TB, from, addr string) *peer {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t, conn}
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// recv returns the next reply: its xid and what follows.
func (p *peer) recv() (uint32, []byte) {
	p.t.Helper()
	b := make([]byte, 1<<16)
	if err := p.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	n, err := p.Read(b)
	if err != nil {
		p.t.Fatal(err)
	}
	return binary.BigEndian.Uint32(b), b[4:n]
}

// call is a message to the test program.
func packetCall(xid, proc uint32, args []byte) []byte {
	return callBytes(xid, [4]uint32{2, testProgram, 3, proc}, args)
}

// accepted is the beginning of a reply after its xid.
func accepted(stat rpc.Result, rest ...byte) []byte {
	return append(words(1, 0, 0, 0, uint32(stat)), rest...)
}

func (p *peer) want(xid uint32, reply []byte) {
	p.t.Helper()
	if x, b := p.recv(); x != xid || !bytes.Equal(b, reply) {
		p.t.Fatalf("reply %d % .64x, want %d % .64x", x, b, xid, reply)
	}
}

// TestPackets: what the server answers over UDP, and what it does not.
func TestPackets(t *testing.T) {
	s := startPackets(t, "127.0.0.1:0", rpc.Config{})
	c := dialUDP(t, "127.0.0.1", s.Addr().String())
	for _, ignored := range [][]byte{{}, {1}, bytes.Repeat([]byte{0xff}, 100), packetCall(1, procEcho, make([]byte, rpc.DatagramBytes)),
		append(words(9, 1), make([]byte, 40)...), packetCall(1, procEcho, nil)[:30]} {
		c.send(ignored)
	}
	c.send(packetCall(2, procEcho, []byte("abcd")))
	c.want(2, accepted(rpc.Success, []byte("abcd")...))
	c.send(packetCall(3, procPanic, nil))
	c.want(3, accepted(rpc.SystemErr))
	c.send(packetCall(4, procBad, nil))
	c.want(4, accepted(rpc.GarbageArgs))
	c.send(packetCall(5, 77, nil))
	c.want(5, accepted(rpc.ProcUnavail))
	c.send(callBytes(6, [4]uint32{2, testProgram, 9, 0}, nil))
	c.want(6, accepted(rpc.ProgMismatch, words(2, 3)...))
	c.send(callBytes(7, [4]uint32{2, testProgram + 1, 3, 0}, nil)) // one that is served over TCP only
	c.want(7, accepted(rpc.ProgUnavail))
	c.send(callBytes(8, [4]uint32{3, testProgram, 3, 0}, nil))
	c.want(8, words(1, 1, 0, 2, 2))
	c.send(packetCall(9, procDirect, words(4)))
	c.want(9, accepted(rpc.Success, append(words(4), lying[:4]...)...))
	const most = rpc.DatagramBytes - 7*4
	c.send(packetCall(10, procLarge, words(most)))
	if x, b := c.recv(); x != 10 || len(b)+4 != rpc.DatagramBytes {
		t.Fatalf("reply %d of %d bytes", x, len(b))
	}
	c.send(packetCall(11, procLarge, words(most+4)))
	c.want(11, accepted(rpc.SystemErr))
}

// TestPacketWaits: calls that wait are answered later, once for all their repetitions, and do not keep others waiting.
func TestPacketWaits(t *testing.T) {
	s := startPackets(t, "127.0.0.1:0", rpc.Config{Limits: rpc.Limits{Datagrams: 4}})
	c := dialUDP(t, "127.0.0.1", s.Addr().String())
	for range 3 {
		c.send(packetCall(1, procSlow, words(1)))
	}
	c.send(packetCall(2, procSlow, words(2)))
	c.send(packetCall(3, procSlow, words(3))) // one too many
	c.send(packetCall(4, procEcho, words(4)))
	c.want(4, accepted(rpc.Success, words(4)...))
	other := dialUDP(t, "127.0.0.2", s.Addr().String())
	other.send(packetCall(5, procSlow, words(5)))
	for s.seen.Load() != 3 { // which the first client has left room for
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		s.slow <- struct{}{}
	}
	other.want(5, accepted(rpc.Success, words(5)...))
	seen := map[uint32]bool{}
	for range 2 {
		x, _ := c.recv()
		seen[x] = true
	}
	if !seen[1] || !seen[2] {
		t.Fatalf("replies to %v", seen)
	}
	c.send(packetCall(3, procSlow, words(3)))
	for s.seen.Load() != 4 {
		time.Sleep(time.Millisecond)
	}
	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	s.slow <- struct{}{}
	c.want(3, accepted(rpc.Success, words(3)...))
	<-stopped
	if n := s.seen.Load(); n != 4 {
		t.Errorf("%d calls were carried out", n)
	}
}

// TestPacketOrigin: on a socket of all addresses a reply leaves from the one that was asked, which a client insists on.
func TestPacketOrigin(t *testing.T) {
	for at, asked := range map[string][]string{"0.0.0.0:0": {"127.0.0.1", "127.0.0.2"}, "[::]:0": {"127.0.0.3", "::1"}} {
		s := startPackets(t, at, rpc.Config{})
		for _, host := range asked {
			addr := netip.AddrPortFrom(netip.MustParseAddr(host), s.Addr().Port())
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			got, err := rpc.CallUDP(ctx, netip.Addr{}, addr, &rpc.OutCall{Prog: testProgram, Vers: 3, Proc: procEnds})
			cancel()
			if err != nil {
				t.Fatalf("%v at %s: %v", addr, at, err)
			}
			d := rpc.NewDecoder(got)
			if local := string(d.Opaque(100)); local != addr.String() || !d.Bool() {
				t.Errorf("the server takes %v for %s", addr, local)
			}
		}
	}
}

// TestPacketAdmit: who may not ask hears nothing.
func TestPacketAdmit(t *testing.T) {
	one := netip.MustParseAddr("127.0.0.1")
	s := startPackets(t, "127.0.0.1:0", rpc.Config{Admit: func(a netip.Addr) bool { return a == one }})
	call := &rpc.OutCall{Prog: testProgram, Vers: 3, Proc: procEcho}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := rpc.CallUDP(ctx, one, s.Addr(), call); err != nil {
		t.Error(err)
	}
	short, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if _, err := rpc.CallUDP(short, netip.MustParseAddr("127.0.0.2"), s.Addr(), call); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stranger: %v", err)
	}
}
