package main

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// units are the suffixes of sizes, longest first so that a search finds the right one.
var units = []struct {
	suffix string
	bytes  uint64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"PiB", 1 << 50}, {"EiB", 1 << 60},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"PB", 1e15},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"P", 1 << 50},
	{"B", 1},
}

// size is a number of bytes as a flag: "64GiB", "1G" (the same kind of unit), "10GB" (a thousand-based one), "4096".
type size int64

// Set reads a positive size.
func (s *size) Set(text string) error {
	n, err := parseSize(text)
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
	for i := 5; i >= 0; i-- {
		if u := units[i]; *s != 0 && uint64(*s)%u.bytes == 0 {
			return strconv.FormatUint(uint64(*s)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

func parseSize(text string) (int64, error) {
	digits, scale := strings.TrimSpace(text), uint64(1)
	for _, u := range units {
		if rest, ok := cutSuffixFold(digits, u.suffix); ok {
			digits, scale = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a size: give a number of bytes, such as 64GiB, 512MiB or 4096", text)
	}
	hi, lo := bits.Mul64(n, scale)
	if hi != 0 || lo > math.MaxInt64 {
		return 0, fmt.Errorf("size %q is too large", text)
	}
	return int64(lo), nil
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || !strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}

// formatBytes writes a number of bytes for people.
func formatBytes(n uint64) string {
	for i := 5; i >= 0; i-- {
		if u := units[i]; n >= u.bytes {
			return fmt.Sprintf("%.4g %s", float64(n)/float64(u.bytes), u.suffix)
		}
	}
	return fmt.Sprintf("%d B", n)
}
