package pmem

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
)

// TestPut stores by system calls and by the mapping in turn: both see the same bytes, and so does the file.
func TestPut(t *testing.T) {
	for _, d := range allDomains() {
		page := int64(os.Getpagesize())
		r := image(t, 300*page, Options{Domain: d})
		want := make([]byte, r.Size())
		put := func(off int64, b byte, n int64) {
			copy(want[off:], bytes.Repeat([]byte{b}, int(n)))
		}
		calls := []struct {
			do     func() error
			off, n int64
			b      byte
		}{
			{func() error { r.Write(5, bytes.Repeat([]byte{1}, 10000)); return nil }, 5, 10000, 1},
			{func() error { return r.Put(4000, bytes.Repeat([]byte{2}, 200)) }, 4000, 200, 2},
			{func() error { r.Write(4100, bytes.Repeat([]byte{3}, 10)); return nil }, 4100, 10, 3},
			{func() error { return r.PutZeros(4050, 280*page) }, 4050, 280 * page, 0},
			{func() error {
				return proof(r.WriteThrough(testThrough, []Segment{{7, bytes.Repeat([]byte{4}, 9000)}}))
			}, 7, 9000, 4},
			{func() error { return proof(r.ZeroThrough(testThrough, []Range{{100, 100}})) }, 100, 100, 0},
		}
		for i, c := range calls {
			if err := c.do(); err != nil {
				t.Fatalf("%v, call %d: %v", d, i, err)
			}
			put(c.off, c.b, c.n)
			if !bytes.Equal(r.Bytes(), want) {
				t.Fatalf("%v, call %d: the mapping holds something else", d, i)
			}
			if got, err := os.ReadFile(r.Path()); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%v, call %d: the file holds something else; %v", d, i, err)
			}
		}
	}
}

// TestPutShort: what would make a file longer again that was cut off is refused.
func TestPutShort(t *testing.T) {
	r, page := truncated(t, Options{Domain: PageCache})
	for _, call := range []func() error{
		func() error { return r.Put(page, make([]byte, 2*page)) },
		func() error { return r.PutZeros(5*page, 1) },
	} {
		if err := call(); HostReason(err) != ErrHostShort {
			t.Errorf("%v, want %v", err, ErrHostShort)
		}
	}
	if st, err := os.Stat(r.Path()); err != nil || st.Size() != 2*page {
		t.Errorf("the file has %v, %v", st, err)
	}
}

// TestHostError tells the host's reasons apart.
func TestHostError(t *testing.T) {
	r := image(t, 1<<16, Options{Domain: PageCache})
	for cause, want := range map[error]error{
		syscall.ENOSPC: ErrHostSpace, syscall.EDQUOT: ErrHostSpace, syscall.EIO: ErrHostIO, io.ErrShortWrite: ErrHostShort,
	} {
		err := r.hostError(5000, fmt.Errorf("write: %w", cause))
		var fault *FaultError
		if !errors.As(err, &fault) || fault.Host != want || fault.Off > 5000 || fault.Off+fault.Len <= 5000 || !errors.Is(err, cause) {
			t.Errorf("%v becomes %v", cause, err)
		}
	}
}

// TestPutDoesNotAllocate: it is on the way of every change.
func TestPutDoesNotAllocate(t *testing.T) {
	r := image(t, 1<<16, Options{Domain: PageCache})
	p := make([]byte, 300)
	if n := testing.AllocsPerRun(100, func() {
		if err := r.Put(500, p); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
