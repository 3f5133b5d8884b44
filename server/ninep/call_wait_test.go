package ninep

import (
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/ninetest"
	"pmemfs/server/rpc"
)

// TestWait makes requests in place for a file that is locked. They say that they have to wait, and are answered when they come once
// more, beside the others.
func TestWait(t *testing.T) {
	target := newFuzzTarget(t)
	s, e := target.session(t, 0)
	root := pmemfs.Cred{}
	file, err := target.eng.Lookup(&root, nil, target.eng.Root(), []byte("file"))
	if err != nil {
		t.Fatal(err)
	}
	requests := map[string][]byte{
		"getattr": ninetest.Message(ninetest.Getattr, 2, ninetest.Args(uint32(1), uint64(getattrAll))),
		"read":    ninetest.Message(ninetest.Read, 3, ninetest.Args(uint32(1), uint64(0), uint32(512))),
		"large":   ninetest.Message(ninetest.Read, 4, ninetest.Args(uint32(1), uint64(0), uint32(40_000))),
		"walk":    ninetest.Message(ninetest.Walk, 5, ninetest.Args(uint32(0), uint32(9), uint16(1), "file")),
	}
	waiting := make(map[string]*rpc.Request)
	changed := make(chan error, 1)
	inPlace := func(m []byte) (*rpc.Request, rpc.Result) {
		r := &rpc.Request{Record: m[lengthBytes:]}
		e.Truncate(0)
		e.Extend(lengthBytes)
		return r, s.Serve(r, e)
	}
	send := func([][]byte, int, bool) {
		go func() {
			_, _, err := target.eng.Write(&root, nil, file.Handle, []byte("x"), 0)
			changed <- err
		}()
		probe := ninetest.Message(ninetest.Getattr, 1, ninetest.Args(uint32(1), uint64(getattrAll)))
		r, result := inPlace(probe)
		for result != rpc.Wait {
			r, result = inPlace(probe)
		}
		waiting["probe"] = r
		for name, m := range requests {
			r, result := inPlace(m)
			if result != rpc.Wait {
				t.Errorf("%s: result %d", name, result)
				continue
			}
			waiting[name] = r
		}
	}
	if _, err := target.eng.ReadTo(&root, nil, file.Handle, 1, 0, &pmemfs.Direct{Send: send}); err != nil {
		t.Error(err)
	}
	if err := <-changed; err != nil {
		t.Error(err)
	}
	for name, r := range waiting {
		e.Truncate(0)
		e.Extend(lengthBytes)
		r.MayWait = true
		if result := s.Serve(r, e); result != rpc.Success {
			t.Errorf("%s, come once more: result %d", name, result)
		}
		s.Sent(r)
		answer := e.Bytes()[lengthBytes:]
		if kind(answer[0]) == rLerror {
			t.Errorf("%s: answered % x", name, answer)
		}
		if err := wellFormed(kind(r.Record[0]), answer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Close()
}

// TestWaitRoom has what gives an open file up wait in the room of the file's image, as what changes a file does: it may wait for the same medium.
func TestWaitRoom(t *testing.T) {
	target := newFuzzTarget(t)
	s, e := target.session(t, 0)
	defer s.Close()
	image := target.srv.images[0]
	target.srv.cheap, target.srv.costly, image.cheap = false, false, false
	image.room = rpc.NewBudget(rpc.BudgetMin).NewRoom(0, nil)
	for n, m := range [][]byte{
		ninetest.Message(ninetest.Write, 2, ninetest.Args(uint32(1), uint64(0), uint32(0))),
		ninetest.Message(ninetest.Clunk, 3, ninetest.Args(uint32(1))),
	} {
		r := &rpc.Request{Record: m[lengthBytes:]}
		e.Truncate(0)
		e.Extend(lengthBytes)
		if result := s.Serve(r, e); result != rpc.Wait || r.Room != image.room {
			t.Errorf("request %d: result %d in the room %p, want %p", n, result, r.Room, image.room)
		}
		e.Truncate(0)
		e.Extend(lengthBytes)
		if r.MayWait = true; s.Serve(r, e) != rpc.Success {
			t.Errorf("request %d is not answered", n)
		}
		s.Sent(r)
	}
}
