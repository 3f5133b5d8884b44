package pmem

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

func init() { helpers["device"] = checkDevice }

// checkDevice stores to the devdax device, or the file on a DAX filesystem, that the argument names, as in
// "/dev/dax0.0=cache-flush", and expects that domain to be detected. It overwrites the first 4 MiB. A virtual
// machine with an NVDIMM runs it, in this test binary:
//
//	PMEM_TEST_HELPER=device PMEM_TEST_PATH=/dev/dax0.0=cache-flush pmem.test
func checkDevice(arg string) error {
	path, domain, _ := strings.Cut(arg, "=")
	want := make([]byte, 4<<20)
	for i := range want {
		want[i] = byte(i>>12) ^ byte(i)
	}
	r, err := Open(path, Options{})
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, %s: %s\n", path, r.Size(), r.Domain(), r.DomainReason())
	if r.Domain().String() != domain {
		return errors.Join(fmt.Errorf("domain %s, want %s", r.Domain(), domain), r.Close())
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrLocked) {
		return errors.Join(fmt.Errorf("a second open: %v, want ErrLocked", err), r.Close())
	}
	err = guarded(r, func() error {
		r.Write(0, want[:5001])
		return errors.Join(r.Persist(testSite, []Range{{0, 5001}, {1 << 20, 0}}),
			proof(r.ZeroThrough(testThrough, []Range{{5001, int64(len(want)) - 5001}})),
			proof(r.WriteThrough(testThrough, []Segment{{5001, want[5001 : 2<<20]}, {2 << 20, want[2<<20:]}})))
	})
	if c := r.Counters(); c.Fences != 3 || c.Syncs != 0 {
		err = errors.Join(err, fmt.Errorf("counters %+v, want 3 fences and no system call", c))
	}
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	return checkReopened(path, want)
}

// checkReopened opens the device again, for reading and privately, and compares.
func checkReopened(path string, want []byte) error {
	r, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		return err
	}
	same := bytes.Equal(r.Bytes()[:len(want)], want)
	if err := r.Close(); err != nil || !same {
		return fmt.Errorf("content kept: %t, %w", same, err)
	}
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	p, err := Open(path, Options{Private: true})
	if st.Mode().IsRegular() {
		if err != nil {
			return err
		}
		return p.Close()
	}
	if !errors.Is(err, ErrOptions) {
		return fmt.Errorf("private mapping of a device: %v, want ErrOptions", err)
	}
	return nil
}
