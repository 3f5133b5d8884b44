package bench

// Sizes of what is worked in.
const (
	oldFiles  = 1000    // in the directory that is worked in, and looked up
	fileBytes = 1 << 20 // of the file that is read and written
	blockSize = 4 << 10
)

// op is one operation on one target. prepare and tidy are not timed and run around every round.
type op struct {
	name    string
	calls   string // what it is in a folder
	prepare func(n int) error
	run     func(i int) error
	tidy    func(n int) error
}

// opNames are the names that all targets use.
type opNames struct{ dir, file, tail, old, a, b []name }

func newOpNames(count int) *opNames {
	return &opNames{
		dir: newNames("bench", 1), file: newNames("file", 1), tail: newNames("tail", 1),
		old: newNames("old", oldFiles), a: newNames("a", count), b: newNames("b", count),
	}
}

// all repeats an operation for every number below n.
func all(op func(int) error) func(int) error {
	return func(n int) error {
		for i := range n {
			if err := op(i); err != nil {
				return err
			}
		}
		return nil
	}
}

// bench is a target with a directory of old files and one file of fileBytes, in which the operations work.
type bench struct {
	target
	names     *opNames
	dir, file int
	tail      int // appended to
	buf       []byte
}

func newOps(t target, names *opNames) ([]op, error) {
	b := &bench{target: t, names: names, buf: make([]byte, 64<<10)}
	var err error
	if b.dir, err = t.openDir(&names.dir[0]); err != nil {
		return nil, err
	}
	if err := all(func(i int) error { return t.create(b.dir, &names.old[i]) })(oldFiles); err != nil {
		return nil, err
	}
	if b.file, err = t.openFile(b.dir, &names.file[0]); err != nil {
		return nil, err
	}
	if err := t.write(b.file, make([]byte, fileBytes), 0); err != nil {
		return nil, err
	}
	return append(b.nameOps(), b.dataOps()...), nil
}

func (b *bench) nameOps() []op {
	n := b.names
	create := func(i int) error { return b.create(b.dir, &n.a[i]) }
	unlink := func(i int) error { return b.unlink(b.dir, &n.a[i]) }
	mkdir := func(i int) error { return b.mkdir(b.dir, &n.a[i]) }
	rmdir := func(i int) error { return b.rmdir(b.dir, &n.a[i]) }
	return []op{
		{name: "create", calls: "openat, close", run: create, tidy: all(unlink)},
		{name: "unlink", calls: "unlinkat", prepare: all(create), run: unlink},
		{name: "mkdir", calls: "mkdirat", run: mkdir, tidy: all(rmdir)},
		{name: "rmdir", calls: "unlinkat", prepare: all(mkdir), run: rmdir},
		{name: "rename", calls: "renameat", prepare: all(create),
			run:  func(i int) error { return b.rename(b.dir, &n.a[i], &n.b[i]) },
			tidy: all(func(i int) error { return b.unlink(b.dir, &n.b[i]) })},
		{name: "link", calls: "linkat", tidy: all(unlink),
			run: func(i int) error { return b.link(b.dir, b.file, &n.file[0], &n.a[i]) }},
		{name: "symlink", calls: "symlinkat", tidy: all(unlink),
			run: func(i int) error { return b.symlink(b.dir, &n.old[0], &n.a[i]) }},
		{name: "setattr", calls: "fchmod", run: func(i int) error { return b.chmod(b.file, 0o600+uint32(i&1)) }},
		{name: "lookup", calls: "fstatat", run: func(i int) error { return b.lookup(b.dir, &n.old[i%oldFiles]) }},
		{name: "getattr", calls: "fstat", run: func(int) error { return b.getattr(b.file) }},
	}
}

func (b *bench) dataOps() []op {
	write := func(size int) func(int) error {
		return func(i int) error { return b.write(b.file, b.buf[:size], int64(i%(fileBytes/size)*size)) }
	}
	return []op{
		{name: "write 512 B", calls: "pwrite", run: write(512)},
		{name: "write 4 KiB", calls: "pwrite", run: write(blockSize)},
		{name: "write 64 KiB", calls: "pwrite", run: write(64 << 10)},
		{name: "append 4 KiB", calls: "pwrite", prepare: b.newTail, tidy: b.dropTail,
			run: func(i int) error { return b.write(b.tail, b.buf[:blockSize], int64(i)*blockSize) }},
		{name: "truncate", calls: "ftruncate", prepare: b.newTail, tidy: b.dropTail,
			run: func(i int) error { return b.truncate(b.tail, int64(i&1)<<20) }},
		{name: "read 4 KiB", calls: "pread",
			run: func(i int) error { return b.read(b.file, b.buf[:blockSize], int64(i%(fileBytes/blockSize)*blockSize)) }},
	}
}

func (b *bench) newTail(int) (err error) {
	b.tail, err = b.openFile(b.dir, &b.names.tail[0])
	return err
}

func (b *bench) dropTail(int) error {
	if err := b.closeFile(b.tail); err != nil {
		return err
	}
	return b.unlink(b.dir, &b.names.tail[0])
}
