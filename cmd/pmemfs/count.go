package main

import "fmt"

// plurals are those that are not made by an s.
var plurals = map[string]string{"directory": "directories"}

// count is a number and what it counts, in the singular for one.
func count[N int | int64 | uint64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if many := plurals[one]; many != "" {
		return fmt.Sprintf("%d %s", n, many)
	}
	return fmt.Sprintf("%d %ss", n, one)
}
