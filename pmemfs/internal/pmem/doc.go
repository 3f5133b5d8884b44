// Package pmem maps an image into memory and makes stores to it durable. It is the only package with
// unsafe, assembly and mmap: everything above it sees offsets, byte slices and errors.
//
// # The medium
//
// A [Region] is one contiguous mapping of a file or a devdax device, which may become longer in place. What is assumed of the medium:
// an aligned 8-byte store is atomic, a line is [LineSize] bytes, and a line that was stored to but not
// fenced may reach the medium at any time, in any order, in part or never.
//
// # Durability
//
// [Region.Write], [Region.Zero] and [Region.Put] only store. [Region.Persist] flushes what it is told and fences once;
// [Region.WriteThrough] and [Region.ZeroThrough] store, flush and fence once. When one of the three
// returns nil, its ranges are on the medium to the extent that the [Domain] promises, and every store
// that the same goroutine made to those ranges before the call is included. What other lines hold is
// undefined: they may have been written back as well. The proof that fresh content is durable is a
// [Durable], which only WriteThrough and ZeroThrough can make.
//
//	domain       flush                     fence                      survives
//	volatile     -                         -                          nothing
//	page-cache   -                         msync                      power cut
//	cache-flush  CLWB, CLFLUSHOPT, CLFLUSH SFENCE (arm64: DSB SY)     power cut
//	eadr         -                         SFENCE (arm64: DSB SY)     power cut
//
// The pages of an ordinary file are the kernel's. [Region.Put], WriteThrough and ZeroThrough store there by write(2), which takes no
// fault for each page; the mapping sees the same bytes.
//
// With [Process] durability the page-cache domain makes no system call: stores then survive the death
// of the process (they are in the kernel's page cache) but not that of the machine.
//
// After a failed msync the kernel may have dropped the dirty pages and forgotten that they
// were dirty, so that a second attempt succeeds without having written anything. A region therefore
// remembers such a failure: every later Persist returns it ([ErrSync]) until the image is opened again.
//
// # Flush and fence belong to one thread
//
// A fence orders the flushes of the CPU that runs it. A goroutine may be moved between threads at any
// safe point, and what the Go scheduler does to hand it over are atomic operations: on amd64 these are
// locked instructions, which order CLFLUSHOPT, CLWB and non-temporal stores as a fence does, but on
// arm64 none of them completes a DC CVAP. So flush and fence of one run of lines are one assembly routine,
// which is not preempted by the scheduler, and where one commit needs several calls the goroutine is
// locked to its thread meanwhile. A thread that the kernel moves to another CPU is safe: the context
// switch contains a DSB on arm64 and serialises on amd64. The lock costs a few nanoseconds.
//
// Assembly, Go's own copy included, cannot be preempted, so that a garbage collection would wait for it: no
// single call covers more than chunkBytes.
//
// # Concurrency
//
// Every method of Region except Close, SetPersistHook and SetRecorder may be called from any number of goroutines.
// The package orders nothing between goroutines: two that store to the same bytes race,
// and a Persist makes another goroutine's store durable only if that store happened before the Persist.
// Flushing a line that somebody else is storing to is harmless.
//
// # Lock order
//
//	recorder.mu   stores and fences while a test records them; leaf
//	Region.extend who makes a region larger, system calls included; leaf
//
// # Faults
//
// A load or store that hits poisoned memory, or a page of a file that was truncated under the mapping,
// raises SIGBUS. See [Region.Guard].
package pmem
