package ninep

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// fileUsers are the users that the files passwd and group of a folder name: those of a client, whose users and groups are others than
// the server's. The files are read anew for each user that attaches, so that a change counts from then on.
type fileUsers struct {
	dir string
	log *slog.Logger
}

// UsersFrom returns the users in the files passwd (passwd(5)) and group (group(5)) of a folder, or why these cannot be read now.
//
// Errors: those of reading either file, and lines that make no sense, by their numbers.
func UsersFrom(dir string, log *slog.Logger) (Users, error) {
	f := &fileUsers{dir, cmp.Or(log, slog.New(slog.DiscardHandler))}
	_, err := f.users(func(passwdLine) bool { return true })
	if err == nil {
		_, err = f.groups(func(groupLine) bool { return true })
	}
	return f, err
}

// passwdLine and groupLine are what counts of a line of these files.
type (
	passwdLine struct {
		name     string
		uid, gid uint32
	}
	groupLine struct {
		gid     uint32
		members []string
	}
)

// ByName looks a user up.
func (f *fileUsers) ByName(name string) (uid uint32, known bool) {
	list, err := f.users(func(u passwdLine) bool { return u.name == name })
	if err != nil || len(list) == 0 {
		return 0, f.failed(err)
	}
	return list[0].uid, true
}

// Groups looks a user's groups up.
func (f *fileUsers) Groups(uid uint32) (gid uint32, others []uint32, known bool) {
	list, err := f.users(func(u passwdLine) bool { return u.uid == uid })
	if err != nil || len(list) == 0 {
		return 0, nil, f.failed(err)
	}
	groups, err := f.groups(func(g groupLine) bool { return slices.Contains(g.members, list[0].name) })
	for _, g := range groups {
		others = append(others, g.gid)
	}
	f.failed(err)
	return list[0].gid, others, true
}

// failed says what could not be read. Who cannot be looked up is in no groups.
func (f *fileUsers) failed(err error) bool {
	if err != nil {
		f.log.Error("the users of 9P cannot be read", "error", err)
	}
	return false
}

func (f *fileUsers) users(want func(passwdLine) bool) ([]passwdLine, error) {
	return read(filepath.Join(f.dir, "passwd"), 4, want, func(fields []string) (u passwdLine, err error) {
		var bad [2]error
		u.name = fields[0]
		u.uid, bad[0] = parseID(fields[2])
		u.gid, bad[1] = parseID(fields[3])
		return u, errors.Join(bad[:]...)
	})
}

func (f *fileUsers) groups(want func(groupLine) bool) ([]groupLine, error) {
	return read(filepath.Join(f.dir, "group"), 4, want, func(fields []string) (g groupLine, err error) {
		g.gid, err = parseID(fields[2])
		g.members = strings.Split(fields[3], ",")
		return g, err
	})
}

// usersFileMax bounds what is read of a file: a hundred bytes for each of six hundred thousand users.
const usersFileMax = 64 << 20

// read returns those lines of a file that are wanted. Comments, and what refers to a directory service, are passed over.
func read[T any](path string, fieldsMin int, want func(T) bool, parse func(fields []string) (T, error)) (list []T, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, usersFileMax+1))
	if err != nil {
		return nil, err
	}
	if len(text) > usersFileMax {
		return nil, fmt.Errorf("%s: more than %d MiB", path, usersFileMax>>20)
	}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || bytes.IndexByte([]byte("#+-"), line[0]) >= 0 {
			continue
		}
		fields := strings.Split(string(line), ":")
		if len(fields) < fieldsMin {
			return nil, fmt.Errorf("%s: line %d has %d fields, want %d at least", path, number, len(fields), fieldsMin)
		}
		v, err := parse(fields)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, number, err)
		}
		if want(v) {
			list = append(list, v)
		}
	}
	return list, nil
}

// parseID reads the number of a user or group.
func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no number of a user or group", s)
	}
	if uint32(n) == noUID {
		return 0, fmt.Errorf("%d is nobody's number", n)
	}
	return uint32(n), nil
}
