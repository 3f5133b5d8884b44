package ownsocket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// short is a folder whose path leaves room in an address.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "own")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// echo answers each connection with what it says.
func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}

func talk(t *testing.T, path string) {
	t.Helper()
	c, err := Dial(t.Context(), path)
	must(t, err)
	defer c.Close()
	_, err = c.Write([]byte("hello"))
	must(t, err)
	got := make([]byte, 5)
	_, err = io.ReadFull(c, got)
	must(t, err)
	if string(got) != "hello" {
		t.Errorf("answered %q", got)
	}
}

// TestPaths listens at paths of all lengths, and leaves nothing behind.
func TestPaths(t *testing.T) {
	dir := short(t)
	deep := filepath.Join(dir, strings.Repeat("d", 200), strings.Repeat("e", 200))
	must(t, os.MkdirAll(deep, 0o700))
	for _, path := range []string{
		filepath.Join(dir, "s"),
		filepath.Join(dir, strings.Repeat("n", addressMax-len(dir)-1)),
		filepath.Join(dir, strings.Repeat("n", addressMax-len(dir))),
		filepath.Join(dir, strings.Repeat("n", 255)),
		filepath.Join(deep, "s"),
		filepath.Join(deep, strings.Repeat("n", 255)),
	} {
		l, err := Listen(path)
		must(t, err)
		st, err := os.Lstat(path)
		must(t, err)
		if st.Mode() != os.ModeSocket|0o600 {
			t.Errorf("mode %v", st.Mode())
		}
		if l.Addr().String() != path {
			t.Errorf("address %s", l.Addr())
		}
		go echo(l)
		talk(t, path)
		must(t, l.Close())
		must(t, l.Close())
		left, err := os.ReadDir(filepath.Dir(path))
		must(t, err)
		for _, e := range left {
			if !e.IsDir() {
				t.Errorf("left behind: %s", e.Name())
			}
		}
	}
}

// TestInTheWay listens where something is already.
func TestInTheWay(t *testing.T) {
	path := filepath.Join(short(t), "s")
	for range 2 { // the second finds what a program that was killed leaves
		l, err := Listen(path)
		must(t, err)
		if _, err := Listen(path); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listened at a socket in use: %v", err)
		}
		must(t, l.l.Close())
	}
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, []byte("data"), 0o600))
	if _, err := Listen(path); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listened at a file: %v", err)
	}
	got, err := os.ReadFile(path)
	must(t, err)
	if string(got) != "data" {
		t.Error("the file is gone")
	}
}

// TestCloseLeavesOthers closes a listener whose path has another socket by now.
func TestCloseLeavesOthers(t *testing.T) {
	path := filepath.Join(short(t), "s")
	first, err := Listen(path)
	must(t, err)
	must(t, os.Remove(path))
	second, err := Listen(path)
	must(t, err)
	go echo(second)
	must(t, first.Close())
	talk(t, path)
	must(t, second.Close())
}

// TestNobody dials where nobody listens.
func TestNobody(t *testing.T) {
	path := filepath.Join(short(t), "s")
	if _, err := Dial(context.Background(), path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
	l, err := Listen(path)
	must(t, err)
	must(t, l.l.Close())
	if _, err := Dial(context.Background(), path); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a dead socket: %v", err)
	}
}
