package server_test

import (
	"context"
	"net"
	"testing"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/export"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

const imageBytes = 64 << 20

func config(image string) server.Config {
	return server.Config{NFS: "127.0.0.1:0", Images: []server.ImageConfig{{Path: image, New: server.NewImage{Size: imageBytes}, Exports: []export.Export{export.Default()}}}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience is what only a hang takes: the machine may be busy with other things.
const patience = 3 * time.Minute

// run serves until stop is called, which then demands that it ended in order.
func run(t *testing.T, s *server.Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	return func() {
		t.Helper()
		cancel()
		select {
		case err := <-ended:
			must(t, err)
		case <-time.After(patience):
			t.Fatal("did not stop")
		}
	}
}

func checkClean(t *testing.T, image string) {
	t.Helper()
	report, err := pmemfs.Check(image, pmemfs.CheckOptions{})
	must(t, err)
	for _, f := range report.Faults {
		t.Errorf("check: offset %d: %s: expected %s, found %s", f.Offset, f.Object, f.Expected, f.Found)
	}
}

// nfsClient calls NFS and MOUNT over one connection, as a kernel does that has mounted several exports of one server.
type nfsClient struct {
	t    *testing.T
	conn net.Conn
}

func dialNFS(t *testing.T, addr string) *nfsClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return &nfsClient{t, conn}
}

// call makes a call as the superuser: byte slices and strings are opaque, integers themselves.
func (c *nfsClient) call(prog, proc uint32, values ...any) *rpc.Decoder {
	c.t.Helper()
	e := rpc.NewEncoder(nil)
	for _, v := range values {
		switch v := v.(type) {
		case string:
			e.Opaque([]byte(v))
		case []byte:
			e.Opaque(v)
		case int:
			e.Uint32(uint32(v))
		case uint64:
			e.Uint64(v)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := rpc.CallStream(ctx, c.conn, &rpc.OutCall{Prog: prog, Vers: 3, Proc: proc, Sys: &rpc.SysCred{}, Args: e.Bytes()})
	must(c.t, err)
	return rpc.NewDecoder(b)
}

func (c *nfsClient) nfs(proc uint32, values ...any) (nfswire.Status, *rpc.Decoder) {
	c.t.Helper()
	d := c.call(nfswire.ProgNFS, proc, values...)
	return nfswire.Status(d.Uint32()), d
}

// mount returns the handle of an export.
func (c *nfsClient) mount(path string) []byte {
	c.t.Helper()
	d := c.call(progMount, 1, path)
	if status := d.Uint32(); status != 0 {
		c.t.Fatalf("MNT %s: %d", path, status)
	}
	return d.Opaque(nfswire.HandleMax)
}

const progMount = 100005

// create makes a file with something in it.
func (c *nfsClient) create(dir []byte, name, data string) []byte {
	c.t.Helper()
	st, d := c.nfs(nfswire.ProcCreate, dir, name, 0, 1, 0o666, 0, 0, 0, 0, 0)
	if st != nfswire.OK || !d.Bool() {
		c.t.Fatalf("CREATE %s: %v", name, st)
	}
	fh := d.Opaque(nfswire.HandleMax)
	if st := c.write(fh, data); st != nfswire.OK {
		c.t.Fatalf("WRITE %s: %v", name, st)
	}
	return fh
}

// write writes at the begin of a file, stably.
func (c *nfsClient) write(fh []byte, data string) nfswire.Status {
	c.t.Helper()
	st, _ := c.nfs(nfswire.ProcWrite, fh, uint64(0), len(data), 2, data)
	return st
}

// read reads what a file begins with.
func (c *nfsClient) read(fh []byte) (string, nfswire.Status) {
	c.t.Helper()
	st, d := c.nfs(nfswire.ProcRead, fh, uint64(0), 1000)
	if d.Bool() {
		d.Fixed(attrBytes)
	}
	if st != nfswire.OK {
		return "", st
	}
	d.Uint32()
	d.Bool()
	return string(d.Opaque(1000)), st
}

const attrBytes = 84 // of fattr3

// lookup finds a file.
func (c *nfsClient) lookup(dir []byte, name string) ([]byte, nfswire.Status) {
	c.t.Helper()
	st, d := c.nfs(nfswire.ProcLookup, dir, name)
	return d.Opaque(nfswire.HandleMax), st
}

// opaques are the texts in a list of lists, as EXPORT's and DUMP's are.
func opaques(d *rpc.Decoder, each func(d *rpc.Decoder) string) (list []string) {
	for d.Bool() {
		list = append(list, each(d))
	}
	return list
}
