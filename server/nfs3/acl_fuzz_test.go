package nfs3_test

import (
	"bytes"
	"testing"

	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/pmemfs/testpart"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// FuzzACL gives NFSACL arguments of all kinds, with handles that are good.
func FuzzACL(f *testing.F) {
	testpart.NotRace(f)
	target := newFixture(f)
	all := aclSamples(target)
	for proc, e := range all {
		f.Add(byte(proc), uint32(0), e.Bytes())
		f.Add(byte(proc), uint32(1000), e.Bytes())
	}
	good := all[nfswire.ProcGetACL].Bytes()[:44]
	calls := 0
	f.Fuzz(func(t *testing.T, proc byte, uid uint32, b []byte) {
		p := uint32(proc) % nfswire.ProcACLCount
		tries := [][]byte{b}
		if len(b) >= 44 {
			tries = append(tries, append(bytes.Clone(good), b[44:]...))
		}
		for _, b := range tries {
			r := target.aclRequest(p, args(raw(b)))
			r.Sys.UID = uid
			switch result, d := target.aclSend(r); result {
			case rpc.GarbageArgs:
			case rpc.Success:
				if err := wellFormedACL(p, d.Rest()); err != nil {
					t.Fatalf("procedure %d, arguments % x: %v", p, b, err)
				}
			default:
				t.Fatalf("procedure %d, arguments % x: result %d", p, b, result)
			}
		}
		if calls++; calls%5000 == 0 {
			pmemfstest.CheckFS(t, target.eng)
		}
	})
}
