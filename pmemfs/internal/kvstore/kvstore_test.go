package kvstore_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/kvstore"
	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/volumetest"
)

// TestModel puts, replaces and deletes random values, in a store and in a map, and compares them.
func TestModel(t *testing.T) {
	v := volumetest.New(t, 4096)
	s := kvstore.New(v)
	model := map[string]string{}
	if keys, err := s.Keys(); err != nil || len(keys) != 0 {
		t.Errorf("a new volume has keys %v, %v", keys, err)
	}
	rng := rand.New(rand.NewPCG(3, 0))
	for step := range 2000 {
		key, value := fmt.Sprint("key", rng.IntN(60)), strings.Repeat("v", rng.IntN(kvstore.ValueMax))
		_, had := model[key]
		var err, want error
		if rng.IntN(3) == 0 {
			if !had {
				want = kvstore.ErrNotFound
			}
			err = v.Change(layout.ValuesIno, func(op *alloc.Op) error { return s.Delete(op, key, 1) })
			delete(model, key)
		} else {
			err = v.Change(layout.ValuesIno, func(op *alloc.Op) error { return s.Put(op, key, []byte(value), 1) })
			model[key] = value
		}
		if !errors.Is(err, want) {
			t.Fatalf("step %d: %v, expected %v", step, err, want)
		}
	}
	keys, err := s.Keys()
	slices.Sort(keys)
	if want := slices.Sorted(maps.Keys(model)); err != nil || !slices.Equal(keys, want) {
		t.Errorf("keys %v, %v, expected %v", keys, err, want)
	}
	for key, want := range model {
		if got, err := s.Get(key); err != nil || string(got) != want {
			t.Errorf("%s has %d bytes, %v, expected %d", key, len(got), err, len(want))
		}
	}
	if _, err := s.Get("none"); !errors.Is(err, kvstore.ErrNotFound) {
		t.Errorf("no value: %v", err)
	}
}

// TestBounds stores as many values as there may be: another key is refused, a new value of an old one is not.
func TestBounds(t *testing.T) {
	v := volumetest.New(t, 8192)
	s := kvstore.New(v)
	put := func(key string) error {
		return v.Change(layout.ValuesIno, func(op *alloc.Op) error { return s.Put(op, key, []byte{1}, 1) })
	}
	err := v.Change(layout.ValuesIno, func(op *alloc.Op) error { return s.Put(op, "0", nil, 1) })
	for i := 0; i < kvstore.KeysMax && err == nil; i++ {
		err = put(fmt.Sprint(i))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := put("one more"); !errors.Is(err, kvstore.ErrFull) {
		t.Errorf("one more: %v", err)
	}
	if err := put("7"); err != nil {
		t.Errorf("another value: %v", err)
	}
	long := strings.Repeat("k", kvstore.KeyMax)
	for _, c := range []struct {
		key   string
		value int
		want  error
	}{{"k", 0, nil}, {long, kvstore.ValueMax, nil}, {"", 1, kvstore.ErrLength}, {long + "k", 1, kvstore.ErrLength}, {"k", kvstore.ValueMax + 1, kvstore.ErrLength}, {"a\x00b", 1, kvstore.ErrKey}} {
		if err := kvstore.Vet(c.key, make([]byte, c.value)); !errors.Is(err, c.want) {
			t.Errorf("a key of %d and a value of %d bytes: %v, expected %v", len(c.key), c.value, err, c.want)
		}
	}
}
