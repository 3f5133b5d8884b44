package pmemfs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pmemfs/pmemfs/internal/layout"
	"pmemfs/pmemfs/internal/pmem"
)

// device maps /dev/zero as a devdax device of which a made-up sysfs lists bad sectors, on Linux. It holds nothing at first
// and nothing after it is closed.
func device(t *testing.T, size int64, bad string) *pmem.Region {
	t.Helper()
	root := t.TempDir()
	dax := "devices/region0/dax0.0/"
	for name, content := range map[string]string{
		"devices/region0/badblocks": bad, "devices/region0/resource": "0x1000000", dax + "resource": "0x1000000",
		dax + "size": fmt.Sprint(size), "bus/dax/x": "", "dev/char/x": "",
	} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{dax + "subsystem": "bus/dax", "dev/char/1:5": dax} {
		if err := os.Symlink(filepath.Join(root, target), filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	region, err := pmem.Open("/dev/zero", pmem.Options{Sysfs: root, Domain: pmem.Volatile})
	if err != nil {
		t.Fatal(err)
	}
	return region
}

// TestListedBySystem opens a device of which the system lists bad memory: what is free is never used, what is in use stays,
// and goes to the bad blocks when it is freed; metadata is named in the log.
func TestListedBySystem(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("only Linux lists bad memory")
		return
	}
	const size = 8 << 20
	plain := device(t, size, "")
	if err := formatRegion(plain, &FormatOptions{Size: size}, rand.Reader); err != nil {
		t.Fatal(err)
	}
	fs, err := mount(plain, Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	b := builder{t: t, fs: fs}
	h := b.file(fs.Root(), "file", 1<<20)
	used, free := dataBlock(t, fs, h, 9), uint64(1500)
	b.ok(fs.SyncAll())
	medium := slices.Clone(plain.Bytes())
	closeFS(t, fs)

	bad := fmt.Sprintf("%d 1\n%d 9\n%d 8\n99999999 8\n", layout.BlockOffset(1)/512, layout.BlockOffset(free)/512+7, layout.BlockOffset(used)/512)
	region := device(t, size, bad)
	region.Write(0, medium)
	heal := poison(t, region, used)
	var log logged
	if fs, err = mount(region, log.options()); err != nil {
		t.Fatal(err)
	}
	if got := badBlocks(t, fs); !slices.Equal(got, []uint64{free, free + 1}) {
		t.Errorf("bad blocks %v, expected %d and the next", got, free)
	}
	for _, want := range []string{"bitmap of block group 0", "ranges=3"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
	if _, _, err := fs.Read(root, nil, h, make([]byte, 10), 9<<12); !errors.Is(err, ErrIO) {
		t.Errorf("read of a bad block in use: %v", err)
	}
	if err := fs.Unlink(root, nil, fs.Root(), []byte("file")); err != nil {
		t.Error(err)
	}
	if got := badBlocks(t, fs); !slices.Equal(got, []uint64{used, free, free + 1}) {
		t.Errorf("bad blocks %v, expected %d too", got, used)
	}
	heal()
	checkFS(t, fs)
	closeFS(t, fs)
}
