package systemd

import (
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// descriptor duplicates what a socket has, as an inherited one is.
func descriptor(t *testing.T, c syscall.Conn) int {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	if err := raw.Control(func(n uintptr) { fd, err = syscall.Dup(int(n)) }); err != nil || fd < 0 {
		t.Fatal(err)
	}
	return fd
}

// inherit takes one descriptor as if the manager had passed it.
func inherit(t *testing.T, fd int, name string) (*Sockets, error) {
	t.Helper()
	s, foreign, err := told{pid: strconv.Itoa(os.Getpid()), count: "1", names: name}.take(fd)
	if foreign {
		t.Error("it is taken for another process's")
	}
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

// TestInherited takes a socket of each kind, and uses it.
func TestInherited(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	path, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer path.Close()
	for _, name := range []string{NFS, Portmap, NineP, Admin} {
		s, err := inherit(t, descriptor(t, tcp.(*net.TCPListener)), name)
		if err != nil || len(s.Named(name)) != 1 || s.Named(name)[0].Stream.Addr().String() != tcp.Addr().String() {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	for _, name := range []string{NineP, Control} {
		s, err := inherit(t, descriptor(t, path.(*net.UnixListener)), name)
		if err != nil || len(s.Named(name)) != 1 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	if s := (*Sockets)(nil); s.Named(NFS) != nil || s.Close() != nil {
		t.Error("no sockets are some")
	}
}

// TestInheritedRefused passes what no socket of ours can be.
func TestInheritedRefused(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	path, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer path.Close()
	connected, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	file, err := os.Create(t.TempDir() + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		what string
		from syscall.Conn
		name string
		says string
	}{
		{"no name of ours", tcp.(*net.TCPListener), "http", "it has no such name"},
		{"systemd's own name", tcp.(*net.TCPListener), "pmemfs.socket", "it has no such name"},
		{"datagrams for 9P", udp.(*net.UDPConn), NineP, "datagrams"},
		{"datagrams alone", udp.(*net.UDPConn), NFS, "one of streams has to be there"},
		{"a path for NFS", path.(*net.UnixListener), NFS, "it is at a path"},
		{"no path for commands", tcp.(*net.TCPListener), Control, "not at a path"},
		{"a connection", connected.(*net.TCPConn), NFS, "nobody listens on it"},
		{"a file", file, NFS, "no socket"},
	} {
		if _, err := inherit(t, descriptor(t, c.from), c.name); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestTold reads what the environment tells of sockets.
func TestTold(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		told    told
		foreign bool
		says    string
	}{
		{told{}, false, ""},
		{told{pid: "1", count: "1", names: NFS}, true, ""},
		{told{pid: "x", count: "1", names: NFS}, false, "LISTEN_PID"},
		{told{pid: own, count: "0", names: NFS}, false, "LISTEN_FDS"},
		{told{pid: own, count: "-1", names: NFS}, false, "LISTEN_FDS"},
		{told{pid: own, count: "1"}, false, "LISTEN_FDNAMES"},
		{told{pid: own, count: "2", names: NFS}, false, "LISTEN_FDNAMES"},
	} {
		s, foreign, err := c.told.take(firstDescriptor)
		if s != nil || foreign != c.foreign || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, %t, %v", c.told, s, foreign, err)
		}
	}
}
