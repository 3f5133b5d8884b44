package layout

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// pair is a record of the model: a sorted slice.
type pair struct {
	key     uint64
	payload []byte
}

func compareNode(t *testing.T, n Node, model []pair, what string) {
	t.Helper()
	if err := n.Validate(9); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if n.Count() != len(model) {
		t.Fatalf("%s: %d records, expected %d", what, n.Count(), len(model))
	}
	for i, p := range model {
		if n.Key(i) != p.key || !bytes.Equal(n.Payload(i), p.payload) {
			t.Fatalf("%s: record %d is %d %q, expected %d %q", what, i, n.Key(i), n.Payload(i), p.key, p.payload)
		}
		if j, ok := n.Search(p.key); j != i || !ok {
			t.Fatalf("%s: search for %d finds %d, %v", what, p.key, j, ok)
		}
	}
}

// TestNode does random edits on a node and on a sorted slice.
func TestNode(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 5))
		n := Node(make([]byte, BlockSize))
		InitNode(n, 0, TreeDir, 16, 9, 1)
		var model []pair
		for step := range 3000 {
			what := fmt.Sprintf("seed %d step %d", seed, step)
			key := uint64(rng.IntN(300))
			payload := randomBytes(rng, rng.IntN(1<<rng.IntN(9)))
			i, found := n.Search(key)
			switch {
			case !found && n.Fits(len(payload)):
				n.Insert(i, key, payload)
				model = append(model[:i], append([]pair{{key, payload}}, model[i:]...)...)
			case found && rng.IntN(2) == 0:
				if n.Replace(i, payload) {
					model[i].payload = payload
				} else if n.Used()+len(payload)-len(model[i].payload) <= NodeCapacity {
					t.Fatalf("%s: a payload that fits is refused", what)
				}
			case found:
				n.Delete(i)
				model = append(model[:i], model[i+1:]...)
			}
			compareNode(t, n, model, what)
		}
		InitNode(n, 0, TreeDir, 16, 9, 1)
		compareNode(t, n, nil, "cleared")
	}
}

// TestNodeMoveTail splits and joins.
func TestNodeMoveTail(t *testing.T) {
	for split := range 21 {
		a, b := Node(make([]byte, BlockSize)), Node(make([]byte, BlockSize))
		InitNode(a, 0, TreeDir, 16, 9, 1)
		InitNode(b, 0, TreeDir, 16, 9, 1)
		var model []pair
		for i := range 20 {
			model = append(model, pair{uint64(i * 3), bytes.Repeat([]byte{byte(i)}, i*7)})
			a.Insert(i, model[i].key, model[i].payload)
		}
		a.MoveTail(split, b)
		compareNode(t, a, model[:split], "left")
		compareNode(t, b, model[split:], "right")
		b.MoveTail(0, a)
		compareNode(t, a, model, "joined")
		compareNode(t, b, nil, "emptied")
	}
}

func TestChildIndex(t *testing.T) {
	n := Node(make([]byte, BlockSize))
	InitNode(n, 1, TreeDir, 16, 9, 1)
	for i, key := range []uint64{10, 20, 30} {
		n.Insert(i, key, []byte{byte(i + 1), 0, 0, 0, 0, 0, 0, 0})
	}
	for key, want := range map[uint64]uint64{0: 1, 9: 1, 10: 1, 19: 1, 20: 2, 29: 2, 30: 3, ^uint64(0): 3} {
		if got := n.Child(n.ChildIndex(key)); got != want {
			t.Errorf("key %d goes to child %d, expected %d", key, got, want)
		}
	}
}

// TestNodeValidate damages one thing at a time.
func TestNodeValidate(t *testing.T) {
	build := func(level uint8) Node {
		n := Node(make([]byte, BlockSize))
		InitNode(n, level, TreeExtent, 16, 9, 1)
		for i := range 5 {
			n.Insert(i, uint64(i), make([]byte, 8))
		}
		return n
	}
	if n := build(1); n.Validate(9) != nil || n.Owner() != 16 || n.Kind() != TreeExtent || n.Level() != 1 || n.Self() != 9 {
		t.Fatal("a good node is not")
	}
	tests := map[string]func(n Node){
		"magic":            func(n Node) { n[4] ^= 1 },
		"block":            func(n Node) { n[16] ^= 1 },
		"level":            func(n Node) { n[6] = MaxHeight },
		"count":            func(n Node) { n.setCount(6) },
		"huge count":       func(n Node) { n.setCount(0xffff) },
		"heap low":         func(n Node) { n.setHeap(10) },
		"heap high":        func(n Node) { n.setHeap(0xffff) },
		"slot low":         func(n Node) { le.PutUint16(n[nodeHeader:], 64) },
		"slot high":        func(n Node) { le.PutUint16(n[nodeHeader:], BlockSize-recordHead+1) },
		"record length":    func(n Node) { le.PutUint16(n[n.slot(2)+8:], 0xffff) },
		"child of 7 bytes": func(n Node) { le.PutUint16(n[n.slot(2)+8:], 7) },
		"order":            func(n Node) { n.SetKey(2, 1) },
		"live":             func(n Node) { n.setLive(n.Live() + 1) },
	}
	for name, damage := range tests {
		n := build(1)
		damage(n)
		if err := n.Validate(9); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzNode mutates a node; whatever Validate accepts, every accessor must survive.
func FuzzNode(f *testing.F) {
	n := Node(make([]byte, BlockSize))
	InitNode(n, 0, TreeDir, 16, 9, 1)
	for i := range 30 {
		n.Insert(i, uint64(i*5), bytes.Repeat([]byte{1}, i))
	}
	f.Add([]byte(n), uint64(50), []byte("payload"))
	f.Add([]byte(n[:200]), uint64(0), []byte{})
	f.Fuzz(func(t *testing.T, b []byte, key uint64, payload []byte) {
		n := Node(make([]byte, BlockSize))
		copy(n, b)
		if n.Validate(n.Self()) != nil {
			return
		}
		i, found := n.Search(key)
		n.ChildIndex(key)
		for j := range n.Count() {
			n.Payload(j)
			if n.Level() > 0 {
				n.Child(j)
			}
		}
		switch {
		case n.Level() > 0:
		case found:
			if n.Replace(i, payload[:min(len(payload), PayloadMax)]) {
				n.Delete(i)
			}
		case len(payload) <= PayloadMax && n.Fits(len(payload)):
			n.Insert(i, key, payload)
		}
	})
}

// TestNodeMutations is the fuzz target's daily dose: random damage of few bytes, replayable by seed.
func TestNodeMutations(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 6))
		n := Node(make([]byte, BlockSize))
		InitNode(n, 0, TreeDir, 16, 9, 1)
		for i := range 100 {
			n.Insert(i, uint64(i*5), randomBytes(rng, rng.IntN(20)))
		}
		for range 1 + rng.IntN(4) {
			n[rng.IntN(nodeHeader+2*n.Count())] = byte(rng.Uint32())
			if n.Validate(9) != nil {
				break
			}
		}
		if n.Validate(9) == nil {
			i, found := n.Search(rng.Uint64N(600))
			if found {
				n.Delete(i)
			} else if n.Fits(100) {
				n.Insert(i, rng.Uint64N(600), make([]byte, 100))
			}
		}
	}
}
