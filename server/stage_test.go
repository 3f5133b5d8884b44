package server

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"pmemfs/server/admin"
	"pmemfs/server/export"
	"pmemfs/server/nfswire"
	"pmemfs/server/rpc"
)

// probed asks an admin port for health and readiness, and demands their statuses and the stage.
func probed(t *testing.T, at string, healthy, ready int, state string) {
	t.Helper()
	for path, want := range map[string]int{"/healthz": healthy, "/readyz": ready} {
		resp, err := http.Get("http://" + at + path)
		if err != nil {
			t.Fatal(err)
		}
		var r admin.Report
		err = json.NewDecoder(resp.Body).Decode(&r)
		if err != nil || resp.StatusCode != want || r.OK != (want == http.StatusOK) || r.State != state {
			t.Errorf("%s: %d %+v, %v; want %d %s", path, resp.StatusCode, r, err, want, state)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestStages asks a server how it is while it makes its image, which waits for the test; while it serves; and while it stops and a call is under way.
func TestStages(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	making, goOn := make(chan struct{}), make(chan struct{})
	told := false
	c := Config{NFS: "127.0.0.1:0", Admin: Admin{Address: at}, Images: []ImageConfig{{
		Path: filepath.Join(t.TempDir(), "image"), Exports: []export.Export{export.Default()},
		New: NewImage{Size: 64 << 20, Owner: &Owner{Mode: 0o1777}, Progress: func(int64, int64) {
			if !told {
				told = true
				close(making)
				<-goOn
			}
		}},
	}}}
	var s *Server
	opened := make(chan error, 1)
	go func() {
		var err error
		s, err = Open(c)
		opened <- err
	}()
	<-making
	probed(t, at, http.StatusOK, http.StatusServiceUnavailable, "recovering")
	close(goOn)
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	k := &soaker{addr: s.Addr().String()}
	file := k.file(t, "/")
	probed(t, at, http.StatusOK, http.StatusOK, "serving")

	conn, err := k.dial("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l := &pipeline{t: t, conn: conn, replies: rpc.NewRecordReader(conn, 1<<20, nil)}
	release := stuck(t, s.images[0].eng, file)
	l.send(1, nfswire.ProcWrite, file)
	for s.budget.Usage().Waiting == 0 {
	}
	stop()
	for s.stage() != stopping {
	}
	probed(t, at, http.StatusOK, http.StatusServiceUnavailable, "stopping")
	release()
	l.want(1, nfswire.OK)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + at + "/healthz"); err == nil {
		t.Error("it answers when it has ended")
	}
}
