package rpc_test

import (
	"testing"

	"pmemfs/pmemfs/testpart"
	"pmemfs/server/rpc"
)

func FuzzParseCall(f *testing.F) {
	testpart.NotRace(f)
	e := rpc.NewEncoder(nil)
	for _, v := range []uint32{1, 0, 2, 100003, 3, 1, 1, 20, 0, 0, 5, 5, 0, 0, 0} {
		e.Uint32(v)
	}
	f.Add(e.Bytes())
	f.Fuzz(func(t *testing.T, record []byte) {
		c, err := rpc.ParseCall(record)
		if err != nil {
			return
		}
		if c.ArgsOffset+len(c.Args) != len(record) {
			t.Fatalf("arguments at %d of %d, %d long", c.ArgsOffset, len(record), len(c.Args))
		}
		if s, ok := rpc.ParseSys(c.CredBody); ok && len(s.Groups) > 16 {
			t.Fatalf("%d groups", len(s.Groups))
		}
	})
}
