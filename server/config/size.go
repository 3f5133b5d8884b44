package config

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

// ParseSize reads a positive number of bytes such as 64GiB, 1G (the same kind of unit), 10GB (a thousand-based one) or 4096.
//
// Errors: text that is no size, zero, and a size that does not fit in 63 bits.
func ParseSize(text string) (int64, error) {
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
