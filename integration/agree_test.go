package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pmemfs/integration/conformance"
	"pmemfs/pmemfs"
)

const (
	agreeSeedVariable  = "PMEMFS_AGREE_SEED"  // what a failed run printed
	agreeStepsVariable = "PMEMFS_AGREE_STEPS" // how many calls
)

// TestStacksAgree makes the same random calls, by several users, on the engine, the native stack and the go-nfs stack, each on
// a filesystem of its own. Every call must have the same result everywhere, and at the end all must hold the same tree. Where
// several errors are true, go-nfs may name another, as it looks at types before permissions; how often is printed.
func TestStacksAgree(t *testing.T) {
	seed := uint64(variable(t, agreeSeedVariable, int(rand.Uint32())))
	steps := variable(t, agreeStepsVariable, 4000)
	t.Logf("%s=%d %s=%d", agreeSeedVariable, seed, agreeStepsVariable, steps)
	fss := []conformance.FS{agreeEngine(t)}
	for _, s := range []stack{nativeStack, goNFSStack} {
		addr, end := serveStack(t, s)
		fs, hangUp := rootOver(t, addr)
		t.Cleanup(func() {
			hangUp()
			end()
		})
		fss = append(fss, fs)
	}
	names := []string{"engine", "native", "go-nfs"}
	for _, fs := range fss {
		if err := fs.Setattr(".", conformance.Set{Mode: new(uint32(0o777))}); err != nil {
			t.Fatal(err)
		}
	}
	g := agreeing{rand.New(rand.NewPCG(seed, 0))}
	kinds, order := map[string]int{}, map[string]int{}
	for i := range steps {
		what, call := g.next()
		want := call(fss[0])
		kind, _, _ := strings.Cut(want, " (")
		if !isError(want) {
			kind = "ok"
		}
		kinds[kind]++
		for j, fs := range fss[1:] {
			got := call(fs)
			if names[j+1] == "go-nfs" && got != want && isError(got) && isError(want) {
				order[want+", go-nfs "+got]++
				continue
			}
			if got != want {
				t.Fatalf("call %d, %s: %s says %s, the engine %s", i, what, names[j+1], got, want)
			}
		}
	}
	want := treeOf(t, fss[0], ".")
	for j, fs := range fss[1:] {
		if got := treeOf(t, fs, "."); got != want {
			t.Errorf("%s has\n%s\nthe engine\n%s", names[j+1], got, want)
		}
	}
	t.Logf("%d files and directories at the end; results: %v; other errors: %v", strings.Count(want, "\n"), kinds, order)
}

// isError reports whether a result is an error of the protocol.
func isError(result string) bool { return strings.HasPrefix(result, "error ") }

