package pmemfs

import (
	"errors"
	"testing"

	"pmemfs/pmemfs/testpart"
)

func lockOf(owner string, exclusive bool) FileLock {
	return FileLock{Owner: LockOwner{Client: "host", ID: owner}, Exclusive: exclusive, End: LockEOF, Tag: "tag of " + owner}
}

// TestLockPermissions: whoever may read or write a regular file may lock it, and nobody anything else.
func TestLockPermissions(t *testing.T) {
	fs := memFS(t, 16<<20)
	create := func(name string, mode uint32) Handle {
		t.Helper()
		a, err := fs.Create(root, nil, fs.Root(), []byte(name), &CreateOptions{Attr: SetAttr{Mask: SetMode | SetUID, Mode: mode, UID: 5}})
		if err != nil {
			t.Fatal(err)
		}
		return a.Handle
	}
	for _, c := range []struct {
		mode uint32
		uid  uint32
		want error
	}{
		{0o600, 5, nil}, {0o000, 5, nil}, {0o600, 6, ErrAccess}, {0o604, 6, nil}, {0o602, 6, nil}, {0o600, 0, nil},
	} {
		h := create(string(rune('a'+c.mode%7))+string(rune('a'+c.uid)), c.mode)
		user := &Cred{UID: c.uid, GID: 7}
		for _, exclusive := range []bool{false, true} {
			if err := fs.TryLock(user, nil, h, lockOf("x", exclusive)); !errors.Is(err, c.want) {
				t.Errorf("mode %o, user %d: %v", c.mode, c.uid, err)
			}
		}
		if _, _, err := fs.TestLock(user, nil, h, lockOf("x", true)); !errors.Is(err, c.want) {
			t.Errorf("mode %o, user %d: test: %v", c.mode, c.uid, err)
		}
		if err := fs.Share(user, nil, h, FileShare{Owner: LockOwner{Client: "host", ID: "x"}, Access: ShareRead}); !errors.Is(err, c.want) {
			t.Errorf("mode %o, user %d: share: %v", c.mode, c.uid, err)
		}
		if err := errors.Join(fs.Unlock(h, LockOwner{Client: "host", ID: "x"}, 0, LockEOF), fs.Unshare(h, LockOwner{Client: "host", ID: "x"})); err != nil {
			t.Error(err)
		}
		if err := fs.Unlink(root, nil, fs.Root(), []byte(string(rune('a'+c.mode%7))+string(rune('a'+c.uid)))); err != nil {
			t.Fatal(err)
		}
		if err := fs.TryLock(user, nil, h, lockOf("x", true)); !errors.Is(err, ErrStale) {
			t.Errorf("a removed file: %v", err)
		}
	}
	if err := fs.TryLock(root, nil, fs.Root(), lockOf("x", true)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a directory: %v", err)
	}
	if u := fs.LockUsage(); u != (LockUsage{}) {
		t.Errorf("left %+v", u)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestLocksOfRemovedFiles: locks last as long as the file, which outlives its name while it is held, and no longer.
func TestLocksOfRemovedFiles(t *testing.T) {
	fs := memFS(t, 16<<20)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var told []error
	setUp := func(name string) Handle {
		t.Helper()
		a, err := fs.Create(root, nil, fs.Root(), []byte(name), &CreateOptions{})
		ok(err)
		ok(fs.TryLock(root, nil, a.Handle, lockOf("x", true)))
		now, err := fs.WaitLock(root, nil, a.Handle, lockOf("y", true), func(err error) { told = append(told, err) })
		if now || err != nil {
			t.Fatal(now, err)
		}
		return a.Handle
	}
	gone := func(what string) {
		t.Helper()
		if u := fs.LockUsage(); u != (LockUsage{}) || len(told) != 1 || !errors.Is(told[0], ErrStale) {
			t.Errorf("%s: told %v, left %+v", what, told, u)
		}
		told = nil
	}
	setUp("unlinked")
	ok(fs.Unlink(root, nil, fs.Root(), []byte("unlinked")))
	gone("unlinked")
	setUp("replaced")
	_, err := fs.Create(root, nil, fs.Root(), []byte("other"), &CreateOptions{})
	ok(err)
	ok(fs.Rename(root, nil, fs.Root(), []byte("other"), fs.Root(), []byte("replaced"), 0))
	gone("replaced")
	h := setUp("held")
	ok(fs.Hold(h))
	ok(fs.Unlink(root, nil, fs.Root(), []byte("held")))
	if l, found, err := fs.TestLock(root, nil, h, lockOf("z", false)); !found || err != nil || l.Owner.ID != "x" || l.Tag != "tag of x" || l.End != LockEOF {
		t.Errorf("a held file's lock: %+v %v %v", l, found, err)
	}
	ok(fs.Release(h))
	gone("released")
	h = setUp("linked")
	_, err = fs.Link(root, nil, h, fs.Root(), []byte("second"))
	ok(err)
	ok(fs.Unlink(root, nil, fs.Root(), []byte("linked")))
	ok(fs.Unlock(h, LockOwner{Client: "host", ID: "x"}, 0, LockEOF))
	if len(told) != 1 || told[0] != nil {
		t.Errorf("told %v", told)
	}
	if err := fs.TryLock(root, nil, h, lockOf("x", false)); !errors.Is(err, ErrConflict) {
		t.Errorf("a conflict: %v", err)
	}
	if fs.CancelLock(h, lockOf("y", true)) {
		t.Error("a granted request was cancelled")
	}
	fs.ReleaseLocks(h, LockOwner{Client: "host", ID: "y"})
	if fs.HasLocks("host", func(string) bool { return true }) || len(fs.LockClients()) != 0 {
		t.Error("locks are left")
	}
	checkFS(t, fs)
	closeFS(t, fs)
}

// TestLockErrors: the table's errors are the filesystem's.
func TestLockErrors(t *testing.T) {
	testpart.NotRace(t)
	fs := memFS(t, 16<<20)
	var h [2]Handle
	for i := range h {
		a, err := fs.Create(root, nil, fs.Root(), []byte{'a' + byte(i)}, &CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		h[i] = a.Handle
		if err := fs.TryLock(root, nil, h[i], lockOf([]string{"x", "y"}[i], true)); err != nil {
			t.Fatal(err)
		}
	}
	var told []error
	done := func(err error) { told = append(told, err) }
	if now, err := fs.WaitLock(root, nil, h[1], lockOf("x", true), done); now || err != nil {
		t.Errorf("%v, %v", now, err)
	}
	if _, err := fs.WaitLock(root, nil, h[0], lockOf("y", true), done); !errors.Is(err, ErrDeadlock) {
		t.Errorf("a circle: %v", err)
	}
	if n := fs.DropLocks("host", func(id string) bool { return id == "x" }); n != 2 || len(told) != 1 || !errors.Is(told[0], ErrStale) {
		t.Errorf("%d dropped, told %v", n, told)
	}
	var err error
	for i := uint64(0); err == nil; i++ {
		err = fs.TryLock(root, nil, h[1], FileLock{Owner: LockOwner{Client: "greedy"}, Start: 2 * i, End: 2 * i})
		if i == 0 && errors.Is(err, ErrConflict) {
			fs.ReleaseLocks(h[1], LockOwner{Client: "host", ID: "y"})
			err = nil
		}
	}
	if !errors.Is(err, ErrNoLocks) {
		t.Errorf("too many: %v", err)
	}
	checkFS(t, fs)
	closeFS(t, fs)
}
