package uml

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pmemfs/integration/vm"
)

// modulesRoot is where Debian's user-mode-linux package keeps the modules of
// its kernel, one folder per version.
const modulesRoot = "/usr/lib/uml/modules"

// readModules returns the modules wanted, each after all that it depends on.
func readModules(wanted []string) ([]vm.Module, error) {
	folder, files, err := loadOrder(wanted)
	if err != nil {
		return nil, err
	}
	var modules []vm.Module
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			return nil, err
		}
		modules = append(modules, vm.Module{Name: filepath.Base(file), Data: data})
	}
	return modules, nil
}

// loadOrder returns the module files that wanted needs, each after all that
// it depends on, as paths below the returned folder.
func loadOrder(wanted []string) (folder string, files []string, err error) {
	lists, err := filepath.Glob(filepath.Join(modulesRoot, "*", "modules.dep"))
	if err != nil {
		return "", nil, err
	}
	if len(lists) == 0 {
		return "", nil, fmt.Errorf("no modules under %s: %s", modulesRoot, aptLine)
	}
	// With several kernels installed the binary belongs to the newest package.
	list := lists[len(lists)-1]
	deps, byName, err := readDependencies(list)
	if err != nil {
		return "", nil, err
	}

	seen := make(map[string]bool)
	var visit func(file string)
	visit = func(file string) {
		if seen[file] {
			return
		}
		seen[file] = true
		// modules.dep lists the nearest dependency first, the deepest last.
		for i := len(deps[file]) - 1; i >= 0; i-- {
			visit(deps[file][i])
		}
		files = append(files, file)
	}
	for _, name := range wanted {
		file, ok := byName[name]
		if !ok {
			return "", nil, fmt.Errorf("module %s is not listed in %s", name, list)
		}
		visit(file)
	}
	return filepath.Dir(list), files, nil
}

// readDependencies reads depmod's text list: "file: dependency dependency...".
func readDependencies(list string) (deps map[string][]string, byName map[string]string, err error) {
	f, err := os.Open(list)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()

	deps, byName = make(map[string][]string), make(map[string]string)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		file, rest, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			return nil, nil, fmt.Errorf("%s: no colon in line %q", list, lines.Text())
		}
		deps[file] = strings.Fields(rest)
		byName[strings.TrimSuffix(filepath.Base(file), ".ko")] = file
	}
	return deps, byName, lines.Err()
}
