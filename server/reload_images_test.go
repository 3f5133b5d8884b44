package server_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server"
	"pmemfs/server/nfswire"
	"pmemfs/server/quotas"
)

// TestReloadImages gives a server of two images other exports and quotas, and names what counts at the next start. A mistake anywhere changes nothing
// anywhere.
func TestReloadImages(t *testing.T) {
	var log safeBuffer
	cfg := several(t.TempDir(), []string{"/a"}, []string{"/b"})
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s, err := server.Open(cfg)
	must(t, err)
	stop := run(t, s)
	c := dialNFS(t, s.Addr().String())
	a, b := c.create(c.mount("/a"), "file", "a"), c.create(c.mount("/b"), "file", "b")

	next := several(t.TempDir(), []string{"/a"}, []string{"/c"}, []string{"/d"})
	next.Images[0].Path, next.Images[1].Path = cfg.Images[0].Path, cfg.Images[1].Path
	files := uint64(1)
	next.Images[0].Quotas = []quotas.Quota{{Kind: pmemfs.QuotaUser, ID: 1, Files: &files}, {Kind: pmemfs.QuotaProject, Path: "/none", Files: &files}}
	next.Images[1].Durability = pmemfs.DurabilityProcess
	next.Images[1].Limits.Waiters = 7
	next.Memory = 64 << 20
	bad := next
	bad.Images = append([]server.ImageConfig(nil), next.Images...)
	bad.Images[1].Exports = append(bad.Images[1].Exports, bad.Images[0].Exports[0])
	if _, err := s.Reload(bad); err == nil {
		t.Error("an export of two images is taken")
	}
	for _, fh := range [][]byte{a, b} {
		if _, st := c.read(fh); st != nfswire.OK {
			t.Errorf("after a mistake: %v", st)
		}
	}
	restarts, err := s.Reload(next)
	must(t, err)
	var got []string
	for _, r := range restarts {
		image := strings.TrimPrefix(r.Image, next.Images[0].Path[:len(next.Images[0].Path)-len("image0")])
		got = append(got, fmt.Sprintf("%s %s %v-%v", image, r.Key, r.Now != "", r.Next != ""))
	}
	want := []string{" memory true-true", "image1 durability true-true", next.Images[2].Path + " image false-true"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("at the next start: %q, want %q", got, want)
	}
	if _, st := c.read(a); st != nfswire.OK {
		t.Errorf("an export that stays: %v", st)
	}
	if _, st := c.read(b); st != nfswire.ErrStale {
		t.Errorf("an export that is gone: %v", st)
	}
	if data, st := c.read(func() []byte { fh, _ := c.lookup(c.mount("/c"), "file"); return fh }()); st != nfswire.OK || data != "b" {
		t.Errorf("the new export: %q, %v", data, st)
	}
	if now := s.Config().Images; now[1].Limits.Waiters != 7 || now[0].Limits.Waiters != 0 {
		t.Errorf("limits in force: %+v, %+v", now[0].Limits, now[1].Limits)
	}
	for _, text := range []string{"quotas set by the configuration", "a quota is not set: its directory is not there"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("not said: %s", text)
		}
	}

	next.Images = next.Images[:1]
	next.Images[0].Exports[0].Name = "/c"
	if _, err := s.Reload(next); err == nil || !strings.Contains(err.Error(), "before the next start") {
		t.Errorf("an export goes to another image: %v", err)
	}
	next.Images[0].Exports[0].Name = "/e"
	restarts, err = s.Reload(next)
	must(t, err)
	if last := restarts[len(restarts)-1]; last.Key != "image" || last.Image != cfg.Images[1].Path || last.Next != "" {
		t.Errorf("an image is to go: %+v", restarts)
	}
	c.mount("/c") // until then it is there
	c.mount("/e")
	if now := s.Config(); len(now.Images) != 2 || now.Images[0].Exports[0].Name != "/e" || len(now.Images[0].Quotas) != 2 {
		t.Errorf("in force: %+v", now.Images)
	}
	stop()
	for _, i := range cfg.Images {
		checkClean(t, i.Path)
	}
}
