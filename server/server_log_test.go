package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/export"
	"pmemfs/server/ninetest"
	"pmemfs/server/rpc"
)

// TestRefusalsLogged: what is refused to clients of either protocol is in the log, with the reason in words and the path cut short.
func TestRefusalsLogged(t *testing.T) {
	var log safeBuffer
	c := config(filepath.Join(t.TempDir(), "image"))
	c.Logger, c.NineP = slog.New(slog.NewTextHandler(&log, nil)), []string{"127.0.0.1:0"}
	strict := export.Default()
	strict.Name, strict.Subtree, strict.Clients = "/strict", "/none", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	c.Images[0].Exports = append(c.Images[0].Exports, strict)
	s, err := server.Open(c)
	must(t, err)
	stop := run(t, s)
	client, err := ninetest.Dial("tcp", s.NineP()[0])
	must(t, err)
	must(t, client.Begin(8192, 0, "/", 0))
	for _, path := range []string{"/gone", "/strict", "/" + strings.Repeat("x", 500)} {
		if err := client.Do(ninetest.Attach, uint32(1), ninetest.NoFid, "", path, uint32(0)); err == nil {
			t.Errorf("9P: %q is attached to", path)
		}
		e := rpc.NewEncoder(nil)
		e.Opaque([]byte(path))
		if _, err := rpc.CallTCP(context.Background(), netip.Addr{}, s.Addr(), &rpc.OutCall{Prog: 100005, Vers: 3, Proc: 1, Args: e.Bytes()}); err != nil {
			t.Error(err)
		}
	}
	must(t, client.Close())
	stop()
	for _, what := range []string{"mount refused", "attach refused"} {
		for _, rest := range []string{
			`path=/gone why="no export or directory has this path"`,
			`path=/strict why="the export is not for this client, or the directory not for this user"`,
			fmt.Sprintf("path=/%s why=", strings.Repeat("x", 63)),
		} {
			found := false
			for line := range strings.Lines(log.String()) {
				found = found || strings.Contains(line, what) && strings.Contains(line, rest)
			}
			if !found {
				t.Errorf("the log lacks %q with %s:\n%s", what, rest, log.String())
			}
		}
	}
	for _, line := range []string{`msg=attach client=127.0.0.1 export=/ path=/`, `msg="an export has no directory and cannot be mounted until it is made" export=/strict directory=/none`} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log lacks %s:\n%s", line, log.String())
		}
	}
}

// TestSparseWarned: an image that is served although it lacks blocks gets a warning; a whole one does not.
func TestSparseWarned(t *testing.T) {
	for name, holes := range map[string]bool{"whole": false, "sparse": true} {
		var log safeBuffer
		c := config(filepath.Join(t.TempDir(), "image"))
		c.Logger, c.Images[0].Sparse = slog.New(slog.NewTextHandler(&log, nil)), true
		must(t, pmemfs.Format(c.Images[0].Path, pmemfs.FormatOptions{Size: imageBytes, RootMode: 0o755}))
		if holes {
			b, err := os.ReadFile(c.Images[0].Path)
			must(t, err)
			must(t, os.Remove(c.Images[0].Path))
			f, err := os.Create(c.Images[0].Path)
			must(t, err)
			const block = 4096
			for at := 0; at < len(b); at += block {
				if strings.Trim(string(b[at:at+block]), "\x00") != "" {
					_, err := f.WriteAt(b[at:at+block], int64(at))
					must(t, err)
				}
			}
			must(t, f.Truncate(imageBytes))
			must(t, f.Close())
		}
		s, err := server.Open(c)
		must(t, err)
		must(t, s.Close())
		if got := strings.Contains(log.String(), "writes fail when the disk is full"); got != holes {
			t.Errorf("%s: warned %v:\n%s", name, got, log.String())
		}
	}
}
