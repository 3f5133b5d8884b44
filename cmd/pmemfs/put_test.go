package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"pmemfs/archive/hostdir"
	"pmemfs/archive/tarball"
)

// tree makes a folder with everything that a file can be; as root with devices and other owners.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	long := strings.Repeat("n", 200)
	deep := filepath.Join(long, long, long)
	err := errors.Join(os.MkdirAll(at("d/e"), 0o755), os.MkdirAll(at(deep), 0o755), os.WriteFile(at("a"), []byte("hello\n"), 0o644), os.Link(at("a"), at("d/b")),
		os.Symlink("../a", at("d/link")), os.WriteFile(at(deep+"/f"), []byte("deep"), 0o600), os.WriteFile(at("bad\xff\nname"), nil, 0o640),
		unix.Mkfifo(at("d/fifo"), 0o600), os.WriteFile(at("big"), bytes.Repeat([]byte("0123456789abcdef"), 100_000), 0o444), os.WriteFile(at("sparse"), []byte("x"), 0o644),
		os.Truncate(at("sparse"), 200<<20), os.WriteFile(at("hole"), nil, 0o644), os.Truncate(at("hole"), 1<<20))
	f, ferr := os.OpenFile(at("sparse"), os.O_WRONLY, 0)
	if ferr == nil {
		_, werr := f.WriteAt([]byte("middle"), 100<<20)
		ferr = errors.Join(werr, f.Close())
	}
	err = errors.Join(err, ferr, unix.Lsetxattr(at("a"), "user.key", []byte("value\x00\n"), 0))
	if os.Geteuid() == 0 {
		err = errors.Join(err, unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), os.Lchown(at("d/e"), 5, 6), os.Lchown(at("d/link"), 7, 8))
	}
	acl := "\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x04\x00\xe8\x03\x00\x00\x04\x00\x05\x00\xff\xff\xff\xff\x10\x00\x05\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff"
	err = errors.Join(err, unix.Lsetxattr(at("big"), tarball.AccessACL, []byte(acl), 0), unix.Lsetxattr(at("d"), tarball.DefaultACL, []byte(acl), 0), os.Chmod(at("d/b"), 0o4755),
		unix.UtimesNanoAt(unix.AT_FDCWD, at("d/e"), []unix.Timespec{unix.NsecToTimespec(-1), unix.NsecToTimespec(915246245123456789)}, 0))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// tool runs a program that must succeed, with what it reads.
func tool(t *testing.T, stdin []byte, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, &errs)
	}
	return string(out)
}

// same demands that two folders are the same by rsync, with all attributes, and that holes are.
func same(t *testing.T, what, a, b string) {
	t.Helper()
	if out := tool(t, nil, "rsync", "-aHAXi", "--delete", "--checksum", "--dry-run", a+"/", b+"/"); out != "" {
		t.Errorf("%s differs:\n%s", what, out)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(b, "sparse"), &st); err != nil || st.Blocks > 1<<11 {
		t.Errorf("%s: a file with holes takes %d blocks: %v", what, st.Blocks, err)
	}
}

// TestPutGet copies a tree into an image and out of it, by itself and through its server, as commands, GNU tar and bsdtar do it.
func TestPutGet(t *testing.T) {
	t.Parallel()
	src := tree(t)
	for _, online := range []bool{false, true} {
		dir := t.TempDir()
		image := filepath.Join(dir, "fs.img")
		want(t, 0, "mkfs", image, "--size", "64MiB")
		var s *serving
		if online {
			s = serve(t, image)
		}
		want(t, 0, "put", "-r", src, image+":/copy")
		want(t, 0, "get", "-r", image+":/copy", filepath.Join(dir, "out"))
		same(t, "put and get", src, filepath.Join(dir, "out"))
		want(t, 0, "snapshot", "create", image, "kept")
		archive, _ := want(t, 0, "tar", image+":/copy")
		for _, extract := range [][]string{{"tar", "--acls", "--xattrs", "--xattrs-include=*", "-xpf", "-", "-C"}, {"bsdtar", "--acls", "--xattrs", "-xpf", "-", "-C"}} {
			out := filepath.Join(dir, extract[0])
			if err := os.Mkdir(out, 0o755); err != nil {
				t.Fatal(err)
			}
			tool(t, []byte(archive), extract[0], append(extract[1:], out)...)
			same(t, extract[0], src, filepath.Join(out, "copy"))
		}
		want(t, 1, "rm", image+":/copy")
		want(t, 0, "rm", "-r", image+":/copy")
		if out, _ := want(t, 0, "ls", image); out != "" {
			t.Errorf("after rm: %q", out)
		}
		want(t, 0, "get", "-r", image+"@kept:/copy/d", dir)
		want(t, 0, "tar", image+"@kept", "-o", filepath.Join(dir, "kept.tar"))
		if names := tool(t, nil, "tar", "-tf", filepath.Join(dir, "kept.tar")); !strings.Contains(names, "./copy/d/fifo\n") {
			t.Errorf("the snapshot's archive: %s", names)
		}
		_, said := want(t, 1, "put", filepath.Join(src, "a"), image+"@kept:/a")
		if !strings.Contains(said, "a snapshot cannot be changed") {
			t.Error(said)
		}
		if s != nil {
			s.stop()
		}
		want(t, 0, "fsck", image)
	}
}

