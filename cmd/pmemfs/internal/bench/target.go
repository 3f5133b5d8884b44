package bench

import (
	"context"
	"errors"
	"strconv"
)

// name is the name of a file as both kinds of target take it, made before anything is timed.
type name struct {
	text  string
	bytes []byte
}

func newName(text string) name { return name{text, []byte(text)} }

// newNames returns as many names, which begin alike.
func newNames(prefix string, count int) []name {
	list := make([]name, count)
	for i := range list {
		list[i] = newName(prefix + strconv.Itoa(i))
	}
	return list
}

// A target is a filesystem under measurement. Directories and files go by numbers that openDir and openFile gave. Opening is for one
// goroutine at a time; all else is safe for several, and scales best where each has numbers of its own.
type target interface {
	// openDir opens a directory of the target's folder, and openFile a file of a directory. What is missing is made.
	openDir(n *name) (dir int, err error)
	openFile(dir int, n *name) (file int, err error)
	closeFile(file int) error

	create(dir int, n *name) error
	unlink(dir int, n *name) error
	mkdir(dir int, n *name) error
	rmdir(dir int, n *name) error
	rename(dir int, from, to *name) error
	link(dir, file int, of, n *name) error // of is file's name in dir
	symlink(dir int, content, n *name) error
	lookup(dir int, n *name) error

	chmod(file int, mode uint32) error
	truncate(file int, size int64) error
	getattr(file int) error
	write(file int, p []byte, off int64) error
	read(file int, p []byte, off int64) error // all of p

	// close is release and then remove: descriptors are given back first, since to remove a folder takes some.
	close() error
	release() error
	remove() error
}

var errShort = errors.New("short read or write")

// targets are what one run compares: the engine first, then the folders.
type targets struct {
	image   Image
	engine  *engineTarget
	folders []Folder
	all     []target // the engine, then the folders
}

// openTargets opens the engine and the folders. On an error nothing is left of either.
func openTargets(image Image, folders []string) (*targets, error) {
	engine, err := openEngine(image)
	if err != nil {
		return nil, err
	}
	ts := &targets{image: image, engine: engine, all: []target{engine}}
	for _, path := range folders {
		t, about, err := openFolder(path, "the folder to compare with")
		if err != nil {
			return nil, errors.Join(err, ts.close())
		}
		ts.all, ts.folders = append(ts.all, t), append(ts.folders, about)
	}
	return ts, nil
}

func (ts *targets) close() error {
	var errs []error
	for _, t := range ts.all {
		errs = append(errs, t.release())
	}
	for _, t := range ts.all {
		errs = append(errs, t.remove())
	}
	return errors.Join(errs...)
}

// stopped is the error of a run that was cancelled.
func stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.New("stopped before the end")
	}
	return nil
}
