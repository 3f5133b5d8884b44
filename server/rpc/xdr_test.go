package rpc_test

import (
	"testing"

	"pmemfs/server/rpc"
)

func TestXDRRoundTrip(t *testing.T) {
	e := rpc.NewEncoder(nil)
	e.Uint32(7)
	e.Uint64(1 << 40)
	e.Bool(true)
	e.Opaque([]byte("hello"))
	if e.Len() != 4+8+4+rpc.OpaqueLen(5) {
		t.Fatalf("length %d", e.Len())
	}
	d := rpc.NewDecoder(e.Bytes())
	if d.Uint32() != 7 || d.Uint64() != 1<<40 || !d.Bool() || string(d.Opaque(5)) != "hello" || !d.Done() {
		t.Fatal("did not come back")
	}
	for limit := range e.Len() {
		d := rpc.NewDecoder(e.Bytes()[:limit])
		d.Uint32()
		d.Uint64()
		d.Bool()
		d.Opaque(100)
		if d.OK() {
			t.Fatalf("%d bytes were enough", limit)
		}
	}
	if d := rpc.NewDecoder(e.Bytes()[16:]); d.Opaque(4) != nil || d.OK() {
		t.Fatal("a string over its limit")
	}
}
