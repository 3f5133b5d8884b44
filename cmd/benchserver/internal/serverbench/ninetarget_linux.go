package serverbench

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

const diodProgram = "diod"

// startNineP starts pmemfs as a server of 9P, on an image in memory.
func startNineP(name, program, dir string) (*target, error) {
	nfs, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return startNine(dir, name, "/", func(addr string) (string, []string) {
		return program, []string{"serve", filepath.Join(dir, name+".img"), "--size", "1GiB", "--volatile", "--nfs", nfs, "--9p", addr,
			"--squash", "none", "--scrub-every", "0"}
	}, pmemfsVersion(program))
}

// startP9 starts this program as the Go library's server.
func startP9(dir string) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startNine(dir, TargetP9, "", func(addr string) (string, []string) {
		return self, []string{P9MemCommand, "--listen", addr}
	}, "github.com/hugelgupf/p9")
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
	s, err := furnished(addr, c, nil, "bench")
	if err == nil {
		s.export = export
	}
	return s, err
}
