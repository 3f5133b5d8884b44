package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	nfsc "github.com/willscott/go-nfs-client/nfs"
	nfsrpc "github.com/willscott/go-nfs-client/nfs/rpc"

	"pmemfs/pmemfs"
)

// output collects what a command prints while the test reads.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// command runs a command line to its end.
func command(args ...string) (status int, stdout, stderr string) {
	var out, errs output
	status = run(context.Background(), args, &out, &errs)
	return status, out.String(), errs.String()
}

// want runs a command line that must end with a status.
func want(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	got, stdout, stderr := command(args...)
	if got != status {
		t.Errorf("pmemfs %q: status %d, want %d\n%s%s", args, got, status, stdout, stderr)
	}
	if status != 0 && strings.Count(stderr, "\n") != 1 {
		t.Errorf("pmemfs %q: want one line of error, got %q", args, stderr)
	}
	return stdout, stderr
}

// serving is a server that runs.
type serving struct {
	t      *testing.T
	out    *output
	cancel context.CancelFunc
	ended  chan int
	addr   string
}

var onAddr = regexp.MustCompile(`export / on (127\.0\.0\.1:\d+),`)

// patience is what only a hang takes: the machine may be busy with other things.
const patience = 3 * time.Minute

func serve(t *testing.T, args ...string) *serving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &serving{t: t, out: &output{}, cancel: cancel, ended: make(chan int, 1)}
	go func() {
		s.ended <- run(ctx, append([]string{"serve", "--nfs", "127.0.0.1:0", "--admin", "off"}, args...), s.out, s.out)
	}()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if m := onAddr.FindStringSubmatch(s.out.String()); m != nil {
			s.addr = m[1]
			return s
		}
		select {
		case status := <-s.ended:
			t.Fatalf("serve ended with %d\n%s", status, s.out)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("serve does not come up\n%s", s.out)
		}
	}
}

func (s *serving) stop() {
	s.t.Helper()
	s.cancel()
	if status := <-s.ended; status != 0 {
		s.t.Errorf("serve ended with %d\n%s", status, s.out)
	}
}

