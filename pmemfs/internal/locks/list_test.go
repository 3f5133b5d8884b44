package locks

import "testing"

// TestList names who holds what and who waits for whom, and looks at no more than it is to.
func TestList(t *testing.T) {
	table := New(Limits{})
	a, b, c := Owner{"one", "a"}, Owner{"one", "b"}, Owner{"two", "c"}
	if err := table.Lock(7, Lock{Owner: a, Exclusive: true, Start: 10, End: 19, Tag: "tag"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Lock{{Owner: b, Exclusive: true, Start: 15, End: 30}, {Owner: c, Start: 25, End: EOF}} {
		if granted, err := table.Wait(7, want, func(error) {}); granted || err != nil {
			t.Fatal(granted, err)
		}
	}
	if err := table.Lock(8, Lock{Owner: a, Start: 0, End: EOF}); err != nil {
		t.Fatal(err)
	}
	list, all := table.List(10)
	if len(list) != 4 || all != 4 {
		t.Fatalf("%d of %d", len(list), all)
	}
	found := map[Entry]bool{}
	for _, e := range list {
		found[e] = true
	}
	for _, e := range []Entry{
		{Ino: 7, Lock: Lock{Owner: a, Exclusive: true, Start: 10, End: 19, Tag: "tag"}},
		{Ino: 7, Lock: Lock{Owner: b, Exclusive: true, Start: 15, End: 30}, Waiting: true, For: a},
		{Ino: 7, Lock: Lock{Owner: c, Start: 25, End: EOF}, Waiting: true, For: b},
		{Ino: 8, Lock: Lock{Owner: a, End: EOF}},
	} {
		if !found[e] {
			t.Errorf("%+v is not in %+v", e, list)
		}
	}
	if list, all := table.List(2); len(list) != 2 || all != 4 {
		t.Errorf("%d of %d, when 2 were wanted", len(list), all)
	}
}
