package rpc_test

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"pmemfs/server/rpc"
)

// TestDirect mixes replies that are sent from where they lie with all others, to clients that are slow to take them: each comes whole.
func TestDirect(t *testing.T) {
	s := startServer(t, rpc.Limits{})
	var clients sync.WaitGroup
	for range 3 {
		c := dial(t, s.addr)
		sizes := []int{0, 1, 2, 3, 5, 4096, 100_001, 1 << 20, 1<<20 - 1}
		want := map[uint32][]byte{}
		var calls [][]byte
		for i := range uint32(200) {
			switch i % 4 {
			case 0:
				calls = append(calls, testCall(i, procEcho, words(i)))
				want[i] = words(i)
			case 1:
				calls = append(calls, testCall(i, procSlow, words(i)))
				want[i] = words(i)
				s.slow <- struct{}{}
			default:
				n := sizes[int(i)%len(sizes)]
				calls = append(calls, testCall(i, procDirect, words(uint32(n))))
				e := rpc.NewEncoder(nil)
				e.Opaque(lying[:n])
				want[i] = e.Bytes()
			}
		}
		clients.Go(func() {
			if _, err := c.Write(bytes.Join(calls, nil)); err != nil {
				t.Error(err)
				return
			}
			for range len(calls) {
				if len(want)%20 == 0 {
					time.Sleep(5 * time.Millisecond) // the socket fills meanwhile
				}
				b, err := c.replies.Next()
				if err != nil {
					t.Error(err)
					return
				}
				xid := uint32(b[4])<<24 | uint32(b[5])<<16 | uint32(b[6])<<8 | uint32(b[7])
				if !bytes.Equal(b[28:], want[xid]) {
					t.Errorf("reply %d: %d bytes, want %d", xid, len(b)-28, len(want[xid]))
					return
				}
				delete(want, xid)
			}
		})
	}
	clients.Wait()
	if n := s.copied.Load(); n == 3*100 {
		t.Error("nothing was sent directly")
	}
}
