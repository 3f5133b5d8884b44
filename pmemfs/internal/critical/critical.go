// Package critical has the locks of the engine that calls of unrelated files may share. In ordinary builds they are those of package
// sync and cost nothing. Builds with the locktimes tag count how often each is taken and for how long it is held, by name: that is what
// bounds the speed of many processors.
//
// # What is counted
//
// A take is a successful Lock or TryLock. It is held until Unlock; waiting is not counted, nor what the clock itself takes. Takes to read
// are counted apart and without times, since readers do not exclude each other. Only what is taken while Measure runs counts.
//
// # Lock order
//
// Its own locks are leaves, but for the one that Measure holds while it runs what is measured. None is taken by Lock or Unlock.
//
// # Concurrency
//
// The locks have the guarantees of packages sync and latch. Name comes before the first use of a lock, by one goroutine.
package critical

// Time is what was counted of the locks of one name. Nothing counts in ordinary builds.
type Time struct {
	Name  string
	Of    int    // how many locks share the calls among them; 1 for a lock that all of a kind of call take
	Takes uint64 // exclusive ones
	Reads uint64 // takes to read
	Held  int64  // nanoseconds of all exclusive takes
}
