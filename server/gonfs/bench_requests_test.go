package gonfs_test

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// BenchmarkRequests measures requests over loopback on one connection, with 1 and with 16 of them outstanding. GETATTR and
// LOOKUP pass through go-nfs; ACCESS and CREATE are answered from the engine.
func BenchmarkRequests(b *testing.B) {
	s := newSite(b, nil)
	c := s.dial()
	root := c.root()
	fh := c.create(root, "f", 0o644)
	c.write(fh, 0, string(make([]byte, 4096)))
	data := string(make([]byte, 4096))
	created := 0
	for _, k := range []struct {
		name string
		proc uint32
		args func() []byte
	}{
		{"GETATTR", 1, func() []byte { return pack(fh) }},
		{"LOOKUP", 3, func() []byte { return pack(root, "f") }},
		{"ACCESS", 4, func() []byte { return pack(fh, 63) }},
		{"READ-4KiB", 6, func() []byte { return pack(fh, uint64(0), 4096) }},
		{"WRITE-4KiB", 7, func() []byte { return pack(fh, uint64(0), 4096, 0, data) }},
		{"CREATE", 8, func() []byte { created++; return pack(root, fmt.Sprint("n", created), 1, noSattr) }},
	} {
		for _, depth := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/depth=%d", k.name, depth), func(b *testing.B) {
				slots := make(chan struct{}, depth)
				received := make(chan error, 1)
				go func() {
					for range b.N {
						if _, err := c.tryRecv(); err != nil {
							received <- err
							return
						}
						<-slots
					}
					received <- nil
				}()
				for range b.N {
					slots <- struct{}{}
					_, record := c.callRecord(2, 100003, 3, k.proc, k.args())
					if _, err := c.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(record))|1<<31), record...)); err != nil {
						b.Fatal(err)
					}
				}
				must(b, <-received)
			})
		}
	}
}
