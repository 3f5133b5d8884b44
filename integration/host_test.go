package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pmemfs/integration/harness"
	"pmemfs/server/ninetest"
)

// smallDisk mounts a filesystem of so many bytes on a new folder.
func smallDisk(t *testing.T, size int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk fills a disk until free removes what filled it.
func fillDisk(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// sparseImage makes an image and copies it so that it is sparse, as cp does by itself where it finds holes.
func sparseImage(t *testing.T, dir string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "fs.img")
	harness.MustRun(t, dir, "mkfs", "whole.img", "--size", "32MiB")
	if out, err := exec.Command("cp", "--sparse=always", filepath.Join(dir, "whole.img"), path).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(dir, "whole.img")); err != nil {
		t.Fatal(err)
	}
	return path
}

// blocksOf returns how many bytes of blocks a file has.
func blocksOf(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t).Blocks * 512
}

// TestSparseImage: a sparse image that does not fit on its disk is refused with what is missing; with --sparse it is served, refuses
// what the disk has no room for, goes on when it has, and opens again; without it an image that fits is made whole.
func TestSparseImage(t *testing.T) {
	if !enclosed(t, nil) {
		return
	}
	dir := smallDisk(t, 70<<20)
	image := sparseImage(t, dir)
	free := fillDisk(t, dir)
	before := blocksOf(t, image)
	r := harness.Run(t, dir, "serve", image, "--nfs", "127.0.0.1:0")
	if r.Status == 0 || !strings.Contains(r.Stderr, "of its 32.0 MiB have no blocks") || !strings.Contains(r.Stderr, "--sparse") {
		t.Errorf("status %d, %s", r.Status, r.Stderr)
	}
	if after := blocksOf(t, image); after != before {
		t.Errorf("%d bytes of blocks after serve was refused, %d before", after, before)
	}
	free()

	server := harness.Serve(t, image, "--sparse", "--squash", "none")
	client := harness.Mount(t, server.Addr(), 0)
	acked := map[string]string{}
	write := func(name string) error {
		content := strings.Repeat(name+" ", 20000)
		f, err := client.OpenFile(name, 0o644)
		if err != nil {
			return err
		}
		if _, err = io.Copy(f, strings.NewReader(content)); err == nil {
			err = f.Close()
		}
		if err == nil {
			acked[name] = content
		}
		return err
	}
	if err := write("before"); err != nil {
		t.Fatal(err)
	}
	free = fillDisk(t, dir)
	refused := 0
	for i := range 20 {
		if write(fmt.Sprint("full", i)) != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no write was refused on a full disk")
	}
	free()
	if err := write("after"); err != nil {
		t.Errorf("a write when the disk has space again: %v", err)
	}
	server.Kill()
	server.Start()
	client = harness.Mount(t, server.Addr(), 0)
	for name, content := range acked {
		if harness.ReadFile(t, client, name) != content {
			t.Errorf("%s was acknowledged and is different", name)
		}
	}
	if strings.Contains(server.Output(), "memory fault") {
		t.Errorf("a full disk was taken for bad memory:\n%s", server.Output())
	}
	server.Stop()
	server = harness.Serve(t, image)
	server.WaitOutput("was sparse", 1)
	if info := harness.MustRun(t, dir, "info", image); strings.Contains(info.Stdout, "sparse") {
		t.Errorf("it is still sparse:\n%s", info.Stdout)
	}
}

