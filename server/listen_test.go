package server

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/server/export"
)

// TestFamily listens on all addresses of IPv4, and is not found at one of IPv6.
func TestFamily(t *testing.T) {
	for address, v6 := range map[string]bool{"0.0.0.0:0": false, "[::]:0": true} {
		p, err := listenAt(address, true)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		_, port, err := net.SplitHostPort(p.tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for host, there := range map[string]bool{"127.0.0.1": true, "::1": v6} {
			c, err := net.Dial("tcp", net.JoinHostPort(host, port))
			if (err == nil) != there {
				t.Errorf("%s at %s: %v", address, host, err)
			}
			if err == nil {
				c.Close()
			}
		}
	}
}

// TestVetAddress: what names no address is refused, instead of being all of them.
func TestVetAddress(t *testing.T) {
	for address, good := range map[string]bool{"": false, "127.0.0.1": false, "127.0.0.1:99999": false, "127.0.0.1:0": true, "[::1]:1": true, "x:y:z": false} {
		if err := vetAddress(address, "example:1"); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestWayOut: an error of listening says what to do about it.
func TestWayOut(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := taken.Addr().String()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	unix := func(path string) Config { return Config{NFS: "127.0.0.1:0", NineP: []string{"unix:" + path}} }
	for name, c := range map[string]struct {
		config Config
		says   string
	}{
		"busy":           {Config{NFS: at}, "another program has it; stop that, or choose another address with --nfs"},
		"busy for 9P":    {Config{NFS: "127.0.0.1:0", NineP: []string{at}}, "choose another address with --9p"},
		"busy rpcbind":   {Config{NFS: "127.0.0.1:0", Finding: Finding{Portmap: at}}, "use --register in place of --portmap"},
		"not here":       {Config{NFS: "192.0.2.1:0"}, "0.0.0.0 for all that it has"},
		"no port":        {Config{NFS: "127.0.0.1"}, "write host:port, such as 127.0.0.1:2049"},
		"no port for 9P": {Config{NFS: "127.0.0.1:0", NineP: []string{"564"}}, "such as :564 or unix:PATH"},
		"no socket":      {unix(file), "something else than a socket is there"},
		"no folder":      {unix(file + ".none/socket"), "make the folder first"},
		"a long path":    {unix(file + strings.Repeat("x", 256)), "name too long"},
		"a bare port":    {Config{NFS: "127.0.0.1:0", Finding: Finding{Portmap: "111"}}, "write host:port, such as :111"},
	} {
		c.config.Images = []ImageConfig{{Path: t.TempDir() + "/none", Exports: []export.Export{export.Default()}}}
		s, err := Open(c.config)
		if err == nil {
			t.Errorf("%s: served", name)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
}
