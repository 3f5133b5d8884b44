package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pmemfs/archive/tarball"
	"pmemfs/pmemfs"
	"pmemfs/pmemfs/safego"
	"pmemfs/server/jobs"
)

// worker is a server that has nothing but jobs, of which each ends when it is told to.
type worker struct {
	Running
	list  jobs.List
	begun atomic.Int32
}

func (w *worker) start(kind string) (jobs.Job, error) {
	w.begun.Add(1)
	j, _, err := w.list.Start(kind, "image", "", func(ctx context.Context, _ func(done, total int64)) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	return j, err
}

func (w *worker) Scrub(*pmemfs.FS, int64, bool) (jobs.Job, error) { return w.start(JobScrub) }

func (w *worker) CheckSnapshot(*pmemfs.FS, string, int64) (jobs.Job, error) {
	return w.start(JobSnapshotCheck)
}

func (w *worker) CancelJob(ctx context.Context, id uint64) (jobs.Job, error) {
	return w.list.Cancel(ctx, id)
}

// Carry carries out what is a stream at once.
func (w *worker) Carry(ctx context.Context, _, _, _ string, work jobs.Work) error {
	_, err := work(ctx, func(int64, int64) {})
	return err
}

// archiveOf is an archive with a symbolic link.
func archiveOf(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := tarball.NewWriter(&b)
	must(t, w.Begin(&tarball.Entry{Name: "./inarchive", Type: tarball.Symlink, Target: "x", Mode: 0o777}))
	must(t, w.Close())
	return b.String()
}

// makeDir makes a directory in the root.
func makeDir(t *testing.T, s *served, name string) {
	t.Helper()
	_, err := s.fs.Mkdir(&pmemfs.Cred{}, nil, s.fs.Root(), []byte(name), &pmemfs.SetAttr{})
	must(t, err)
}

// TestAgain sends every request that changes something twice, as a client does to which the answer has not come: as it is, and with a key, which makes the
// second answer the first one.
func TestAgain(t *testing.T) {
	for _, key := range []string{"", "key"} {
		s := serve(t)
		w := &worker{}
		defer w.list.Close()
		reloads := 0
		s.srv.image.Running = w
		s.srv.image.Steering = &Steering{Reload: func(context.Context) (ReloadReply, error) {
			reloads++
			return ReloadReply{Applied: []ConfigurationChange{}, Restart: []ConfigurationChange{}, Overridden: []string{fmt.Sprint(reloads)}}, nil
		}}
		makeDir(t, s, "tree")
		tried := make(map[string]bool)
		for n, c := range []struct {
			method, path, body string
			differs            string // what the second answer has without a key, one of several between bars; empty if it is the first one
		}{
			{"POST", "/v1/snapshots", `{"name":"a"}`, `"exists"`},
			{"POST", "/v1/snapshots", `{"name":"b"}`, `"exists"`},
			{"POST", "/v1/snapshots/hold", `{"name":"a","tag":"t"}`, ""},
			{"DELETE", "/v1/snapshots/hold?name=a&tag=t", "", `"not_found"`},
			{"POST", "/v1/snapshots/rollback", `{"name":"b"}`, ""},
			{"DELETE", "/v1/snapshots?name=a", "", `"not_found"`},
			{"POST", "/v1/quota", `{"kind":"user","id":7,"bytes":1048576}`, ""},
			{"POST", "/v1/quota", `{"path":"/tree","bytes":1048576}`, `"bytes":1048576`},
			{"POST", "/v1/quota/grace", `{"kind":"user","bytes_ns":1000000000,"files_ns":1000000000}`, ""},
			{"DELETE", "/v1/quota?kind=user&id=7", "", ""},
			{"DELETE", "/v1/quota?path=/tree", "", `"not_found"|{}`}, // while the tree is being given back it is there
			{"POST", "/v1/quota/recount", `{}`, ""},
			{"POST", "/v1/scrub", `{}`, ""},
			{"POST", "/v1/snapshots/check", `{"name":"b"}`, ""},
			{"DELETE", "/v1/jobs?id=1", "", ""},
			{"POST", "/v1/grow", `{"size_bytes":33554432}`, `"old_bytes":33554432`},
			{"POST", "/v1/files/archive?path=/", archiveOf(t), ""},
			{"DELETE", "/v1/files?path=/inarchive", "", `"not_found"`},
			{"POST", "/v1/reload", `{}`, `"overridden":["2"]`},
		} {
			kind, header := "", []string(nil)
			if c.method == "POST" {
				kind = mediaType
			}
			if key != "" {
				header = []string{keyHeader, fmt.Sprint(key, n)}
			}
			path, _, _ := strings.Cut(c.path, "?")
			tried[c.method+" "+path] = true
			status, first := raw(t, s, c.method, c.path, kind, c.body, header...)
			if status != http.StatusOK {
				t.Errorf("%s %s: %d %s", c.method, c.path, status, first)
			}
			status, second := raw(t, s, c.method, c.path, kind, c.body, header...)
			if same := key != "" || c.differs == ""; same && first != second || !same && !containsOne(second, c.differs) {
				t.Errorf("%s %s again, key %q: %d %s after %s", c.method, c.path, key, status, second, first)
			}
		}
		for _, o := range operations {
			method, path, _ := o.about()
			if o.again() != "" && !tried[method+" "+path] {
				t.Errorf("%s %s is not tried", method, path)
			}
			if method != http.MethodGet && o.again() == "" && path != SnapshotDiff.Path {
				t.Errorf("%s %s does not say what becomes of it when it is sent again", method, path)
			}
		}
		if key != "" && (reloads != 1 || w.begun.Load() != 2) {
			t.Errorf("with keys %d reloads, and %d jobs begun", reloads, w.begun.Load())
		}
	}
}

// containsOne reports whether a text has one of several between bars.
func containsOne(text, several string) bool {
	return slices.ContainsFunc(strings.Split(several, "|"), func(one string) bool { return strings.Contains(text, one) })
}

// TestRollbackAgain goes back once, whatever clients have changed before the request came again.
func TestRollbackAgain(t *testing.T) {
	s := serve(t)
	_, err := s.fs.CreateSnapshot("a", "")
	must(t, err)
	back := func(key string) {
		t.Helper()
		if status, answer := raw(t, s, "POST", "/v1/snapshots/rollback", mediaType, `{"name":"a"}`, keyHeader, key); status != http.StatusOK {
			t.Errorf("%d %s", status, answer)
		}
	}
	back("one")
	makeDir(t, s, "later")
	back("one")
	if _, err := s.fs.Lookup(&pmemfs.Cred{}, nil, s.fs.Root(), []byte("later")); err != nil {
		t.Errorf("what was made since is gone: %v", err)
	}
	back("two")
	if _, err := s.fs.Lookup(&pmemfs.Cred{}, nil, s.fs.Root(), []byte("later")); !errors.Is(err, pmemfs.ErrNotExist) {
		t.Errorf("another request did not go back: %v", err)
	}
}

// TestKeys refuses keys that are none, and a key that another request has had; what has failed is tried again.
func TestKeys(t *testing.T) {
	s := serve(t)
	ask := func(body string, header ...string) (int, string) {
		return raw(t, s, "POST", "/v1/snapshots", mediaType, body, header...)
	}
	for _, key := range []string{"", "two words", strings.Repeat("k", keyMax+1)} {
		if status, answer := ask(`{"name":"a"}`, keyHeader, key); status != 400 || !strings.Contains(answer, keyHeader) {
			t.Errorf("key %q: %d %s", key, status, answer)
		}
	}
	if status, answer := ask(`{"name":"/"}`, keyHeader, "k"); status != 400 {
		t.Errorf("a bad name: %d %s", status, answer)
	}
	if status, answer := ask(`{"name":"a"}`, keyHeader, "k"); status != 200 {
		t.Errorf("the key of what has failed: %d %s", status, answer)
	}
	if status, answer := ask(`{"name":"b"}`, keyHeader, "k"); status != 400 || !strings.Contains(answer, "another request") {
		t.Errorf("the key of another request: %d %s", status, answer)
	}
	if status, _ := raw(t, s, "GET", "/v1/snapshots", "", "", keyHeader, "k"); status != 200 {
		t.Errorf("a key where nothing changes: %d", status)
	}
}

// TestAgainAtOnce sends one request many times at once: it is carried out once, also if it fails at first.
func TestAgainAtOnce(t *testing.T) {
	var a again
	var runs atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for {
				text, err := a.do(t.Context(), "k", [32]byte{1}, func() ([]byte, error) {
					if runs.Add(1) == 1 {
						return nil, pmemfs.ErrBusy
					}
					return []byte("done"), nil
				})
				if err == nil {
					if string(text) != "done" {
						t.Errorf("%s", text)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	if runs.Load() != 2 {
		t.Errorf("carried out %d times", runs.Load()-1)
	}
	safego.Run("test", func() { _, _ = a.do(t.Context(), "p", [32]byte{2}, func() ([]byte, error) { panic("fault") }) })
	if _, err := a.do(t.Context(), "p", [32]byte{2}, func() ([]byte, error) { return nil, nil }); err != nil {
		t.Errorf("after a panic: %v", err)
	}
	a.known["held"] = &once{key: "held", what: [32]byte{3}, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.do(ctx, "held", [32]byte{3}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever is gone waits on: %v", err)
	}
}

// TestAgainBounds forgets what is too old, too much, or too long.
func TestAgainBounds(t *testing.T) {
	now := time.Unix(1e9, 0)
	a := again{now: func() time.Time { return now }}
	runs := 0
	do := func(key string, bytes int) {
		t.Helper()
		_, err := a.do(t.Context(), key, [32]byte{}, func() ([]byte, error) {
			runs++
			return make([]byte, bytes), nil
		})
		must(t, err)
		now = now.Add(time.Millisecond)
	}
	for n := range 3 * againMost {
		do(fmt.Sprint(n), 1)
	}
	if len(a.known) > againMost+1 || a.bytes != len(a.known) {
		t.Errorf("%d are remembered, of %d bytes", len(a.known), a.bytes)
	}
	do(fmt.Sprint(3*againMost-1), 1)
	if runs != 3*againMost {
		t.Error("the last one is forgotten")
	}
	for n := range 10 {
		do(fmt.Sprint("long", n), againBytes/2)
	}
	if a.bytes > againBytes {
		t.Errorf("%d bytes are remembered", a.bytes)
	}
	do("huge", 2*againBytes)
	runs = 0
	if do("huge", 0); runs != 0 || len(a.known) != 1 {
		t.Errorf("carried out %d times more, with %d remembered", runs, len(a.known))
	}
	now = now.Add(againRemember)
	do("new", 1)
	if len(a.known) != 1 || a.bytes != 1 {
		t.Errorf("%d are remembered, of %d bytes", len(a.known), a.bytes)
	}
}
