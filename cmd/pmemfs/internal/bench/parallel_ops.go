package bench

// sharedOp is one operation of several goroutines on one target. It leaves everything as it was.
type sharedOp struct {
	place string // what the goroutines share
	name  string
	run   func(g, i int) error
}

// worker is what one goroutine works in.
type worker struct {
	buf       []byte
	own       []name // that no other worker uses
	ownDir    int    // its own directory of old files
	oneDir    int    // the directory of all, opened for this worker
	ownFile   int    // in its own directory
	besides   int    // in the directory of all
	oneFile   int    // the file of all, opened for this worker
	oneOffset int64  // of its own part of that file
}

// ownNames is how many names a worker creates and unlinks in turn.
const ownNames = 64

func newSharedOps(t target, goroutines int) ([]sharedOp, error) {
	old, dirs, files := newNames("old", oldFiles), newNames("dir", goroutines+1), newNames("file", goroutines+1)
	one := goroutines // the number of what all share
	workers := make([]*worker, goroutines)
	for g := range workers {
		w := &worker{buf: make([]byte, blockSize), own: newNames("own"+files[g].text+"-", ownNames), oneOffset: int64(g) * fileBytes}
		var err error
		if w.ownDir, err = t.openDir(&dirs[g]); err != nil {
			return nil, err
		}
		if w.oneDir, err = t.openDir(&dirs[one]); err != nil {
			return nil, err
		}
		fill := []int{w.ownDir}
		if g == 0 {
			fill = append(fill, w.oneDir)
		}
		for _, dir := range fill {
			if err := all(func(i int) error { return t.create(dir, &old[i]) })(oldFiles); err != nil {
				return nil, err
			}
		}
		for _, f := range []struct {
			file *int
			dir  int
			n    *name
			off  int64
		}{{&w.ownFile, w.ownDir, &files[g], 0}, {&w.besides, w.oneDir, &files[g], 0}, {&w.oneFile, w.oneDir, &files[one], w.oneOffset}} {
			if *f.file, err = t.openFile(f.dir, f.n); err != nil {
				return nil, err
			}
			if err := t.write(*f.file, make([]byte, fileBytes), f.off); err != nil {
				return nil, err
			}
		}
		workers[g] = w
	}
	return append(append(ownPlaces(t, workers, old), oneDirectory(t, workers, old)...), oneFile(t, workers)...), nil
}

// pair creates a file and unlinks it at the next call.
func pair(t target, dir int, w *worker, i int) error {
	n := &w.own[i/2%ownNames]
	if i&1 == 0 {
		return t.create(dir, n)
	}
	return t.unlink(dir, n)
}

// block is where in its part of a file a worker's operation i is.
func block(i int) int64 { return int64(i % (fileBytes / blockSize) * blockSize) }

func ownPlaces(t target, ws []*worker, old []name) []sharedOp {
	const place = "own directories"
	return []sharedOp{
		{place, "create, unlink", func(g, i int) error { return pair(t, ws[g].ownDir, ws[g], i) }},
		{place, "write 4 KiB", func(g, i int) error { return t.write(ws[g].ownFile, ws[g].buf, block(i)) }},
		{place, "lookup", func(g, i int) error { return t.lookup(ws[g].ownDir, &old[i%oldFiles]) }},
		{place, "getattr", func(g, _ int) error { return t.getattr(ws[g].ownFile) }},
		{place, "read 4 KiB", func(g, i int) error { return t.read(ws[g].ownFile, ws[g].buf, block(i)) }},
	}
}

func oneDirectory(t target, ws []*worker, old []name) []sharedOp {
	const place = "one directory"
	return []sharedOp{
		{place, "create, unlink", func(g, i int) error { return pair(t, ws[g].oneDir, ws[g], i) }},
		{place, "write 4 KiB", func(g, i int) error { return t.write(ws[g].besides, ws[g].buf, block(i)) }},
		{place, "lookup", func(g, i int) error { return t.lookup(ws[g].oneDir, &old[i%oldFiles]) }},
	}
}

func oneFile(t target, ws []*worker) []sharedOp {
	const place = "one file"
	return []sharedOp{
		{place, "write 4 KiB", func(g, i int) error { return t.write(ws[g].oneFile, ws[g].buf, ws[g].oneOffset+block(i)) }},
		{place, "getattr", func(g, _ int) error { return t.getattr(ws[g].oneFile) }},
		{place, "read 4 KiB", func(g, i int) error { return t.read(ws[g].oneFile, ws[g].buf, ws[g].oneOffset+block(i)) }},
	}
}
