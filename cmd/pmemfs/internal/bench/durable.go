package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pmemfs/pmemfs"
)

// Sizes of what Durable works in.
const (
	largeSize    = 1 << 20
	durableImage = 48 << 20 // beside the file that is written, and as much again
	largeMax     = 1024
)

// DurableOptions say what Durable measures.
type DurableOptions struct {
	Dir    string // holds the image and the files
	Rounds int
	Large  int // writes of 1 MiB in a round
	Small  int // small changes in a round
}

func (o *DurableOptions) valid() error {
	if o.Dir == "" {
		return errors.New("no folder is named")
	}
	if o.Large < 1 || o.Large > largeMax {
		return fmt.Errorf("--large is 1 to %d, not %d", largeMax, o.Large)
	}
	if o.Small < 1 || o.Small > CountMax {
		return fmt.Errorf("--small is 1 to %d, not %d", CountMax, o.Small)
	}
	return (&Common{Rounds: o.Rounds}).valid()
}

// DurableReport is what Durable found.
type DurableReport struct {
	Machine Machine      `json:"machine"`
	Domain  string       `json:"domain"`
	Folder  Folder       `json:"folder"`
	Rounds  int          `json:"rounds"`
	Large   int          `json:"large_writes"`
	Small   int          `json:"small_changes"`
	Ways    []string     `json:"ways"`   // in which a file is written
	Absent  []string     `json:"absent"` // ways that the filesystem does not take
	Rows    []DurableRow `json:"changes"`
}

// DurableRow is one kind of change.
type DurableRow struct {
	Name     string     `json:"name"`
	NsPerOp  float64    `json:"ns_per_op"`
	Beside   string     `json:"beside"`   // the write that it is compared with
	Compared []Compared `json:"compared"` // by way
}

// durableChange is one of the engine's changes.
type durableChange struct {
	name   string
	beside fileWrite
}

// fileWrite is a kind of write to a file through system calls.
type fileWrite int

const (
	freshLarge fileWrite = iota // the file grows
	oldLarge                    // what was written before is written over
	oldSmall
	fileWrites
)

func (w fileWrite) String() string {
	return [...]string{"1 MiB, a new file", "1 MiB, over old data", "4 KiB, over old data"}[w]
}

var durableChanges = []durableChange{
	{"write 1 MiB to a new image", freshLarge},
	{"write 1 MiB to an image written before", oldLarge},
	{"write 4 KiB", oldSmall},
	{"setattr", oldSmall},
	{"create", oldSmall},
	{"unlink", oldSmall},
}

// Durable measures changes that are durable when a call returns: of the engine in an image in a folder, and of an ordinary file in the
// same folder written in every way that the system has. Each round takes a new image and new files.
func Durable(ctx context.Context, o DurableOptions) (*DurableReport, error) {
	if err := o.valid(); err != nil {
		return nil, err
	}
	machine, err := thisMachine()
	if err != nil {
		return nil, err
	}
	r := &DurableReport{Machine: machine, Rounds: o.Rounds, Large: o.Large, Small: o.Small}
	f, folder, err := openFolder(o.Dir, "the folder to measure in")
	if err != nil {
		return nil, err
	}
	r.Folder = folder
	err = noSpace(o.measure(ctx, f, r), o.Dir, "a smaller --large helps, or another folder")
	return r, errors.Join(err, f.close())
}

func (o *DurableOptions) measure(ctx context.Context, f *folderTarget, r *DurableReport) error {
	var ways []durableWay
	for _, w := range durableWays {
		taken, err := w.taken(f.path)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if !taken {
			r.Absent = append(r.Absent, w.name)
			continue
		}
		ways, r.Ways = append(ways, w), append(r.Ways, w.name)
	}
	times := make([]rounds, len(durableChanges))
	for i := range times {
		times[i] = newRounds(1 + len(ways))
	}
	for range o.Rounds {
		if err := o.engineRound(ctx, f.path, r, times); err != nil {
			return err
		}
		for at, w := range ways {
			ns, err := o.fileRound(ctx, f.path, w)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			for i, c := range durableChanges {
				times[i].add(1+at, ns[c.beside])
			}
		}
	}
	for i, c := range durableChanges {
		r.Rows = append(r.Rows, DurableRow{c.name, times[i].engine(), c.beside.String(), times[i].compared()})
	}
	return nil
}

// durableRun is one of durableChanges in a round.
type durableRun struct {
	count   int
	prepare func() error // not timed; nil for nothing
	run     func(i int) error
}

