package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hugelgupf/p9/linux"
	"github.com/hugelgupf/p9/p9"

	"pmemfs/integration/harness"
	"pmemfs/server/ninetest"
)

// serveNineP starts a server with 9P on a socket of its own, and on a port.
func serveNineP(t *testing.T, args ...string) (s *harness.Server, port int, socket string) {
	t.Helper()
	dir := t.TempDir()
	socket, port = filepath.Join(dir, "9p"), harness.FreePort(t)
	args = append([]string{"--size", "256MiB", "--squash", "none", "--9p", fmt.Sprint(":", port), "--9p", "unix:" + socket}, args...)
	return harness.Serve(t, filepath.Join(dir, "fs.img"), args...), port, socket
}

// TestNinePLibrary uses the client of another implementation of 9P, which asks for a dialect of its own and leaves out a field of
// Tfsync.
func TestNinePLibrary(t *testing.T) {
	_, port, _ := serveNineP(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
	must(err)
	client, err := p9.NewClient(conn, p9.WithMessageSize(1<<20))
	must(err)
	defer client.Close()
	root, err := client.Attach("/")
	must(err)
	_, file, err := root.Walk(nil)
	must(err)
	opened, _, _, err := file.Create("f", p9.ReadWrite, 0o644, 0, 0)
	must(err)
	data := bytes.Repeat([]byte("9P library "), 200_000)
	if n, err := opened.WriteAt(data, 0); err != nil || n != len(data) {
		t.Fatalf("write: %d, %v", n, err)
	}
	must(opened.FSync())
	got := make([]byte, len(data))
	if n, err := opened.ReadAt(got, 0); (err != nil && err != io.EOF) || !bytes.Equal(got[:n], data) {
		t.Errorf("read: %d, %v", n, err)
	}
	_, again, err := root.Walk([]string{"f"})
	must(err)
	if _, _, a, err := again.GetAttr(p9.AttrMaskAll); err != nil || a.Size != uint64(len(data)) || a.UID != 65534 {
		t.Errorf("attributes: %+v, %v", a, err)
	}
	must(root.UnlinkAt("f", 0))
	if _, _, err := root.Walk([]string{"f"}); !errors.Is(err, linux.ENOENT) {
		t.Errorf("walk to what is gone: %v", err)
	}
}

// TestNinePTools uses diod's tools, which want to be told that they need no authentication.
func TestNinePTools(t *testing.T) {
	server, port, _ := serveNineP(t)
	target := harness.Mount(t, server.Addr(), 0)
	harness.WriteFile(t, target, "hello", "over NFS\n")
	tool := func(name string, args ...string) string {
		t.Helper()
		args = append([]string{"-s", fmt.Sprint("127.0.0.1:", port), "-a", "/"}, args...)
		path, err := exec.LookPath(name)
		if err != nil {
			path = "/usr/sbin/" + name // which is not in every PATH
		}
		out, err := exec.Command(path, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	if out := tool("diodcat", "hello"); out != "over NFS\n" {
		t.Errorf("diodcat: %q", out)
	}
	if out := tool("diodls", "-l", "/"); !strings.Contains(out, "hello") {
		t.Errorf("diodls: %q", out)
	}
}

// TestNinePKilled kills a server in the midst of writes over 9P: a new session sees all that was acknowledged, and a file that was
// open and had no name is gone with its space.
func TestNinePKilled(t *testing.T) {
	server, _, socket := serveNineP(t)
	const piece = 5000
	open := func() *ninetest.Client {
		t.Helper()
		c, err := ninetest.Dial("unix", socket)
		if err == nil {
			err = c.Begin(1<<20, 0, "/", 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	free := func(c *ninetest.Client) uint64 {
		t.Helper()
		st, err := c.Call(ninetest.Statfs, uint32(0))
		if err != nil {
			t.Fatal(err)
		}
		st.Bytes(4 + 4 + 8)
		return st.Uint64()
	}
	c := open()
	before := free(c)
	for i, name := range []string{"kept", "gone"} {
		if _, err := c.Walk(0, uint32(i+1)); err != nil {
			t.Fatal(err)
		}
		if err := c.Create(uint32(i+1), name, 2, 0o600, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write(2, 0, make([]byte, 1<<20-100)); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(ninetest.Unlinkat, uint32(0), "gone", uint32(0)); err != nil {
		t.Fatal(err)
	}
	written := 0
	for ; written < 50; written++ {
		if n, err := c.Write(1, uint64(written*piece), bytes.Repeat([]byte{byte(written + 1)}, piece)); err != nil || n != piece {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	server.Kill()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	server.Start()
	c = open()
	if _, err := c.Walk(0, 1, "kept"); err != nil {
		t.Fatal(err)
	}
	if err := c.Open(1, 0); err != nil {
		t.Fatal(err)
	}
	for i := range written {
		got, err := c.Read(1, uint64(i*piece), piece)
		if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte(i + 1)}, piece)) {
			t.Fatalf("piece %d: %d bytes, %v", i, len(got), err)
		}
	}
	if after := free(c); after+100 < before {
		t.Errorf("%d blocks are free, before %d: a file without a name has kept its space", after, before)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
