package qemu

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pmemfs/integration/vm"
)

// guestModules are what the guests need, dependencies aside. The checksum is
// asked for by ext4 by the name of an algorithm, so it is no dependency.
var guestModules = []string{
	"virtio_net", "nfsv3",
	"libnvdimm", "nfit", "nd_pmem", "dax_pmem", "device_dax",
	"crc32c_generic", "ext4", "loop", "9p", "9pnet_fd",
}

// loader collects modules, each after all that it depends on.
type loader struct {
	folder  string
	files   map[string]string // where a module's file is, by the module's name
	builtin map[string]bool
	done    map[string]bool
	modules []vm.Module
}

// readModules returns the modules wanted of the kernel, and their dependencies.
func readModules(k kernel, wanted []string) ([]vm.Module, error) {
	l := loader{folder: k.modules, files: make(map[string]string), builtin: make(map[string]bool), done: make(map[string]bool)}
	for list, add := range map[string]func(name, file string){
		"modules.order":   func(name, file string) { l.files[name] = file },
		"modules.builtin": func(name, _ string) { l.builtin[name] = true },
	} {
		text, err := os.ReadFile(filepath.Join(k.modules, list))
		if err != nil {
			return nil, err
		}
		for _, file := range strings.Fields(string(text)) {
			add(moduleName(file), file)
		}
	}
	for _, name := range wanted {
		if err := l.load(name); err != nil {
			return nil, err
		}
	}
	return l.modules, nil
}

// moduleName is a module's name, in which a dash and an underscore are one.
func moduleName(file string) string {
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".ko"), "-", "_")
}

// load adds one module, its dependencies first.
func (l *loader) load(name string) error {
	if l.done[name] || l.builtin[name] {
		return nil
	}
	l.done[name] = true
	file, ok := l.files[name]
	if !ok {
		return fmt.Errorf("the kernel below %s has no module %s", l.folder, name)
	}
	found, err := filepath.Glob(filepath.Join(l.folder, file) + "*") // .ko, .ko.xz
	if err != nil || len(found) != 1 {
		return fmt.Errorf("%d files of module %s: %w", len(found), name, err)
	}
	packed, err := os.ReadFile(found[0])
	if err != nil {
		return err
	}
	data, err := decompress(packed)
	if err != nil {
		return fmt.Errorf("%s: %w", found[0], err)
	}
	depends, err := dependencies(data)
	if err != nil {
		return fmt.Errorf("%s: %w", found[0], err)
	}
	for _, other := range depends {
		if err := l.load(moduleName(other)); err != nil {
			return err
		}
	}
	l.modules = append(l.modules, vm.Module{Name: name + ".ko", Data: data})
	return nil
}

// dependencies reads a module's own list of the modules it needs.
func dependencies(module []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("no .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for _, field := range strings.Split(string(info), "\x00") {
		if list, ok := strings.CutPrefix(field, "depends="); ok {
			return strings.FieldsFunc(list, func(r rune) bool { return r == ',' }), nil
		}
	}
	return nil, nil
}
