package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// sizes are those that usually break something: nothing, one byte, both sides
// of a block, several blocks, and more than one transfer.
var sizes = []int{0, 1, 63, 64, 65, 511, 4095, 4096, 4097, 8192, 12345, 65536, 131073}

const (
	treeDirs     = 12
	filesPerDir  = 25
	oneMiB       = 1 << 20
	symlinkEvery = 10
)

// fill makes n bytes that depend only on seed.
func fill(n int, seed uint64) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	data := make([]byte, n)
	source := rand.NewChaCha8(key)
	if _, err := source.Read(data); err != nil {
		panic(err) // ChaCha8.Read is documented never to fail
	}
	return data
}

// makeTree makes about 300 files in nested folders, with symbolic links,
// several modes and names that are not plain ASCII.
func makeTree(args []string) error {
	root := args[0]
	seed, err := number(args[1])
	if err != nil {
		return err
	}
	files, dir := 0, root
	for d := range treeDirs {
		// Every fourth folder starts again below the root; the others nest.
		if d%4 == 0 {
			dir = root
		}
		dir = filepath.Join(dir, fmt.Sprintf("folder %02d", d))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for f := range filesPerDir {
			files++
			if err := makeEntry(dir, f, files, uint64(seed)); err != nil {
				return err
			}
		}
	}
	if err := os.WriteFile(filepath.Join(root, "one MiB"), fill(oneMiB, uint64(seed)), 0o600); err != nil {
		return err
	}
	fmt.Println("files", files+1)
	return nil
}

// makeEntry makes the f-th entry of a folder: a file or a symbolic link.
func makeEntry(dir string, f, serial int, seed uint64) error {
	if f%symlinkEvery == symlinkEvery-1 {
		return os.Symlink(fmt.Sprintf("file-%d", f-1), filepath.Join(dir, fmt.Sprintf("link-%d", f)))
	}
	name := fmt.Sprintf("file-%d", f)
	if f == 5 {
		name = "Dämmerung ☀ 'quoted' \"twice\""
	}
	modes := []fs.FileMode{0o644, 0o600, 0o755, 0o444}
	data := fill(sizes[serial%len(sizes)], seed+uint64(serial))
	return os.WriteFile(filepath.Join(dir, name), data, modes[serial%len(modes)])
}

// sumTree prints a checksum that changes with any name, type, permission,
// size, link target or byte below a folder, and how many entries it saw. A second argument names
// an entry to leave out.
func sumTree(args []string) error {
	sum, entries := sha256.New(), 0
	err := filepath.WalkDir(args[0], func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == args[0] {
			return err
		}
		if len(args) > 1 && path == filepath.Join(args[0], args[1]) {
			return filepath.SkipDir
		}
		entries++
		name, err := filepath.Rel(args[0], path)
		if err != nil {
			return err
		}
		return sumEntry(sum, path, name)
	})
	if err != nil {
		return err
	}
	fmt.Printf("sum %x entries %d\n", sum.Sum(nil), entries)
	return nil
}

func sumEntry(sum hash.Hash, path, name string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(sum, "%s %v\n", name, info.Mode())
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "-> %s\n", target)
	case info.Mode().IsRegular():
		fmt.Fprintf(sum, "%d bytes\n", info.Size())
		return copyFile(sum, path)
	}
	return nil
}

// copyFile copies a file's bytes to a writer.
func copyFile(to io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return err
}

// writeBig writes a file of many MiB, syncs it and prints its checksum.
func writeBig(args []string) error {
	mib, err := number(args[1])
	if err != nil {
		return err
	}
	seed, err := number(args[2])
	if err != nil {
		return err
	}
	f, err := os.Create(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	for i := range mib {
		data := fill(oneMiB, uint64(seed)<<20+uint64(i))
		sum.Write(data)
		if _, err := f.Write(data); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	fmt.Printf("sha %x bytes %d\n", sum.Sum(nil), mib*oneMiB)
	return f.Close()
}

// printSum prints a file's checksum and length in the form of writeBig.
func printSum(args []string) error {
	sum := sha256.New()
	if err := copyFile(sum, args[0]); err != nil {
		return err
	}
	info, err := os.Stat(args[0])
	if err != nil {
		return err
	}
	fmt.Printf("sha %x bytes %d\n", sum.Sum(nil), info.Size())
	return nil
}

// writeSparse writes a few bytes far into a new file and reads back the hole
// before them, and nothing after them.
func writeSparse(args []string) error {
	offset, err := number(args[1])
	if err != nil {
		return err
	}
	f, err := os.Create(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	mark := []byte("after the hole")
	if _, err := f.WriteAt(mark, int64(offset)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	hole := make([]byte, oneMiB+len(mark))
	n, err := f.ReadAt(hole, int64(offset-oneMiB))
	if err != nil && err != io.EOF {
		return err
	}
	if !bytes.Equal(hole[:n], append(make([]byte, oneMiB), mark...)) {
		return fmt.Errorf("%d bytes around the end of the hole are wrong", n)
	}
	return f.Close()
}
