package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

// target is what IMAGE[@SNAPSHOT]:PATH names.
type target struct {
	image, snapshot, path string
	named                 bool // a path was given
}

// String is the target as it is typed.
func (t target) String() string {
	s := t.image
	if t.snapshot != "" {
		s += "@" + t.snapshot
	}
	return s + ":" + t.path
}

// readings are all ways to read an argument, the longest image first: any ":" may be in the name of the image, and any "@".
func readings(arg string) (list []target) {
	add := func(left, path string, named bool) {
		list = append(list, target{left, "", path, named})
		if at := strings.LastIndexByte(left, '@'); at > 0 && pmemfs.IsSnapshotName(left[at+1:]) {
			list = append(list, target{left[:at], left[at+1:], path, named})
		}
	}
	add(arg, "/", false)
	for i := len(arg) - 1; i > 0; i-- {
		if arg[i] == ':' {
			add(arg[:i], "/"+strings.TrimLeft(arg[i+1:], "/"), true)
		}
	}
	return list
}

// parseTarget reads IMAGE[@SNAPSHOT][:PATH]. Which ":" and "@" are the name's is told by the files that there are.
func parseTarget(arg string) (target, error) {
	if arg == "" || arg[0] == ':' {
		return target{}, errors.New("no image is named: IMAGE:PATH")
	}
	all := readings(arg)
	var there []target
	for _, t := range all {
		if st, err := os.Stat(t.image); err == nil && !st.IsDir() {
			there = append(there, t)
		}
	}
	switch {
	case len(there) > 1:
		return target{}, fmt.Errorf("%q may mean %q in the image %s, or %q in %s: both files exist; begin the path with a slash, or name the image through a link",
			arg, there[1].path, there[1].image, there[0].path, there[0].image)
	case len(there) == 1:
		return there[0], nil
	}
	// There is none. What is missing is most likely what comes before the first colon.
	left, _, _ := strings.Cut(arg, ":")
	best := all[0]
	for _, t := range all {
		if t.image == left || t.snapshot != "" && t.image+"@"+t.snapshot == left {
			best = t
		}
	}
	if _, err := os.Stat(best.image); err != nil {
		return best, withColon(arg, err)
	}
	return best, fmt.Errorf("%s is a directory, and no image", best.image)
}

// withColon says of an argument that goes on behind a file as if that were a folder how a path in an image is named.
func withColon(arg string, err error) error {
	for i := len(arg) - 1; i > 0; i-- {
		if arg[i] != '/' {
			continue
		}
		for _, t := range readings(arg[:i]) {
			if st, serr := os.Stat(t.image); serr == nil && !st.IsDir() && !t.named {
				return fmt.Errorf("%w: a path in an image stands behind a colon: %s:%s", err, arg[:i], arg[i:])
			}
		}
	}
	return err
}

// fileTarget is parseTarget of an argument that has to name a path.
func fileTarget(arg string) (target, error) {
	t, err := parseTarget(arg)
	if err == nil && !t.named {
		err = fmt.Errorf("%q names no file in the image: %s:PATH", arg, arg)
	}
	return t, err
}

// liveTarget is fileTarget of an argument that names what is to change.
func liveTarget(arg string) (target, error) {
	t, err := fileTarget(arg)
	if err == nil && t.snapshot != "" {
		err = fmt.Errorf("%q: a snapshot cannot be changed; leave @%s out for the files as they are now", arg, t.snapshot)
	}
	return t, err
}

// anywhere has something done to an image: by the server that serves it, or else by this process, which opens it as o says.
func anywhere[T any](ctx context.Context, f controlFlags, image string, o pmemfs.Options, here func(*pmemfs.FS) (T, error), there func(*control.Client) (T, error)) (result T, err error) {
	o.NoBackground = true
	for began := time.Now(); ; {
		fs, err := pmemfs.Open(image, o)
		if err == nil {
			result, err = here(fs)
			return result, errors.Join(err, fs.Close())
		}
		if !errors.Is(err, pmemfs.ErrLocked) {
			return result, err
		}
		client, err := control.Dial(ctx, image, f.place)
		if err == nil {
			return there(client)
		}
		if time.Since(began) > lookFor {
			return result, err
		}
		select {
		case <-ctx.Done():
			return result, ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}
