// Package bench measures the engine without a network, and beside it folders of other filesystems through system calls.
//
// # What is compared
//
// Every benchmark is written once, against a small interface with two implementations: the engine, called as a library, and a
// folder, worked in by the system calls that do as little as the engine's call of the same name (openat and close for a create,
// relative to an open directory). What both pay alike, such as the choice of a name, is in both times.
//
// A folder's changes are not synced, except in Durable: they are in the page cache when the call returns, while the engine's are
// as durable as its domain makes them.
//
// # What counts
//
// A round runs the same operations on every target in turn, so that what disturbs the machine disturbs all of them. The median of the
// rounds counts. A ratio is the engine's time divided by the other's, the median of the rounds' own ratios: below 1 the engine is
// faster. Ratios of one run are worth more than times of two.
//
// # What is left behind
//
// Nothing: everything happens in folders of their own that go away with the measurement, whatever fails.
package bench
