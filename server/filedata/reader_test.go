package filedata

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/pmemfs/pmemfstest"
	"pmemfs/server/rpc"
)

const headBytes = 8

// fixture is a file, and a reader for a protocol of its own.
type fixture struct {
	t      *testing.T
	eng    *pmemfs.FS
	file   pmemfs.Handle
	reader Reader
	e      *rpc.Encoder
}

func newFixture(t *testing.T, content []byte) *fixture {
	t.Helper()
	eng, err := pmemfs.OpenMemory(16<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pmemfstest.CheckFS(t, eng)
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	root := pmemfs.Cred{}
	a, err := eng.Create(&root, nil, eng.Root(), []byte("file"), &pmemfs.CreateOptions{Attr: pmemfs.SetAttr{Mask: pmemfs.SetMode, Mode: 0o600}})
	if err == nil {
		_, _, err = eng.Write(&root, nil, a.Handle, content, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	reader := Reader{Engine: eng, Logger: slog.New(slog.DiscardHandler), HeadBytes: headBytes}
	return &fixture{t: t, eng: eng, file: a.Handle, reader: reader, e: rpc.NewEncoder(nil)}
}

// read reads behind something that is in the encoder already.
func (f *fixture) read(off uint64, n int) (data []byte, eof bool, err error) {
	f.t.Helper()
	f.e.Truncate(0)
	f.e.Uint64(42)
	q := Read{Request: &rpc.Request{}, Encoder: f.e, Cred: &pmemfs.Cred{}, Call: &pmemfs.Call{}, File: f.file, Offset: off, Bytes: n}
	head, got, eof, err := f.reader.Read(&q)
	b := f.e.Bytes()[8:]
	switch {
	case head == nil && err == nil:
		f.t.Fatal("sent, without a connection")
	case err != nil && len(b) > 0:
		f.t.Fatalf("%v, and %d bytes", err, len(b))
	case err != nil:
		return nil, false, err
	case len(b) != headBytes+got || len(head) != headBytes || &head[0] != &b[0]:
		f.t.Fatalf("%d bytes for %d of data", len(b), got)
	}
	return b[headBytes:], eof, nil
}

// TestReadSizes reads around the limits from which on data travels in another way.
func TestReadSizes(t *testing.T) {
	content := bytes.Repeat([]byte("content!"), 40<<10)
	f := newFixture(t, content)
	for _, n := range []int{0, 1, 4096, directBytes - 1, directBytes, largeBytes, largeBytes + 1, 1 << 20} {
		for _, off := range []int{0, 1, len(content) - 10, len(content), len(content) + 1} {
			at := min(off, len(content))
			end := min(at+n, len(content))
			got, eof, err := f.read(uint64(off), n)
			if err != nil || !bytes.Equal(got, content[at:end]) || eof != (end == len(content)) {
				t.Errorf("%d bytes at %d: %d bytes, eof %v, %v", n, off, len(got), eof, err)
			}
		}
	}
}

// TestLargeReadOfSmallFile: a large read of a small file takes no large buffer.
func TestLargeReadOfSmallFile(t *testing.T) {
	f := newFixture(t, []byte("little"))
	got, eof, err := f.read(0, 1<<20)
	if err != nil || string(got) != "little" || !eof {
		t.Errorf("%q, eof %v, %v", got, eof, err)
	}
	if n := cap(f.e.Bytes()); n > largeBytes {
		t.Errorf("it took %d bytes", n)
	}
}

// TestBadMemory: a copy ends in front of bad memory, and the read behind that fails and appends nothing.
func TestBadMemory(t *testing.T) {
	const bad = 100 << 10
	content := bytes.Repeat([]byte("content!"), 40<<10)
	f := newFixture(t, content)
	heal := pmemfstest.Poison(t, f.eng, f.file, bad)
	if got, eof, err := f.read(0, 1<<20); err != nil || eof || !bytes.Equal(got, content[:bad]) {
		t.Errorf("up to the bad block: %d bytes, eof %v, %v", len(got), eof, err)
	}
	if _, _, err := f.read(bad, 1<<20); !errors.Is(err, pmemfs.ErrIO) {
		t.Errorf("at the bad block: %v", err)
	}
	heal()
}

// TestMayNotRead: who may not read gets the engine's error.
func TestMayNotRead(t *testing.T) {
	f := newFixture(t, []byte("secret"))
	for _, n := range []int{10, 1 << 20} {
		q := Read{Request: &rpc.Request{}, Encoder: f.e, Cred: &pmemfs.Cred{UID: 1, GID: 1}, Call: &pmemfs.Call{}, File: f.file, Bytes: n}
		if _, _, _, err := f.reader.Read(&q); !errors.Is(err, pmemfs.ErrAccess) || f.e.Len() != 0 {
			t.Errorf("%d bytes: %v, and %d bytes", n, err, f.e.Len())
		}
	}
}
