//go:build locktimes

package pmemfs

import "pmemfs/pmemfs/internal/critical"

// LockTime is what was counted of the locks of one name.
type LockTime struct {
	Name  string `json:"name"`
	Of    int    `json:"of"`      // how many locks share the calls among them; 1 for one that all calls of a kind take
	Takes uint64 `json:"takes"`   // exclusive ones
	Reads uint64 `json:"reads"`   // takes to read, which do not exclude each other
	Held  int64  `json:"held_ns"` // nanoseconds of all exclusive takes
}

// LockTimes returns what is counted of all locks of the engine while f runs, sorted by name. It exists in builds with the locktimes tag
// only. Safe for concurrent use: a second caller waits for the first. Not durable: nothing is changed.
func LockTimes(f func()) []LockTime {
	var list []LockTime
	for _, t := range critical.Measure(f) {
		list = append(list, LockTime(t))
	}
	return list
}
