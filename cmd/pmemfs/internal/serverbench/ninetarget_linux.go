package serverbench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	diodProgram = "diod"
	// p9Program serves a tree in memory by github.com/hugelgupf/p9. It is built beside this program, and not into it.
	p9Program = "p9mem"
)

// startNineP starts this program as a server of 9P, on an image in memory.
func startNineP(dir string) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	nfs, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return startNine(dir, TargetNative, "/", func(addr string) (string, []string) {
		return self, []string{"serve", filepath.Join(dir, "nine.img"), "--size", "1GiB", "--volatile", "--nfs", nfs, "--9p", addr,
			"--squash", "none", "--scrub-every", "0"}
	}, "this binary")
}

// startP9 starts the Go library's server.
func startP9(dir string) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	program, err := exec.LookPath(filepath.Join(filepath.Dir(self), p9Program))
	if err != nil {
		if program, err = exec.LookPath(p9Program); err != nil {
			return nil, fmt.Errorf("%w: make bench-server builds it", err)
		}
	}
	return startNine(dir, TargetP9, "", func(addr string) (string, []string) { return program, []string{"--listen", addr} }, "github.com/hugelgupf/p9")
}

// startDiod starts diod over a folder.
func startDiod(dir string) (*target, error) {
	if _, err := exec.LookPath(diodProgram); err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, "diod")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	return startNine(dir, TargetDiod, folder, func(addr string) (string, []string) {
		return diodProgram, []string{"-f", "-n", "-N", "-c", "/dev/null", "-L", "stderr", "-l", addr, "-e", folder}
	}, "diod")
}

// startNine starts a server of 9P in a folder with the command for an address, and makes on it what is worked on.
func startNine(dir, name, export string, command func(addr string) (string, []string), version string) (*target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	program, args := command(addr)
	p, err := startIn(dir, addr, program, args...)
	if err != nil {
		return nil, err
	}
	s, err := newNineSite(addr, export)
	if err != nil {
		return nil, errors.Join(p.explain(err), p.stop())
	}
	i := &instance{p, s}
	return &target{name: name, version: version, names: i, data: i}, nil
}

// newNineSite attaches to a server and makes the directory for everything.
func newNineSite(addr, export string) (*site, error) {
	c, err := dialNine(addr, export)
	if err != nil {
		return nil, err
	}
	s, err := furnished(addr, c, nil)
	if err == nil {
		s.export = export
	}
	return s, err
}
