package top

import (
	"fmt"
	"strconv"
)

// Count writes a number in at most seven characters.
func Count(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.1fG", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.1fM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1fk", v/1e3)
	case v >= 100 || v == float64(int(v)):
		return strconv.Itoa(int(v + 0.5))
	}
	return fmt.Sprintf("%.1f", v)
}

// Bytes writes bytes.
func Bytes(v float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			if unit == "B" || v >= 100 {
				return fmt.Sprintf("%.0f%s", v, unit)
			}
			return fmt.Sprintf("%.1f%s", v, unit)
		}
		v /= 1024
	}
	return fmt.Sprintf("%.0fPiB", v)
}

// Seconds writes a latency; none is a dash.
func Seconds(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v < 1e-3:
		return fmt.Sprintf("%.1fus", v*1e6)
	case v < 1:
		return fmt.Sprintf("%.1fms", v*1e3)
	}
	return fmt.Sprintf("%.2fs", v)
}
