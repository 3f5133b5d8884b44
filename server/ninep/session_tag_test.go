package ninep

import (
	"testing"

	"pmemfs/server/ninetest"
	"pmemfs/server/rpc"
)

// TestFlushOfReusedTag uses a tag anew while the transport has not said yet that the answer to its last request has left, as is so when the
// machine is busy. A Tflush is about the new request, which is answered in place; so it is answered there too, behind that.
func TestFlushOfReusedTag(t *testing.T) {
	target := newFuzzTarget(t)
	s, e := target.session(t, 0)
	serve := func(r *rpc.Request, mayWait bool) rpc.Result {
		e.Truncate(0)
		e.Extend(lengthBytes)
		r.MayWait = mayWait
		return s.Serve(r, e)
	}
	request := func(kind uint8, tag uint16, fields ...any) *rpc.Request {
		return &rpc.Request{Record: ninetest.Message(kind, tag, ninetest.Args(fields...))[lengthBytes:]}
	}
	old := request(ninetest.Attach, 3, uint32(20), ninetest.NoFid, "", "/", uint32(0))
	if serve(old, false) != rpc.Wait || serve(old, true) != rpc.Success {
		t.Fatal("the attach is not answered beside the others")
	}
	for range 2 {
		if result := serve(request(ninetest.Getattr, 3, uint32(0), uint64(0)), false); result != rpc.Success || kind(e.Bytes()[lengthBytes]) == rLerror {
			t.Fatalf("the tag anew: result %d, answer % x", result, e.Bytes())
		}
		if result := serve(request(ninetest.Flush, 11, uint16(3)), false); result != rpc.Success {
			t.Fatalf("its flush: result %d", result)
		}
	}
	s.Sent(old)
	s.Close()
}
