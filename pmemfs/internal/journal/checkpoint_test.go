package journal

import (
	"os"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// TestCheckpointDue asks for a checkpoint when the window holds half of a small ring, or 4 MiB of a large one, as DESIGN.md says.
func TestCheckpointDue(t *testing.T) {
	text, err := os.ReadFile("../../../DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), "when the window holds half of the ring or 4 MiB, whichever is less") {
		t.Error("DESIGN.md does not say when a checkpoint is due")
	}
	for _, c := range []struct{ ring, due int64 }{{1 << 20, 512 << 10}, {8 << 20, 4 << 20}, {32 << 20, 4 << 20}} {
		region, err := pmem.NewMemory(ringOff+c.ring+(1<<20), pmem.Volatile)
		if err != nil {
			t.Fatal(err)
		}
		j := New(region, State{Head: layout.Head{Version: 1, Epoch: 1, TailSeq: 1, Salt: 42}, Ring: ringOff, Size: c.ring}, Options{NoBackground: true})
		window, p := int64(0), make([]byte, layout.BlockSize)
		for asked := false; !asked; {
			window = int64(j.Appended())
			if _, err := put(j, ringOff+c.ring, p); err != nil {
				t.Fatal(err)
			}
			select {
			case <-j.wake:
				asked = true
			default:
			}
		}
		if over := int64(j.Appended()); window > c.due || over <= c.due {
			t.Errorf("a ring of %d bytes: a checkpoint is due between %d and %d bytes, expected at %d", c.ring, window, over, c.due)
		}
		j.Close()
		if err := region.Close(); err != nil {
			t.Error(err)
		}
	}
}
