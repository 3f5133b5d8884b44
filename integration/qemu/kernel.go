package qemu

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// metaPackage is the Debian package that depends on the newest kernel of its
// series. It is another series than that of user-mode Linux, on purpose.
const metaPackage = "linux-image-6.12-amd64"

// A kernel is one of Debian's, unpacked below a folder of the cache.
type kernel struct {
	image   string // an ELF file that QEMU starts without a boot loader
	modules string // the folder that holds modules.order and modules.builtin
}

var fetching sync.Mutex

// fetchKernel returns the kernel, which it downloads and unpacks below cache
// unless an earlier call did. Safe for any number of goroutines, but two processes must not share a cache.
func fetchKernel(cache string) (kernel, error) {
	fetching.Lock()
	defer fetching.Unlock()
	name, err := kernelPackage()
	if err != nil {
		return kernel{}, err
	}
	folder := filepath.Join(cache, name)
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		err = download(cache, name, folder)
		if err != nil {
			return kernel{}, err
		}
	} else if err != nil {
		return kernel{}, err
	}
	found, err := filepath.Glob(filepath.Join(folder, "lib/modules/*"))
	if err != nil {
		return kernel{}, err
	}
	if len(found) != 1 {
		return kernel{}, fmt.Errorf("%s holds %d kernels", folder, len(found))
	}
	return kernel{image: filepath.Join(folder, "vmlinux"), modules: found[0]}, nil
}

// kernelPackage asks apt which package the meta package stands for now.
func kernelPackage() (string, error) {
	out, err := run("", "apt-cache", "depends", "--no-recommends", "--no-suggests", metaPackage)
	if err != nil {
		return "", fmt.Errorf("%w; run: apt-get update", err)
	}
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: linux-image-"); ok {
			return "linux-image-" + name, nil
		}
	}
	return "", fmt.Errorf("apt-cache knows no package that %s depends on; run: apt-get update", metaPackage)
}

// download unpacks a kernel's package as folder, all or nothing.
func download(cache, name, folder string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(cache, "unpacking-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if _, err := run(work, "apt-get", "-q", "download", name); err != nil {
		return fmt.Errorf("%w; run: apt-get update", err)
	}
	packages, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(packages) != 1 {
		return fmt.Errorf("%d packages downloaded as %s: %w", len(packages), name, err)
	}
	tree := filepath.Join(work, "tree")
	if _, err := run("", "dpkg-deb", "--extract", packages[0], tree); err != nil {
		return err
	}
	images, err := filepath.Glob(filepath.Join(tree, "boot/vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return fmt.Errorf("%d kernels in %s: %w", len(images), name, err)
	}
	if err := unpackImage(images[0], filepath.Join(tree, "vmlinux")); err != nil {
		return err
	}
	return os.Rename(tree, folder)
}

// unpackImage takes the ELF file out of a compressed kernel: unpacking it at
// every boot, under emulation, would take longer than all else. Source: the
// kernel's Documentation/arch/x86/boot.rst (setup_sects, payload_offset,
// payload_length).
func unpackImage(from, to string) error {
	image, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	const setupSects, payloadOffset, payloadLength, sector = 0x1f1, 0x248, 0x24c, 512
	if len(image) < payloadLength+4 || string(image[0x202:0x206]) != "HdrS" {
		return fmt.Errorf("%s is no kernel image", from)
	}
	start := (int(image[setupSects])+1)*sector + int(binary.LittleEndian.Uint32(image[payloadOffset:]))
	end := start + int(binary.LittleEndian.Uint32(image[payloadLength:]))
	if start >= end-4 || end > len(image) {
		return fmt.Errorf("%s: payload from %d to %d of %d bytes", from, start, end, len(image))
	}
	elf, err := decompress(image[start : end-4]) // the length after unpacking stands behind
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return os.WriteFile(to, elf, 0o644)
}

// decompress undoes what the kernel's build did to an image or a module.
func decompress(data []byte) ([]byte, error) {
	var cmd *exec.Cmd
	switch {
	case bytes.HasPrefix(data, []byte("\xfd7zXZ\x00")):
		cmd = exec.Command("xz", "--decompress", "--stdout")
	case bytes.HasPrefix(data, []byte("\x28\xb5\x2f\xfd")):
		cmd = exec.Command("zstd", "--decompress", "--stdout", "--quiet")
	case bytes.HasPrefix(data, []byte("\x7fELF")):
		return data, nil
	default:
		return nil, fmt.Errorf("unknown compression % x", data[:min(len(data), 4)])
	}
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w %s; %s", cmd.Path, err, said.String(), aptLine)
	}
	return out.Bytes(), nil
}

// run runs a tool of the host in folder dir and returns its standard output.
func run(dir, name string, args ...string) ([]byte, error) {
	var out, said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &said
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, said.String())
	}
	return out.Bytes(), nil
}
