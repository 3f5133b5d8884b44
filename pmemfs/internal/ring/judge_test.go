package ring

import (
	"testing"

	"pmemfs/pmemfs/internal/layout"
)

// TestJudge asks for windows of five records, the third of which has bulk data, whether each counts.
func TestJudge(t *testing.T) {
	type record struct {
		fenced uint64
		torn   bool
	}
	for name, c := range map[string]struct {
		there bool
		recs  [5]record // sequences 1 to 5
		count int       // so many count
		hide  uint64    // a block that cannot be read
		lost  int       // entries whose blocks are lost
	}{
		"bulk data is there":               {true, [5]record{}, 5, 0, 0},
		"it is not, and nothing vouches":   {false, [5]record{{}, {}, {}, {2, false}, {2, false}}, 2, 0, 0},
		"the next record vouches":          {false, [5]record{{}, {}, {}, {3, false}, {}}, 5, 0, 0},
		"a later record does":              {false, [5]record{{}, {}, {}, {}, {4, false}}, 5, 0, 0},
		"one behind a torn record does":    {false, [5]record{{}, {}, {}, {0, true}, {3, false}}, 3, 0, 0},
		"a torn record does":               {false, [5]record{{}, {}, {}, {}, {3, true}}, 2, 0, 0},
		"a record vouches for itself":      {false, [5]record{{}, {}, {3, false}, {}, {}}, 2, 0, 0},
		"a record vouches for a later one": {false, [5]record{{9, false}, {}, {}, {}, {}}, 2, 0, 0},
		"it cannot be read":                {true, [5]record{{}, {}, {}, {2, false}, {2, false}}, 5, 2, 1},
		"the same, and a record vouches":   {false, [5]record{{}, {}, {}, {3, false}, {}}, 5, 2, 0},
		"the same, behind a torn record":   {true, [5]record{{}, {}, {}, {0, true}, {3, false}}, 3, 2, 0},
		"another block cannot be read":     {false, [5]record{{}, {}, {}, {2, false}, {2, false}}, 2, 3, 0},
	} {
		ring, medium := make([]byte, size), make([]byte, 4*layout.BlockSize)
		head := layout.Head{Epoch: 4, Salt: 77, TailSeq: 1, TailPos: 3*size - 192}
		pos := head.TailPos
		for i, r := range c.recs {
			rec := make([]byte, layout.RecordHeader)
			if i == 2 {
				rec = layout.AppendBulk(rec, layout.Bulk{Off: 5000, Len: 4000, Sum: layout.CRC(medium[5000:9000])})
			}
			h := layout.RecordHead{Length: uint32(len(rec)), Seq: uint64(i) + 1, Fenced: r.fenced, Epoch: 4, Salt: 77}
			layout.EncodeRecordHead(rec, &h, layout.CRC(rec[layout.RecordHeader:]))
			if r.torn {
				rec[0] ^= 1
			}
			for k, b := range rec {
				ring[(pos+uint64(k))%size] = b
			}
			pos += layout.LineUp(uint64(len(rec)))
		}
		if !c.there {
			medium[8999]++
		}
		block := func(n uint64) []byte {
			if n > 0 && n == c.hide {
				return nil
			}
			return medium[layout.BlockOffset(n):layout.BlockOffset(n+1)]
		}
		r, j := New(ring, head), NewJudge(ring, head, int64(len(medium)), block)
		count := 0
		for pos := head.TailPos; ; count++ {
			rec, h, ok := r.Record(pos)
			if !ok || h.Seq != uint64(count)+1 || !j.Whole(rec, pos, h.Seq) {
				break
			}
			pos += layout.LineUp(uint64(h.Length))
		}
		if count != c.count || len(j.Lost()) != c.lost {
			t.Errorf("%s: %d records count, want %d; lost %v", name, count, c.count, j.Lost())
		}
	}
}
