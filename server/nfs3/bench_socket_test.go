package nfs3_test

import (
	"context"
	"io"
	"net"
	"testing"

	"pmemfs/server/rpc"
)

// wireCall is a call as it goes over a socket.
func wireCall(r *rpc.Request) []byte {
	sys := args(0, "bench", r.Sys.UID, r.Sys.GID, 0)
	e := args(raw(make([]byte, 4)), r.XID, 0, rpc.Version, r.Prog, r.Vers, r.Proc, rpc.AuthSys, sys.Bytes(), 0, 0, raw(r.Args))
	rpc.SetMark(e.Bytes())
	return e.Bytes()
}

// BenchmarkSocket sends calls over a socket, 16 at a time.
func BenchmarkSocket(b *testing.B) {
	f := newFixture(b)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	srv := rpc.NewServer(rpc.Config{Programs: []rpc.Program{f.srv.Program()}})
	go srv.Serve(ctx, l)
	for name, r := range hotCalls(b, f) {
		b.Run(name, func(b *testing.B) {
			const depth = 16
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			e := rpc.NewEncoder(nil)
			if f.srv.Program().Serve(r, e) != rpc.Success {
				b.Fatal("refused")
			}
			replies := make([]byte, depth*(28+e.Len()))
			var calls []byte
			for range depth {
				calls = append(calls, wireCall(r)...)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += depth {
				go conn.Write(calls)
				if _, err := io.ReadFull(conn, replies); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
