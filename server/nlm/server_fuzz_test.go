package nlm

import (
	"net/netip"
	"testing"

	"pmemfs/pmemfs/testpart"
	"pmemfs/server/rpc"
)

// FuzzServe calls any procedure of the lock manager and of the status monitor with any arguments: nothing panics, and the table of locks is
// empty when the clients are gone.
func FuzzServe(f *testing.F) {
	testpart.NotRace(f)
	x := newSite(f)
	a := x.client(1, 4)
	for _, proc := range []uint32{procTest, procLock, procCancel, procUnlock, procNMLock} {
		for _, vers := range []uint32{1, 3, 4} {
			a.vers = vers
			f.Add(true, vers, proc, uint8(1), a.args(proc, want{svid: 1, exclusive: true, start: 5, length: 7, block: true}))
		}
	}
	f.Add(true, uint32(4), uint32(procFreeAll), uint8(1), []byte("\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x05"))
	f.Add(true, uint32(4), uint32(procRes+procGranted-1), uint8(2), []byte("\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x01"))
	f.Add(false, uint32(1), uint32(6), uint8(1), []byte("\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x05"))
	f.Fuzz(func(t *testing.T, lock bool, vers, proc uint32, host uint8, args []byte) {
		r := &rpc.Request{
			Call:   rpc.Call{Prog: Number, Vers: vers, Proc: proc, Args: args},
			Record: args, Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, host % 4}), 700), MayWait: true,
		}
		serve := x.s.serve
		if !lock {
			serve = x.s.monitor.Program().Serve
		}
		e := rpc.NewEncoder(nil)
		if result := serve(r, e); result == rpc.Wait || result != rpc.Success && proc == procNull && len(args) == 0 && vers == 4 {
			t.Errorf("result %d", result)
		}
		if _, err := parseResult(args); err == nil && len(args) < 8 {
			t.Error("a result of nothing")
		}
		for _, c := range x.eng.LockClients() {
			x.eng.DropLocks(c, func(string) bool { return true })
		}
		if u := x.eng.LockUsage(); u.Units != 0 || u.Waits != 0 {
			t.Errorf("left %+v", u)
		}
	})
}