// TestReadOnlyDisk serves an image for reading from a filesystem that is mounted so, by NFS and 9P, and changes nothing.
func TestReadOnlyDisk(t *testing.T) {
	if !enclosed(t, nil) {
		return
	}
	dir := smallDisk(t, 100<<20)
	image := filepath.Join(dir, "fs.img")
	server := harness.Serve(t, image, "--size", "32MiB", "--squash", "none")
	content := strings.Repeat("content ", 10000)
	harness.WriteFile(t, harness.Mount(t, server.Addr(), 0), "file", content)
	server.Kill() // so that there is something to replay
	before, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if r := harness.Run(t, t.TempDir(), "serve", image, "--nfs", "127.0.0.1:0"); r.Status == 0 || !strings.Contains(r.Stderr, "read-only file system") {
		t.Errorf("serving it with an export that allows changes: status %d, %s", r.Status, r.Stderr)
	}
	socket := filepath.Join(t.TempDir(), "9p")
	server.StartWith("--read-only", "--9p", "unix:"+socket)
	server.WaitOutput("the image cannot be written", 1)
	client := harness.Mount(t, server.Addr(), 0)
	if harness.ReadFile(t, client, "file") != content {
		t.Error("NFS: another content")
	}
	if _, err := client.OpenFile("new", 0o644); err == nil {
		t.Error("NFS: a file was made")
	}
	nine, err := ninetest.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer nine.Close()
	if err = nine.Begin(8192, 1, "/", 0); err == nil {
		_, err = nine.Walk(1, 2, "file")
	}
	if err == nil {
		err = nine.Open(2, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if p, err := nine.Read(2, 0, 4096); err != nil || string(p) != content[:4096] {
		t.Errorf("9P: %d bytes, %v", len(p), err)
	}
	server.Stop()
	if after, err := os.ReadFile(image); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the image has changed: %v", err)
	}
}

// TestRemovedImage removes the image of a server: changes are refused at once, reads go on, the log says how to save the content, which is all
// there, and the server ends with a complaint.
func TestRemovedImage(t *testing.T) {
	image := filepath.Join(t.TempDir(), "fs.img")
	server := harness.Serve(t, image, "--size", "64MiB", "--squash", "none")
	client := harness.Mount(t, server.Addr(), 0)
	harness.WriteFile(t, client, "kept", "content")
	if err := os.Remove(image); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if f, err := client.OpenFile(fmt.Sprint("late", i), 0o644); err == nil {
			t.Errorf("file %d was acknowledged after the image was removed: %v", i, f.Close())
		}
	}
	if got := harness.ReadFile(t, client, "kept"); got != "content" {
		t.Errorf("read of what was there: %q", got)
	}
	server.WaitOutput("the image has been removed: nothing is acknowledged any more", 1)
	_, command, _ := strings.Cut(server.Output(), `command="`)
	command, _, _ = strings.Cut(command, ` COPY"`)
	if out, err := exec.Command("sh", "-c", command+" "+image).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	server.StopComplaining("the image has been removed and has no name left")
	server.Start()
	if got := harness.ReadFile(t, harness.Mount(t, server.Addr(), 0), "kept"); got != "content" {
		t.Errorf("saved: %q", got)
	}
}

// TestMovedImage moves the image of a server and puts something else in its place: the log says so, service goes on, and all of it is in the
// image wherever that is.
func TestMovedImage(t *testing.T) {
	image := filepath.Join(t.TempDir(), "fs.img")
	moved := image + ".moved"
	server := harness.Serve(t, image, "--size", "64MiB", "--squash", "none")
	client := harness.Mount(t, server.Addr(), 0)
	if err := os.Rename(image, moved); err != nil {
		t.Fatal(err)
	}
	const shout = "the image is no longer at its path"
	server.WaitOutput(shout, 1)
	if err := os.WriteFile(image, []byte("foreign"), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.WriteFile(t, client, "late", "content")
	if err := os.Rename(moved, image); err != nil {
		t.Fatal(err)
	}
	server.WaitOutput("the image is where it was again", 1)
	if err := os.Rename(image, moved); err != nil {
		t.Fatal(err)
	}
	server.Stop() // it looks once more
	server.WaitOutput(shout, 2)
	if err := os.Rename(moved, image); err != nil {
		t.Fatal(err)
	}
	server.Start()
	if got := harness.ReadFile(t, harness.Mount(t, server.Addr(), 0), "late"); got != "content" {
		t.Errorf("after a restart: %q", got)
	}
}
