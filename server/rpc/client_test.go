package rpc_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pmemfs/server/rpc"
)

// callers are the ways to call a server over UDP and TCP.
func callers(t *testing.T) map[string]func(ctx context.Context, c *rpc.OutCall) ([]byte, error) {
	udp := startPackets(t, "127.0.0.1:0", rpc.Config{})
	own := startPackets(t, "127.0.0.1:0", rpc.Config{})
	tcp := startServer(t, rpc.Limits{})
	t.Cleanup(func() { close(udp.slow); close(tcp.slow) }) // before the servers stop
	tcpAddr := netip.MustParseAddrPort(tcp.addr)
	return map[string]func(ctx context.Context, c *rpc.OutCall) ([]byte, error){
		"udp": func(ctx context.Context, c *rpc.OutCall) ([]byte, error) {
			return rpc.CallUDP(ctx, netip.Addr{}, udp.Addr(), c)
		},
		"own socket": func(ctx context.Context, c *rpc.OutCall) ([]byte, error) {
			return own.Call(ctx, netip.Addr{}, udp.Addr(), c)
		},
		"tcp": func(ctx context.Context, c *rpc.OutCall) ([]byte, error) {
			return rpc.CallTCP(ctx, netip.MustParseAddr("127.0.0.1"), tcpAddr, c)
		},
	}
}

// TestCall: results, refusals, and an end when the context says so, in all ways to call.
func TestCall(t *testing.T) {
	for name, call := range callers(t) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		sys := &rpc.SysCred{UID: 1, Groups: []uint32{2, 3}}
		got, err := call(ctx, &rpc.OutCall{Prog: testProgram, Vers: 3, Proc: procEcho, Sys: sys, Machine: "here", Args: []byte("abcd")})
		if err != nil || string(got) != "abcd" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		for _, c := range []struct {
			call rpc.OutCall
			want rpc.Refusal
		}{
			{rpc.OutCall{Prog: 9, Vers: 3}, rpc.Refusal{Stat: rpc.ProgUnavail}},
			{rpc.OutCall{Prog: testProgram, Vers: 9}, rpc.Refusal{Stat: rpc.ProgMismatch, Low: 2, High: 3}},
			{rpc.OutCall{Prog: testProgram, Vers: 3, Proc: procBad}, rpc.Refusal{Stat: rpc.GarbageArgs}},
			{rpc.OutCall{Prog: testProgram, Vers: 3, Proc: 99}, rpc.Refusal{Stat: rpc.ProcUnavail}},
			{rpc.OutCall{Prog: testProgram, Vers: 3, Proc: procPanic}, rpc.Refusal{Stat: rpc.SystemErr}},
			{rpc.OutCall{Prog: testProgram, Vers: 3, Proc: procWeak}, rpc.Refusal{Stat: rpc.Reject(rpc.AuthTooWeak)}},
		} {
			_, err := call(ctx, &c.call)
			var refusal *rpc.Refusal
			if !errors.As(err, &refusal) || *refusal != c.want || !errors.Is(err, rpc.ErrRefused) || err.Error() == "" {
				t.Errorf("%s: %+v: %v", name, c.call, err)
			}
		}
		short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if _, err := call(short, &rpc.OutCall{Prog: testProgram, Vers: 3, Proc: procSlow}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: no answer: %v", name, err)
		}
	}
}

// TestCallRepeats: a call is repeated until it is answered, and only by whom it went to.
func TestCallRepeats(t *testing.T) {
	own := startPackets(t, "127.0.0.1:0", rpc.Config{})
	deaf, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	other, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var heard atomic.Int32
	go func() {
		b := make([]byte, 1000)
		for {
			n, from, err := deaf.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			reply := append(append([]byte(nil), b[:4]...), accepted(rpc.Success, byte(n))...)
			if heard.Add(1) == 1 { // a liar answers, and then one who cannot speak
				_, err = other.WriteToUDPAddrPort(reply, from)
				if err == nil {
					_, err = deaf.WriteToUDPAddrPort(reply[:20], from)
				}
			} else {
				_, err = deaf.WriteToUDPAddrPort(append(reply, 0, 0, 1), from)
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { deaf.Close(); other.Close() })
	to := deaf.LocalAddr().(*net.UDPAddr).AddrPort()
	for i, call := range []func(context.Context, netip.Addr, netip.AddrPort, *rpc.OutCall) ([]byte, error){own.Call, rpc.CallUDP} {
		heard.Store(0)
		got, err := call(context.Background(), netip.Addr{}, to, &rpc.OutCall{Prog: 1})
		if err != nil || len(got) != 4 || heard.Load() != 2 {
			t.Errorf("%d: % x after %d calls, %v", i, got, heard.Load(), err)
		}
	}
}

// TestCallNobody: where nobody listens a call fails soon, and one whose server is stopping does.
func TestCallNobody(t *testing.T) {
	own := startPackets(t, "127.0.0.1:0", rpc.Config{})
	gone := startPackets(t, "127.0.0.1:0", rpc.Config{})
	gone.stop()
	if _, err := rpc.CallUDP(context.Background(), netip.Addr{}, gone.Addr(), &rpc.OutCall{}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := gone.Call(context.Background(), netip.Addr{}, own.Addr(), &rpc.OutCall{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if err := own.Send(netip.Addr{}, gone.Addr(), &rpc.OutCall{}); err != nil {
		t.Errorf("a call without a reply: %v", err)
	}
}