// variable is a number of the environment.
func variable(t *testing.T, name string, or int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func agreeEngine(t *testing.T) conformance.FS {
	t.Helper()
	eng, err := pmemfs.OpenMemory(256<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return &engineFS{eng: eng, base: eng.Root()}
}

// agreeing makes random calls. A call's result is text without times and numbers of files, which differ between filesystems.
type agreeing struct{ *rand.Rand }

// path is one of few, so that calls meet.
func (g agreeing) path() string {
	path := string(rune('a' + g.IntN(5)))
	for g.IntN(2) == 0 && len(path) < 7 {
		path += "/" + string(rune('a'+g.IntN(5)))
	}
	if g.IntN(60) == 0 {
		return path + "/" + strings.Repeat("n", 256)
	}
	return path
}

func (g agreeing) user() conformance.User {
	return []conformance.User{{}, {}, {UID: 1000, GID: 1000}, {UID: 1001, GID: 1001, Groups: []uint32{1000}}, {UID: 1002, GID: 1000}}[g.IntN(5)]
}

func (g agreeing) mode() uint32 {
	if g.IntN(8) == 0 {
		return g.Uint32N(0o10000)
	}
	return []uint32{0o777, 0o777, 0o755, 0o2775, 0o1777, 0o666}[g.IntN(6)]
}

// saying is a result as text.
func saying(value any, err error) string {
	var no conformance.Errno
	switch {
	case errors.As(err, &no):
		return fmt.Sprintf("error %d (%v)", int(no), no)
	case err != nil:
		return err.Error()
	}
	return fmt.Sprint("ok ", value)
}

// next is a random call, and what it is.
func (g agreeing) next() (string, func(conformance.FS) string) {
	a, b, u, mode := g.path(), g.path(), g.user(), g.mode()
	off, n, fill := uint64(g.IntN(12000)), 1+g.IntN(9000), byte(g.IntN(256))
	bare := func(what string, call func(fs conformance.FS) error) (string, func(conformance.FS) string) {
		return fmt.Sprintf("%s by %d", what, u.UID), func(fs conformance.FS) string { return saying("", call(fs.As(u))) }
	}
	switch g.IntN(20) {
	case 0, 1:
		how := conformance.How{Existing: conformance.Existing(g.IntN(3)), Mode: mode, Verifier: uint64(g.IntN(3))}
		if how.Existing != conformance.ByVerifier && g.IntN(3) == 0 {
			how.Size = &off
		}
		return bare(fmt.Sprintf("create %q %+v", a, how), func(fs conformance.FS) error {
			err := fs.Create(a, how)
			if err == nil && how.Existing == conformance.ByVerifier {
				err = fs.Setattr(a, conformance.Set{Mode: &mode}) // it has none in the call: servers differ
			}
			return err
		})
	case 2, 3:
		return bare(fmt.Sprintf("mkdir %q %o", a, mode), func(fs conformance.FS) error { return fs.Mkdir(a, mode) })
	case 4:
		return bare(fmt.Sprintf("symlink %q", a), func(fs conformance.FS) error { return fs.Symlink(b, a) })
	case 5:
		typ := []conformance.Type{conformance.FIFO, conformance.Socket}[g.IntN(2)]
		return bare(fmt.Sprintf("mknod %q %d", a, typ), func(fs conformance.FS) error { return fs.Mknod(a, typ, mode, 1, 3) })
	case 6:
		return bare(fmt.Sprintf("unlink %q", a), func(fs conformance.FS) error { return fs.Unlink(a) })
	case 7:
		return bare(fmt.Sprintf("rmdir %q", a), func(fs conformance.FS) error { return fs.Rmdir(a) })
	case 8, 9, 10:
		return bare(fmt.Sprintf("rename %q to %q", a, b), func(fs conformance.FS) error { return fs.Rename(a, b) })
	case 11, 12:
		return bare(fmt.Sprintf("link %q as %q", a, b), func(fs conformance.FS) error { return fs.Link(a, b) })
	case 13:
		data := slices.Repeat([]byte{fill}, n)
		return bare(fmt.Sprintf("write %d at %d of %q", n, off, a), func(fs conformance.FS) error { return fs.Write(a, off, data) })
	}
	return g.more(a, u, mode, off, n)
}

// more are calls that change attributes or nothing.
func (g agreeing) more(a string, u conformance.User, mode uint32, off uint64, n int) (string, func(conformance.FS) string) {
	who := fmt.Sprintf(" %q by %d", a, u.UID)
	switch g.IntN(6) {
	case 0:
		set := conformance.Set{}
		if g.IntN(2) == 0 {
			set.Mode = &mode
		}
		if g.IntN(4) == 0 {
			set.UID = new([]uint32{0, 1000, 1001, 1002}[g.IntN(4)])
		}
		if g.IntN(4) == 0 {
			set.GID = new([]uint32{0, 1000, 1001}[g.IntN(3)])
		}
		if g.IntN(3) == 0 {
			set.Size = &off
		}
		set.AtimeNow, set.MtimeNow = g.IntN(4) == 0, g.IntN(4) == 0
		return fmt.Sprintf("setattr %+v", set) + who, func(fs conformance.FS) string { return saying("", fs.As(u).Setattr(a, set)) }
	case 1:
		return fmt.Sprintf("read %d at %d of", n, off) + who, func(fs conformance.FS) string {
			data, err := fs.As(u).Read(a, off, n)
			return saying(fmt.Sprintf("%d %x", len(data), data), err)
		}
	case 2:
		return "readlink" + who, func(fs conformance.FS) string { return saying(fs.As(u).Readlink(a)) }
	case 3:
		return "names" + who, func(fs conformance.FS) string {
			names, err := fs.As(u).Names(a)
			slices.Sort(names)
			return saying(names, err)
		}
	}
	return "getattr" + who, func(fs conformance.FS) string {
		attr, err := fs.As(u).Getattr(a)
		return saying(plain(attr), err)
	}
}

// plain is attributes without what differs between filesystems.
func plain(a conformance.Attr) string {
	return fmt.Sprintf("type %d mode %o links %d owner %d:%d size %d used %d device %d:%d", a.Type, a.Mode, a.Nlink, a.UID, a.GID, a.Size, a.Used,
		a.Major, a.Minor)
}

// treeOf describes everything below a directory, content included.
func treeOf(t *testing.T, fs conformance.FS, dir string) string {
	t.Helper()
	names, err := fs.Names(dir)
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	slices.Sort(names)
	var text strings.Builder
	for _, name := range names {
		path := dir + "/" + name
		a, err := fs.Getattr(path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		content := ""
		switch a.Type {
		case conformance.Regular:
			data, err := fs.Read(path, 0, int(a.Size))
			content = saying(fmt.Sprintf("%x", data), err)
		case conformance.Symlink:
			content = saying(fs.Readlink(path))
		}
		fmt.Fprintf(&text, "%s %s %s\n", path, plain(a), content)
		if a.Type == conformance.Dir {
			text.WriteString(treeOf(t, fs, path))
		}
	}
	return text.String()
}
