package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/export"
	"pmemfs/server/handle"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// TestImageSlow has writes to one image wait for as long as the test wants, as for a disk that has stopped. Behind more of them than the image has
// places for, calls to the other image are answered on the same connection, and those without a place are to come again. Then all is as before.
func TestImageSlow(t *testing.T) {
	var log syncBuffer
	c := Config{NFS: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(&log, nil))}
	for _, name := range []string{"/a", "/b"} {
		x := export.Default()
		x.Name = name
		c.Images = append(c.Images, ImageConfig{Path: filepath.Join(t.TempDir(), "image"), New: NewImage{Size: 64 << 20, Owner: &Owner{Mode: 0o1777}},
			Exports: []export.Export{x}, Limits: ImageLimits{Waiters: 4}})
	}
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	k := &soaker{addr: s.Addr().String()}
	files := [][]byte{k.file(t, "/a"), k.file(t, "/b")}
	conn, err := k.dial("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l := &pipeline{t: t, conn: conn, replies: rpc.NewRecordReader(conn, 1<<20, nil)}
	l.send(100, nfswire.ProcGetattr, files[1])
	l.want(100, nfswire.OK)
	release := stuck(t, s.images[0].eng, files[0])
	const writes = 6
	for xid := range uint32(writes) {
		l.send(xid, nfswire.ProcWrite, files[0])
	}
	l.send(101, nfswire.ProcWrite, files[1])
	l.send(102, nfswire.ProcGetattr, files[1])
	got := map[uint32]nfswire.Status{}
	for !has(got, 101, 102) {
		xid, st := l.next()
		got[xid] = st
	}
	later := 0
	for xid, st := range got {
		if xid >= writes && st != nfswire.OK {
			t.Errorf("a call to the other image: %v", st)
		}
		if xid < writes && st != nfswire.ErrJukebox {
			t.Errorf("write %d of an image that is stuck: %v", xid, st)
		}
		if xid < writes {
			later++
		}
	}
	if later != writes-2 { // one client has half of the places
		t.Errorf("%d writes are to come again", later)
	}
	release()
	for len(got) < writes+2 {
		xid, st := l.next()
		if got[xid] = st; st != nfswire.OK {
			t.Errorf("write %d, when it goes on: %v", xid, st)
		}
	}
	l.send(103, nfswire.ProcWrite, files[0])
	l.want(103, nfswire.OK)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := s.budget.Held(); n != 0 {
		t.Errorf("%d bytes are still taken", n)
	}
	if n := strings.Count(log.String(), "wait in vain"); n != 1 {
		t.Errorf("the log says %d times that calls wait in vain", n)
	}
}

// syncBuffer is written by a server and read by a test.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// file makes a file in the directory of an export.
func (k *soaker) file(t *testing.T, name string) []byte {
	t.Helper()
	root, err := k.mount("127.0.0.1", name)
	if err != nil {
		t.Fatal(err)
	}
	file, err := k.create(root)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// has reports whether there are replies to calls.
func has(got map[uint32]nfswire.Status, xids ...uint32) bool {
	for _, xid := range xids {
		if _, ok := got[xid]; !ok {
			return false
		}
	}
	return true
}

// stuck has everybody wait who changes a file, until release is called.
func stuck(t *testing.T, eng *pmemfs.FS, file []byte) (release func()) {
	t.Helper()
	codec := handle.New(eng)
	_, h, err := codec.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	var reader sync.WaitGroup
	begun, goOn := make(chan struct{}), make(chan struct{})
	reader.Go(func() {
		if _, err := eng.ReadTo(&pmemfs.Cred{}, nil, h, 1, 0, &pmemfs.Direct{Send: func([][]byte, int, bool) {
			close(begun)
			<-goOn
		}}); err != nil {
			t.Error(err)
		}
	})
	<-begun
	return func() {
		close(goOn)
		reader.Wait()
	}
}

// pipeline is a connection on which many calls are outstanding.
type pipeline struct {
	t       *testing.T
	conn    interface{ Write([]byte) (int, error) }
	replies *rpc.RecordReader
}

// send sends a GETATTR or a WRITE.
func (l *pipeline) send(xid, proc uint32, fh []byte) {
	l.t.Helper()
	e := rpc.NewEncoder(nil)
	for _, v := range []uint32{xid, 0, rpc.Version, nfswire.ProgNFS, nfswire.Version, proc, 0, 0, 0, 0} {
		e.Uint32(v)
	}
	e.Opaque(fh)
	if proc == nfswire.ProcWrite {
		e.Uint64(0)
		e.Uint32(4)
		e.Uint32(nfswire.FileSync)
		e.Opaque([]byte("data"))
	}
	record := append(binary.BigEndian.AppendUint32(nil, 1<<31|uint32(len(e.Bytes()))), e.Bytes()...)
	if _, err := l.conn.Write(record); err != nil {
		l.t.Fatal(err)
	}
}

// next returns the next reply.
func (l *pipeline) next() (xid uint32, st nfswire.Status) {
	l.t.Helper()
	b, err := l.replies.Next()
	if err != nil {
		l.t.Fatal(err)
	}
	d := rpc.NewDecoder(b[4:]) // behind the mark
	xid = d.Uint32()
	d.Fixed(5 * 4)
	return xid, nfswire.Status(d.Uint32())
}

func (l *pipeline) want(xid uint32, want nfswire.Status) {
	l.t.Helper()
	if got, st := l.next(); got != xid || st != want {
		l.t.Fatalf("reply %d: %v; want %d: %v", got, st, xid, want)
	}
}
