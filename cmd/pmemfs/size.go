package main

import (
	"fmt"
	"strconv"

	"pmemfs/server/config"
)

// units are those in which sizes are written, the smallest first.
var units = []struct {
	suffix string
	bytes  uint64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"PiB", 1 << 50}, {"EiB", 1 << 60}}

// size is a number of bytes as a flag: "64GiB", "1G" (the same kind of unit), "10GB" (a thousand-based one), "4096".
type size int64

// Set reads a positive size.
func (s *size) Set(text string) error {
	n, err := config.ParseSize(text)
	if err != nil {
		return err
	}
	*s = size(n)
	return nil
}

// Type is what help calls the value.
func (s *size) Type() string { return "size" }

// String writes the size with the largest unit that divides it.
func (s *size) String() string {
	for i := len(units) - 1; i >= 0; i-- {
		if u := units[i]; *s != 0 && uint64(*s)%u.bytes == 0 {
			return strconv.FormatUint(uint64(*s)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

// formatBytes writes a number of bytes for people.
func formatBytes(n uint64) string {
	for i := len(units) - 1; i >= 0; i-- {
		if u := units[i]; n >= u.bytes {
			return fmt.Sprintf("%.4g %s", float64(n)/float64(u.bytes), u.suffix)
		}
	}
	return fmt.Sprintf("%d B", n)
}
