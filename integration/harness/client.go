package harness

import (
	"errors"
	"io"
	"syscall"
	"testing"

	"github.com/willscott/go-nfs-client/nfs"
	"github.com/willscott/go-nfs-client/nfs/rpc"
)

// Mount connects a small NFSv3 client, in this process, to a server's root as
// the user uid. It disconnects when the test ends.
func Mount(t testing.TB, addr string, uid uint32) *nfs.Target {
	t.Helper()
	conn, err := rpc.DialTCP("tcp", addr, false)
	// The client binds to a port that it draws by lot, which somebody may have.
	for tries := 0; errors.Is(err, syscall.EADDRINUSE) && tries < 20; tries++ {
		conn, err = rpc.DialTCP("tcp", addr, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	mount := nfs.Mount{Client: conn}
	target, err := mount.Mount("/", rpc.NewAuthUnix("client", uid, uid).Auth())
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// WriteFile makes a file over NFS and commits it.
func WriteFile(t testing.TB, target *nfs.Target, name, content string) {
	t.Helper()
	f, err := target.OpenFile(name, 0o644)
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	if _, err := io.WriteString(f, content); err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
	if err := f.Close(); err != nil {
		t.Fatalf("close %s: %v", name, err)
	}
}

// ReadFile reads a whole file over NFS.
func ReadFile(t testing.TB, target *nfs.Target, name string) string {
	t.Helper()
	f, err := target.Open(name)
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return string(content)
}