func (s *serving) mount() *nfsc.Target {
	s.t.Helper()
	// The client draws a port of its own at random, which may be taken.
	conn, err := nfsrpc.DialTCP("tcp", s.addr, false)
	for tries := 0; tries < 50 && errors.Is(err, syscall.EADDRINUSE); tries++ {
		conn, err = nfsrpc.DialTCP("tcp", s.addr, false)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	m := nfsc.Mount{Client: conn}
	target, err := m.Mount("/", nfsrpc.NewAuthUnix("host", uint32(os.Geteuid()), uint32(os.Getegid())).Auth())
	if err != nil {
		s.t.Fatal(err)
	}
	return target
}

// TestServe is a first run with everything left to defaults but the port and the size, a stop, and a second run.
func TestServe(t *testing.T) {
	t.Chdir(t.TempDir())
	s := serve(t, "--size", "64MiB")
	for _, text := range []string{"made ", "pmemfs.img", "persistence domain ", "squash root", "durability power",
		"sudo mount -t nfs -o vers=3,nolock,tcp,port=", "sudo mount_nfs -o vers=3,tcp,nolocks,port="} {
		if !strings.Contains(s.out.String(), text) {
			t.Errorf("the output lacks %q:\n%s", text, s.out)
		}
	}
	f, err := s.mount().OpenFile("/file", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("content")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve", "--admin", "off"}, {"mkfs", "pmemfs.img", "--size", "64MiB", "--force"}} {
		if _, stderr := want(t, 1, args...); !strings.Contains(stderr, "in use") {
			t.Errorf("pmemfs %q on an image in use: %s", args, stderr)
		}
	}
	want(t, exitCouldNot, "check", "pmemfs.img")
	if stdout, _ := want(t, 0, "info", "pmemfs.img"); !strings.Contains(stdout, "served by process") {
		t.Errorf("info of an image in use:\n%s", stdout)
	}
	s.stop()
	want(t, 0, "check", "pmemfs.img")

	s = serve(t, "pmemfs.img", "--durability", "process", "--log-format", "json")
	if !strings.Contains(s.out.String(), "durability process") || !strings.Contains(s.out.String(), `"msg":"filesystem open"`) {
		t.Errorf("the second run says\n%s", s.out)
	}
	g, err := s.mount().Open("/file")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(g); err != nil || string(got) != "content" {
		t.Errorf("the file reads %q, %v", got, err)
	}
	s.stop()
	want(t, 0, "check", "pmemfs.img")
}

func TestMkfsInfoCheck(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	want(t, 0, "mkfs", image, "--size", "64MiB", "--label", "box", "--root-owner", "1000:100", "--root-mode", "0700")
	if _, stderr := want(t, 1, "mkfs", image, "--size", "64MiB"); !strings.Contains(stderr, "force") {
		t.Errorf("mkfs over an image: %s", stderr)
	}
	stdout, _ := want(t, 0, "info", image, "--json")
	var info struct {
		Label string
		Size  uint64 `json:"size_bytes"`
		Clean bool
	}
	if err := json.Unmarshal([]byte(stdout), &info); err != nil || info.Label != "box" || info.Size != 64<<20 || !info.Clean {
		t.Errorf("info: %+v, %v\n%s", info, err, stdout)
	}
	if stdout, _ := want(t, 0, "info", image); !strings.Contains(stdout, "box") || !strings.Contains(stdout, "64 MiB") {
		t.Errorf("info:\n%s", stdout)
	}
	if stdout, _ := want(t, 0, "check", image); !strings.Contains(stdout, ": clean: ") {
		t.Errorf("check:\n%s", stdout)
	}
	stdout, _ = want(t, 0, "check", image, "--json")
	var report struct{ Faults []any }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || len(report.Faults) != 0 {
		t.Errorf("check --json: %v\n%s", err, stdout)
	}
}

// TestCheckDamage overwrites a stretch of metadata: check must say so with status 4 and change nothing.
func TestCheckDamage(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	want(t, 0, "mkfs", image, "--size", "64MiB")
	content, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for block := 0; block < len(content)/4096 && damaged == 0; block++ {
		at := content[block*4096 : (block+1)*4096]
		if block < 16 || bytes.Count(at, []byte{0}) == len(at) {
			continue
		}
		at[100] ^= 0xff
		if err := os.WriteFile(image, content, 0o600); err != nil {
			t.Fatal(err)
		}
		status, stdout, _ := command("check", image)
		if status == exitDamage {
			damaged++
			if !strings.Contains(stdout, "DAMAGED") || !strings.Contains(stdout, "expected") {
				t.Errorf("check of a damaged image:\n%s", stdout)
			}
			if stdout, _ := want(t, exitDamage, "check", image, "--json"); !json.Valid([]byte(stdout)) {
				t.Errorf("check --json:\n%s", stdout)
			}
			repairDamage(t, image)
		}
		at[100] ^= 0xff
	}
	if damaged == 0 {
		t.Error("no block could be damaged")
	}
}

// repairDamage repairs an image: status 1, then 0 with nothing written.
func repairDamage(t *testing.T, image string) {
	t.Helper()
	if stdout, stderr := want(t, exitRepaired, "check", "--repair", image); !strings.Contains(stdout, ": repaired (") || !strings.Contains(stderr, "repaired") {
		t.Errorf("check --repair:\n%s%s", stdout, stderr)
	}
	stdout, _ := want(t, 0, "check", "--repair", image, "--json")
	var report struct{ Written int }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || report.Written != 0 || !strings.Contains(stdout, "written") {
		t.Errorf("check --repair --json: %v\n%s", err, stdout)
	}
	want(t, 0, "check", image)
}

// TestRepairCannot: what cannot be repaired, or is in use, is left as it is.
func TestRepairCannot(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	want(t, 0, "mkfs", image, "--size", "64MiB")
	if err := os.Truncate(image, 60<<20); err != nil {
		t.Fatal(err)
	}
	if stdout, _ := want(t, exitDamage, "check", "--repair", image); !strings.Contains(stdout, "NOT REPAIRED") || !strings.Contains(stdout, "lost: image") {
		t.Errorf("an image that is cut off:\n%s", stdout)
	}
	want(t, exitCouldNot, "check", "--repair", filepath.Join(t.TempDir(), "missing"))
	whole := filepath.Join(t.TempDir(), "whole")
	want(t, 0, "mkfs", whole, "--size", "64MiB")
	fs, err := pmemfs.Open(whole, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr := want(t, exitCouldNot, "check", "--repair", whole); !strings.Contains(stderr, "in use") {
		t.Errorf("an image in use: %s", stderr)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, 0, "check", "--repair", whole)
}

// TestUsage: what is wrong is named, and nothing is made on the way.
func TestUsage(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		status int
		word   string
		args   []string
	}{
		{1, "frobnicate", []string{"frobnicate"}},
		{1, "mkfs", []string{"mkfs"}},
		{1, "--size", []string{"mkfs", "x"}},
		{1, "0", []string{"mkfs", "x", "--size", "0"}},
		{1, "1:x", []string{"mkfs", "x", "--size", "64MiB", "--root-owner", "1:x"}},
		{1, "999", []string{"mkfs", "x", "--size", "64MiB", "--root-mode", "999"}},
		{1, "missing", []string{"info", "missing"}},
		{8, "missing", []string{"check", "missing"}},
		{8, "--no-such", []string{"check", "x", "--no-such"}},
		{8, "check", []string{"check"}},
		{1, "some", []string{"serve", "--squash", "some"}},
		{1, "perhaps", []string{"serve", "--durability", "perhaps"}},
		{1, "knfsd", []string{"serve", "--nfs-stack", "knfsd"}},
		{1, "nowhere", []string{"serve", "--nfs", "nowhere"}},
		{1, "big", []string{"serve", "--size", "big"}},
		{1, "loud", []string{"serve", "--log-level", "loud"}},
		{1, "xml", []string{"serve", "--log-format", "xml"}},
		{1, "10.0.0", []string{"serve", "--clients", "10.0.0"}},
		{1, "ext4", []string{"bench", "engine", "--compare", "ext4"}},
		{1, "--count", []string{"bench", "engine", "--count", "0"}},
		{1, "--rounds", []string{"bench", "engine", "--rounds", "0"}},
		{1, "no folder", []string{"bench", "engine", "--compare", ""}},
		{1, "--parallel", []string{"bench", "engine", "--parallel", "0"}},
		{1, "a folder decides", []string{"bench", "engine", "--image-dir", ".", "--domain", "eadr"}},
		{1, "page-cache", []string{"bench", "dirtest", "--domain", "page-cache"}},
		{1, "passes", []string{"bench", "engine", "--parallel", "2", "--processor-time"}},
		{1, "markdown", []string{"bench", "engine", "--json", "--markdown"}},
		{1, "--names", []string{"bench", "dirtest", "--names", "0"}},
		{1, "--operations", []string{"bench", "dirtest", "--operations", "0"}},
		{1, "--dirs", []string{"bench", "dirtest", "--dirs", "0"}},
		{1, "more than 3", []string{"bench", "dirtest", "--names", "3", "--parallel", "4"}},
		{1, "bench durable takes one folder, not 0 arguments", []string{"bench", "durable"}},
		{1, "serve takes at most one image, not 2 arguments: pmemfs serve [IMAGE]", []string{"serve", "a", "b"}},
		{1, "config check takes one file, not 0 arguments: pmemfs config check FILE", []string{"config", "check"}},
		{1, "one folder", []string{"bench", "durable", ".", "."}},
		{1, "nowhere", []string{"bench", "durable", "nowhere"}},
		{1, "--large", []string{"bench", "durable", ".", "--large", "0"}},
		{1, "--small", []string{"bench", "durable", ".", "--small", "0"}},
	} {
		if _, stderr := want(t, c.status, c.args...); !strings.Contains(stderr, c.word) {
			t.Errorf("pmemfs %q does not name %q: %s", c.args, c.word, stderr)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
		t.Errorf("left behind %v, %v", left, err)
	}
	for _, args := range [][]string{{}, {"--help"}, {"mkfs", "--help"}, {"serve", "--help"}, {"info", "--help"}, {"check", "--help"}, {"bench", "--help"},
		{"config", "--help"}, {"config", "init", "--help"}, {"config", "check", "--help"}, {"config", "show", "--help"}, {"config", "schema", "--help"}, {"reload", "--help"},
		{"bench", "engine", "--help"}, {"bench", "dirtest", "--help"}, {"bench", "durable", "--help"}} {
		if stdout, _ := want(t, 0, args...); !strings.Contains(stdout, "Examples:") {
			t.Errorf("pmemfs %q shows no examples", args)
		}
	}
}
