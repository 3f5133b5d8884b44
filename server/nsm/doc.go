// Package nsm is the Network Status Monitor (program 100024, version 1; X/Open XNFS chapter 11), as far as a lock server needs it: it
// remembers in the image which hosts have locks, tells them after a restart so that they claim their locks again, and hears
// from them when they have been restarted themselves.
//
// # Hosts
//
// A host is an address and the name that it calls itself. Both count: clients behind one address have different names, and a name
// alone anybody can use. So NOTIFY, by which a host says that it has lost its locks, counts for hosts at the address that it comes from
// only; of several there for those of its name (or its first label), and for none if that is nobody's. It must bring another state
// number than the host last had, so that a repeated one costs nobody locks that were taken since.
//
// # Grace
//
// In the time of grace, which follows a start at which hosts were known, locks may only be claimed again. It ends when its time is
// over, or earlier, when every known host is through: it has claimed locks, and none for ten seconds, or none for two seconds and then asked for a new one;
// or it has said that it was restarted itself. NSM has no word for "that was all", and a host that has answered our NOTIFY may
// take its time to connect, so a host that claims nothing costs everybody the whole time. Hosts are therefore forgotten a minute after
// their last lock, and at the end of a server that stops in order.
//
// # What it is not
//
// It monitors nobody for others: SM_MON is answered with STAT_FAIL. A kernel that mounts from its own machine needs its rpc.statd.
//
// # Concurrency and durability
//
// A Monitor is for any number of goroutines. Watch is durable on return: no lock is answered that a crash would make forgotten.
//
// Lock order:
//
//	Monitor.writing    held over changes of the image
//	  Monitor.mu       a leaf; the engine is asked nothing under it
package nsm