// TestPutReplaces replaces files as cp does, and leaves alone what it must not touch.
func TestPutReplaces(t *testing.T) {
	dir := t.TempDir()
	image, file := filepath.Join(dir, "fs.img"), filepath.Join(dir, "file")
	want(t, 0, "mkfs", image, "--size", "16MiB")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cat := func(path, text string) {
		t.Helper()
		if out, _ := want(t, 0, "cat", image+":"+path); out != text {
			t.Errorf("%s: %q, want %q", path, out, text)
		}
	}
	write("one")
	want(t, 0, "put", file, image+":/")
	cat("/file", "one")
	write("two")
	want(t, 0, "put", "--mode", "0400", "--owner", "3:4", file, image+":file")
	cat("file", "two")
	if out, _ := want(t, 0, "stat", image+":/file", "--json"); !strings.Contains(out, `"mode": 256`) || !strings.Contains(out, `"gid": 4`) {
		t.Error(out)
	}
	for _, c := range []struct {
		said string
		args []string
	}{
		{"--recursive", []string{"put", dir, image + ":/"}},
		{"names no file", []string{"put", file, image}},
		{"no directory that is there", []string{"put", file, image + ":/none/"}},
		{"no such file", []string{"put", file, image + ":/none/f"}},
		{"no such file", []string{"put", file + "x", image + ":/"}},
		{"--mode is", []string{"put", "--mode", "rw", file, image + ":/"}},
		{"--owner is", []string{"put", "--owner", "root", file, image + ":/"}},
		{"--force", []string{"get", image + ":/file", file}},
		{"root directory", []string{"rm", "-r", image + ":/"}},
		{"no such file", []string{"rm", image + ":/none"}},
		{"no such file", []string{"cat", image + ":/none"}},
		{"no file with content", []string{"cat", image + ":/"}},
		{"--json needs --output", []string{"tar", image, "--json"}},
	} {
		if _, said := want(t, 1, c.args...); !strings.Contains(said, c.said) {
			t.Errorf("%q: %s", c.args, said)
		}
	}
	write("mine")
	want(t, 0, "get", "--force", image+":/file", file)
	if text, err := os.ReadFile(file); err != nil || string(text) != "two" {
		t.Errorf("%q %v", text, err)
	}
	want(t, 0, "rm", "--force", image+":/none")
	// A folder that has the image in it leaves it out.
	want(t, 0, "put", "-r", dir, image+":/all")
	if out, _ := want(t, 0, "ls", image+":/all"); out != "file\n" {
		t.Errorf("%q", out)
	}
}

