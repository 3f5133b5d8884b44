package pmem

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// TestDAXDriver takes DAX devices only from the driver that gives them to programs: what sysfs says of them is made up.
func TestDAXDriver(t *testing.T) {
	for _, test := range []struct {
		name   string
		files  map[string]string
		size   int64
		err    error
		reason string
	}{
		{"devdax", map[string]string{"driver": "->../../bus/dax/drivers/device_dax"}, 4 << 20, nil, ""},
		{"before Linux 5.1", nil, 4 << 20, nil, ""},
		{"ordinary memory", map[string]string{"driver": "->../../bus/dax/drivers/kmem"}, 0, ErrMode, "ordinary memory"},
		{"famfs", map[string]string{"driver": "->../../bus/dax/drivers/fsdev_dax"}, 0, ErrMode, "famfs"},
		{"another driver", map[string]string{"driver": "->../../bus/dax/drivers/new"}, 0, ErrMode, "the driver new"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(dir+"/bus/dax", 0o700); err != nil {
				t.Fatal(err)
			}
			writeTree(t, dir, map[string]string{"dax0.0/size": "5242880\n", "dax0.0/align": "2097152\n", "dax0.0/subsystem": "->../bus/dax"})
			for name, content := range test.files {
				writeTree(t, dir, map[string]string{"dax0.0/" + name: content})
			}
			size, err := daxSize(dir + "/dax0.0")
			if size != test.size || !errors.Is(err, test.err) || err != nil && !strings.Contains(err.Error(), test.reason) {
				t.Errorf("%d bytes, %v", size, err)
			}
		})
	}
}
