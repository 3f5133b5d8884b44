package pmemfs

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestCapacity holds the table of docs/capacity.md to what files really take.
func TestCapacity(t *testing.T) {
	text, err := os.ReadFile("../docs/capacity.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		row  string
		size int
		min  uint64 // bytes for each file, from the row
		max  uint64
	}{
		{"| an empty file with a name of 22 bytes | some 310 bytes", 0, 270, 340},
		{"| a file of 1 to 4,096 bytes | 4.3 KiB", 1, 4350, 4450},
		{"| a file of 1 to 4,096 bytes | 4.3 KiB", 4096, 4350, 4450},
		{"| a file of 100,000 bytes | 100.3 KiB", 100_000, 102_600, 102_800},
	} {
		t.Run(fmt.Sprint(test.size), func(t *testing.T) {
			if !strings.Contains(string(text), test.row) {
				t.Errorf("docs/capacity.md has no %q", test.row)
			}
			const files = 2000
			fs, err := OpenMemory(512<<20, DomainVolatile, Options{NoBackground: true})
			if err != nil {
				t.Fatal(err)
			}
			before, err := fs.Statfs()
			if err != nil {
				t.Fatal(err)
			}
			for i := range files {
				a, err := fs.Create(&Cred{}, nil, fs.Root(), fmt.Appendf(nil, "file-number-%06d.txt", i), &CreateOptions{})
				if err == nil && test.size > 0 {
					_, _, err = fs.Write(&Cred{}, nil, a.Handle, make([]byte, test.size), 0)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			after, err := fs.Statfs()
			if err != nil {
				t.Fatal(err)
			}
			if each := (before.FreeBytes - after.FreeBytes) / files; each < test.min || each > test.max {
				t.Errorf("a file takes %d bytes", each)
			}
			if err := fs.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