// TestPutLocal has faults of the files that are to be copied: they are found before anything is sent, with and without a server.
func TestPutLocal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image, none, file := filepath.Join(dir, "fs.img"), filepath.Join(dir, "none"), filepath.Join(dir, "file")
	write(t, file, "x")
	want(t, 0, "mkfs", image, "--size", "16MiB")
	check := func(cause string, args ...string) {
		t.Helper()
		if _, said := want(t, 1, args...); said != "pmemfs: "+cause+"\n" {
			t.Errorf("%q: %s", args, said)
		}
	}
	for _, online := range []bool{false, true} {
		if online {
			defer serve(t, image).stop()
		}
		check(dir+" is a directory: --recursive copies it with all that is in it", "put", dir, image+":/d")
		check(image+`: "/no": no such file or directory`, "put", file, image+":/no/such/dir")
		check("stat "+image+"/srv: not a directory: a path in an image stands behind a colon: "+image+":/srv", "ls", image+"/srv")
		check("stat "+image+"@s/srv: no such file or directory: a path in an image stands behind a colon: "+image+"@s:/srv", "ls", image+"@s/srv")
		check(none+"/x: no such file or directory", "tar", image, "-o", none+"/x")
		check(image+`: no snapshot has the name "s2"`, "cat", image+"@s2:/h")
		check("lstat "+none+": no such file or directory", "put", none, image+":/d")
		check("lstat "+image+":/a: no such file or directory: FROM is a file of this machine; pmemfs get copies out of an image", "put", image+":/a", image+":/d")
		if online {
			if out, _ := want(t, 0, "jobs", "list", image, "--json"); strings.Count(out, "files-write") != 1 { // of /no/such/dir
				t.Errorf("the server was asked: %s", out)
			}
		}
	}
	if _, err := begin(unreadable{}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

// unreadable is a source of a file that its user may not read, as root may all.
type unreadable struct{}

func (unreadable) Next() (*tarball.Entry, error) {
	return &tarball.Entry{Name: ".", Type: tarball.Regular, Size: 1}, nil
}
func (unreadable) Read([]byte) (int, error) { return 0, os.ErrPermission }

// TestPutQuota names the file in the image that a quota has no room for, with and without a server, and of a real archive the entry.
func TestPutQuota(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image, src := filepath.Join(dir, "fs.img"), filepath.Join(dir, "src")
	big := filepath.Join(src, "big")
	if err := errors.Join(os.Mkdir(src, 0o755), os.WriteFile(big, make([]byte, 8<<20), 0o644)); err != nil {
		t.Fatal(err)
	}
	want(t, 0, "mkfs", image, "--size", "32MiB")
	want(t, 0, "put", "-r", filepath.Join(src, "."), image+":/d", "--owner", "5:5")
	want(t, 0, "rm", image+":/d/big")
	want(t, 0, "quota", "set", image, "--path", "/d", "--bytes", "1MiB")
	for _, online := range []bool{false, true} {
		if online {
			defer serve(t, image).stop()
		}
		for _, args := range [][]string{{"put", big, image + ":/d/big"}, {"put", big, image + ":/d"}, {"put", "-r", src + "/.", image + ":/d"}} {
			if _, said := want(t, 1, args...); !strings.HasPrefix(said, "pmemfs: "+image+`: "/d/big": `) || !strings.Contains(said, "quota exceeded") {
				t.Errorf("%q: %s", args, said)
			}
		}
	}
	tool(t, nil, "tar", "-cf", filepath.Join(dir, "a.tar"), "-C", src, "./big")
	if _, said := want(t, 1, "mkfs", image+"2", "--size", "4MiB", "--from", filepath.Join(dir, "a.tar")); !strings.Contains(said, `archive entry "./big", offset 0: `) {
		t.Error(said)
	}
}

// TestGetStays has images that would have files written elsewhere.
func TestGetStays(t *testing.T) {
	dir := t.TempDir()
	image, outside, out := filepath.Join(dir, "fs.img"), filepath.Join(dir, "outside"), filepath.Join(dir, "out")
	src := filepath.Join(dir, "src")
	if err := errors.Join(os.MkdirAll(filepath.Join(src, "d"), 0o755), os.WriteFile(filepath.Join(src, "d/f"), []byte("x"), 0o644), os.Mkdir(outside, 0o755), os.Mkdir(out, 0o755),
		os.Symlink(outside, filepath.Join(out, "d"))); err != nil {
		t.Fatal(err)
	}
	want(t, 0, "mkfs", image, "--from", src)
	if _, said := want(t, 1, "get", "-r", "--force", image+":/", out); !strings.Contains(said, "no directory here") {
		t.Error(said)
	}
	u, err := hostdir.NewUnpacker(out)
	if err != nil {
		t.Fatal(err)
	}
	u.Force = true
	for _, e := range []tarball.Entry{{Name: ".", Type: tarball.Dir, Mode: 0o755}, {Name: "./../outside/f", Type: tarball.FIFO}, {Name: "./d/f", Type: tarball.FIFO}, {Name: "./l", Type: tarball.Link, Target: "d/../../outside"}} {
		if err := u.Begin(&e); (err == nil) != (e.Name == ".") {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
	if err := u.Abort(); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
		t.Errorf("outside: %v %v", list, err)
	}
}
