package uml

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// xstateSource widens the registers that the kernel sets on processors that have more than it knows; see its comment. It does nothing on
// others.
//
//go:embed testdata/xstate.c
var xstateSource []byte

// Widened is in the console of a guest that runs with it.
const Widened = "xstate: the host wants"

// widen compiles xstateSource in dir and returns the path of what is to be preloaded.
func widen(dir string) (string, error) {
	source, library := filepath.Join(dir, "xstate.c"), filepath.Join(dir, "xstate.so")
	if err := os.WriteFile(source, xstateSource, 0o600); err != nil {
		return "", err
	}
	cmd := exec.Command("gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("gcc: %w\n%s(scripts/install.sh installs it)", err, out)
	}
	return library, nil
}