// engineRound adds the times of one round on a new image.
func (o *DurableOptions) engineRound(ctx context.Context, dir string, r *DurableReport, times []rounds) (err error) {
	t, err := openEngine(Image{Dir: dir, Bytes: 2*int64(o.Large)*largeSize + durableImage})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	r.Domain = t.eng.Info().Domain
	names, buf := newNames("name", o.Small), make([]byte, largeSize)
	fillDurable(buf)
	folder, err := t.openDir(&names[0])
	if err != nil {
		return err
	}
	data := newName("data")
	file, err := t.openFile(folder, &data)
	if err != nil {
		return err
	}
	large := func(i int) error { return t.write(file, buf, int64(i)*largeSize) }
	small := func(run func(i int) error) durableRun { return durableRun{count: o.Small, run: run} }
	runs := []durableRun{
		{count: o.Large, run: large},
		{count: o.Large, run: large, prepare: func() error { return makeOld(ctx, t, folder, buf) }},
		small(func(i int) error { return t.write(file, buf[:blockSize], smallAt(i)) }),
		small(func(i int) error { return t.chmod(file, 0o600+uint32(i&1)) }),
		small(func(i int) error { return t.create(folder, &names[i]) }),
		small(func(i int) error { return t.unlink(folder, &names[i]) }),
	}
	for i, c := range runs {
		if c.prepare != nil {
			if err := c.prepare(); err != nil {
				return err
			}
		}
		ns, err := perOp(ctx, c.count, c.run)
		if err != nil {
			return fmt.Errorf("%s: %w", durableChanges[i].name, err)
		}
		times[i].add(0, ns)
	}
	return nil
}

// makeOld writes all blocks of the image that are free. What a filesystem has allocated to the image and not written yet costs its first
// write more than any later one.
func makeOld(ctx context.Context, t *engineTarget, folder int, buf []byte) error {
	n := newName("everything")
	file, err := t.openFile(folder, &n)
	if err != nil {
		return err
	}
	for off := int64(0); err == nil; off += int64(len(buf)) {
		if err := stopped(ctx); err != nil {
			return err
		}
		err = t.write(file, buf, off)
	}
	if !errors.Is(err, pmemfs.ErrNoSpace) {
		return err
	}
	// The blocks are free again behind a checkpoint.
	return errors.Join(t.unlink(folder, &n), t.eng.SyncAll())
}

// smallAt is where the small write i goes: in the first MiB of a file.
func smallAt(i int) int64 { return int64(i % (largeSize / blockSize) * blockSize) }

// fileRound writes a new file in one way.
func (o *DurableOptions) fileRound(ctx context.Context, dir string, w durableWay) (ns [fileWrites]float64, err error) {
	f, err := w.open(dir)
	if err != nil {
		return ns, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	large := func(i int) error { return f.write(largeSize, int64(i)*largeSize) }
	if ns[freshLarge], err = perOp(ctx, o.Large, large); err != nil {
		return ns, err
	}
	if ns[oldLarge], err = perOp(ctx, o.Large, large); err != nil {
		return ns, err
	}
	ns[oldSmall], err = perOp(ctx, o.Small, func(i int) error { return f.write(blockSize, smallAt(i)) })
	return ns, err
}

// perOp returns the nanoseconds of one of n operations.
func perOp(ctx context.Context, n int, run func(i int) error) (float64, error) {
	start := time.Now()
	for i := range n {
		if err := stopped(ctx); err != nil {
			return 0, err
		}
		if err := run(i); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(start).Nanoseconds()) / float64(n), nil
}

// Tables has one table, with a row for each kind of change.
func (r *DurableReport) Tables() []*Table {
	t := &Table{
		Notes: []string{
			"on " + r.Machine.String(),
			fmt.Sprintf("an image in domain %s, and a file, in %s (%s); %s of 1 MiB and %s in each of %s",
				r.Domain, r.Folder.Path, r.Folder.Filesystem, number(r.Large, "write"), number(r.Small, "small change"), number(r.Rounds, "round")),
			ratioNote,
		},
		Head: []string{"change of the engine", "us", "beside writes of"},
	}
	for _, way := range r.Absent {
		t.Notes = append(t.Notes, fmt.Sprintf("%s does not take %s", r.Folder.Filesystem, way))
	}
	for _, way := range r.Ways {
		t.Head = append(t.Head, way+" us", "engine to it")
	}
	for _, row := range r.Rows {
		cells := []string{row.Name, fmt.Sprintf("%.1f", row.NsPerOp/1e3), row.Beside}
		for _, c := range row.Compared {
			cells = append(cells, fmt.Sprintf("%.1f", c.NsPerOp/1e3), fmt.Sprintf("%.2f", c.Ratio))
		}
		t.Rows = append(t.Rows, cells)
	}
	return []*Table{t}
}
