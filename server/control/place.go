package control

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// suffix is what the socket of an image has behind the image's name.
const suffix = ".sock"

// runtimeDir is where the sockets of devices are, of which the folder has no room for others.
const runtimeDir = "/run"

// Place is where the server of an image listens, if a user runs it: beside the file, wherever links lead to it; for a device, which
// is in a folder of the system's, below /run.
//
// Errors: what the system said of the image.
func Place(image string, uid int) (string, error) { return placeIn(runtimeDir, image, uid) }

func placeIn(run, image string, uid int) (string, error) {
	real, err := filepath.EvalSymlinks(image)
	if err != nil {
		return "", err
	}
	if real, err = filepath.Abs(real); err != nil {
		return "", err
	}
	st, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	if st.Mode()&os.ModeDevice == 0 {
		return real + suffix, nil
	}
	if uid != 0 {
		run = filepath.Join(run, "user", strconv.Itoa(uid))
	}
	return filepath.Join(run, "pmemfs", filepath.Base(real)+suffix), nil
}

// places are where to look for the server of an image, and owner is whose programs may be there besides root's and the caller's own.
func places(image string) (list []string, owner int, err error) {
	st, err := os.Stat(image)
	if err != nil {
		return nil, 0, err
	}
	owner = int(st.Sys().(*syscall.Stat_t).Uid)
	seen := make(map[string]bool)
	for _, uid := range []int{os.Geteuid(), 0, owner} {
		p, err := Place(image, uid)
		if err != nil {
			return nil, 0, err
		}
		if !seen[p] {
			seen[p] = true
			list = append(list, p)
		}
	}
	return list, owner, nil
}

// identity tells the image at a path from others, so that a command does not reach the server of another image that was at that path. It is
// the same for all processes of a machine.
func identity(image string) (string, error) {
	st, err := os.Stat(image)
	if err != nil {
		return "", err
	}
	s := st.Sys().(*syscall.Stat_t)
	if st.Mode()&os.ModeDevice != 0 {
		return "device-" + strconv.FormatUint(uint64(s.Rdev), 16), nil
	}
	return strconv.FormatUint(uint64(s.Dev), 16) + "-" + strconv.FormatUint(s.Ino, 16), nil
}
