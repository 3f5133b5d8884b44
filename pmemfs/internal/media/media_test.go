package media

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
	"pmemfs/pmemfs/internal/volumetest"
)

// open returns the health of a volume in memory, and its log.
func open(t *testing.T) (*Health, *bytes.Buffer) {
	t.Helper()
	log := new(bytes.Buffer)
	h := New(volumetest.Logged(t, 2048, slog.New(slog.NewTextHandler(log, nil))))
	if err := h.Open(); err != nil {
		t.Fatal(err)
	}
	return h, log
}

// TestSayRate logs more than a period allows: the rest is counted, and the next period's first line says how many.
func TestSayRate(t *testing.T) {
	h, log := open(t)
	for range linesMax + 7 {
		h.Say(slog.LevelError, "bad")
	}
	if n := strings.Count(log.String(), "msg=bad"); n != linesMax {
		t.Errorf("%d lines, expected %d", n, linesMax)
	}
	h.period = h.period.Add(-linesPeriod - time.Second)
	h.Say(slog.LevelError, "bad again")
	if !strings.Contains(log.String(), `msg="bad again" lines_withheld=7`) {
		t.Errorf("the log:\n%s", log)
	}
}

// TestFixedName names the blocks that have their names from the superblock and the inode file alone.
func TestFixedName(t *testing.T) {
	h, _ := open(t)
	for block, want := range map[uint64]string{
		layout.SuperBlock:       "superblock",
		h.Super().Backup:        "backup superblock",
		layout.JournalHeadA:     "journal head, block",
		layout.JournalRing:      "journal ring, block",
		layout.BitmapBlock(0):   "bitmap of block group 0",
		h.Super().InodeBoot:     "inodes 0 to 15",
		h.Super().InodeBoot - 1: "bitmap of inode group 0",
	} {
		if got, ok := h.FixedName(block); !ok || !strings.HasPrefix(got, want) {
			t.Errorf("block %d is %q, expected %q", block, got, want)
		}
	}
	if got, ok := h.FixedName(h.Super().Backup - 1); ok {
		t.Errorf("a free block is %q", got)
	}
}

// TestReport reports a fault in the free space: the block goes to the list of bad blocks, once, and its name is in the error.
func TestReport(t *testing.T) {
	h, log := open(t)
	block := h.Super().Backup - 100
	err := h.Report(&pmem.FaultError{Off: layout.BlockOffset(block), Len: 8}, 0, false)
	var named *namedError
	if !errors.As(err, &named) || !strings.Contains(err.Error(), "free block") || !Confined(err) {
		t.Errorf("the error: %v", err)
	}
	if again := h.Report(err, 0, false); again != err {
		t.Errorf("what was reported is reported again: %v", again)
	}
	var listed []uint64
	if err := h.EachBad(func(start, n uint64) error { listed = append(listed, start, n); return nil }); err != nil || len(listed) != 2 || listed[0] != block || listed[1] != 1 {
		t.Errorf("listed %v, %v", listed, err)
	}
	if c := h.Counters(); c.Metadata != 1 || c.Bad != 1 || c.Data != 0 {
		t.Errorf("counters %+v", c)
	}
	if FaultOffset(err, 1) != layout.BlockOffset(block) || FaultOffset(errors.New("other"), 1) != 1 {
		t.Error("the offset of a fault")
	}
	if !strings.Contains(log.String(), "memory fault") {
		t.Errorf("the log:\n%s", log)
	}
}

// TestObjectsBounded remembers more names than there is room for.
func TestObjectsBounded(t *testing.T) {
	h, _ := open(t)
	for b := range uint64(3 * objectsMax) {
		h.remember(b, object{name: "x", ino: 20})
	}
	if len(h.objects) > objectsMax {
		t.Errorf("%d names", len(h.objects))
	}
	if _, ok := h.known(3*objectsMax-1, 20); !ok {
		t.Error("the last one is forgotten")
	}
	if _, ok := h.known(3*objectsMax-1, 21); ok {
		t.Error("it is known as seen from another inode")
	}
}
