package pmem

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRecord plays the events of a region back and asserts that they make the same bytes, in all domains, and that what
// is flushed and fenced is told in order.
func TestRecord(t *testing.T) {
	for _, d := range []Domain{Volatile, PageCache, CacheFlush, EADR} {
		r := memory(t, 64<<10, d)
		copied, log := make([]byte, r.Size()), []string{}
		r.SetRecorder(func(e *Event) {
			copy(copied[e.Range.Off:], e.Data)
			log = append(log, fmt.Sprintf("%d %d+%d", e.Kind, e.Range.Off, e.Range.Len))
		})
		r.Write(3, []byte("small"))
		r.Write(100, bytes.Repeat([]byte{7}, 40_000))
		r.Zero(101, 5)
		if err := r.Persist(testSite, []Range{{3, 5}, {0, 0}, {100, 40_000}}); err != nil {
			t.Fatal(err)
		}
		_, werr := r.WriteThrough(testThrough, []Segment{{41_000, bytes.Repeat([]byte{9}, 2000)}, {50_000, []byte("x")}})
		_, zerr := r.ZeroThrough(testThrough, []Range{{41_100, 1500}})
		if err := errors.Join(werr, zerr); err != nil {
			t.Fatal(err)
		}
		r.SetRecorder(nil)
		r.Write(0, []byte("unheard"))
		if !bytes.Equal(copied[8:], r.Bytes()[8:]) || copied[0] != 0 {
			t.Errorf("%s: what was recorded is not what was stored", d)
		}
		want := "1 3+5, 1 100+40000, 1 101+5, 3 0+0, 4 3+5, 4 100+40000, 5 0+0, "
		if r.bypass {
			want += "1 41000+24, 2 41024+1920, 1 42944+56, 1 50000+1, 3 0+0, 4 41000+24, 4 42944+56, 4 50000+1, 5 0+0, " +
				"1 41100+52, 2 41152+1408, 1 42560+40, 3 0+0, 4 41100+52, 4 42560+40, 5 0+0"
		} else {
			want += "1 41000+2000, 1 50000+1, 3 0+0, 4 41000+2000, 4 50000+1, 5 0+0, 1 41100+1500, 3 0+0, 4 41100+1500, 5 0+0"
		}
		if got := strings.Join(log, ", "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", d, got, want)
		}
	}
}

// TestFailpoints asserts that the hook is called before and after each fence, and what an error of it does.
func TestFailpoints(t *testing.T) {
	r := memory(t, 4096, CacheFlush)
	var seen []string
	stop := ""
	r.SetPersistHook(func(p Failpoint, _ Range) error {
		seen = append(seen, p.String())
		if p.String() == stop {
			return errors.New("stopped")
		}
		return nil
	})
	run := func() (failed []bool) {
		seen = nil
		err := r.Persist(testSite, []Range{{0, 1}})
		d, werr := r.WriteThrough(testThrough, []Segment{{0, []byte("x")}})
		return []bool{err != nil, werr != nil, d.Valid()}
	}
	all := []string{"before pmem test: flush", "after pmem test: flush", "before pmem test: through", "after pmem test: through"}
	if got := run(); !slices.Equal(seen, all) || !slices.Equal(got, []bool{false, false, true}) {
		t.Errorf("hook saw %q, results %v", seen, got)
	}
	for i, want := range [][]bool{{true, false, true}, {true, false, true}, {false, true, false}, {false, true, false}} {
		stop = all[i]
		if got := run(); !slices.Equal(got, want) {
			t.Errorf("stopped %s: %v, want %v", stop, got, want)
		}
	}
	if n := len(Failpoints()); n != 2*len(Sites()) || n < 4 {
		t.Errorf("%d failpoints of %d sites", n, len(Sites()))
	}
}

// TestSiteTwice asserts that two places cannot share a name.
func TestSiteTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a second site of the same name was accepted")
		}
	}()
	NewSite(testSite.String())
}
