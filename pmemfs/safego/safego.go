// Package safego starts goroutines that cannot end the process. In Go a panic that nobody recovers ends all of it, with
// every other client's connection; so each goroutine of the module starts here, and a test of integration/style finds those
// that do not.
//
// A panic is a fault of ours. It is recovered, counted, and told to the function that SetReport was given; the goroutine
// ends, its own deferred calls having run. What has to happen however a goroutine ends belongs into those.
//
// # Concurrency
//
// Everything may be called by any number of goroutines, unless it says otherwise.
package safego

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Panic is what was recovered.
type Panic struct {
	Name  string // of the goroutine, as it was started
	Value any    // that it panicked with
	Stack []byte // where
}

var (
	panics atomic.Uint64
	report atomic.Pointer[func(Panic)]
)

// Panics is the number of panics that were recovered, in the life of the process.
func Panics() uint64 { return panics.Load() }

// SetReport sets the function that is told of each panic; nil for none. It runs in the goroutine that panicked, and must not
// wait. A panic of its own is dropped.
func SetReport(f func(Panic)) {
	if f == nil {
		report.Store(nil)
		return
	}
	report.Store(&f)
}

// Go runs f in a goroutine.
func Go(name string, f func()) { go Run(name, f) }

// Run runs f here and reports whether it returned; false after a panic.
func Run(name string, f func()) (returned bool) {
	defer Recover(name, &returned)
	f()
	return true
}

// Recover is to be deferred; it ends a panic. *returned becomes false if there was one; returned may be nil.
func Recover(name string, returned *bool) {
	value := recover()
	if value == nil {
		return
	}
	if returned != nil {
		*returned = false
	}
	Tell(Panic{name, value, debug.Stack()})
}

// Tell counts and reports a panic that the caller has recovered by itself.
func Tell(p Panic) {
	panics.Add(1)
	// Whoever is told may fail too, and the log is no reason to end a process.
	defer func() { _ = recover() }()
	if f := report.Load(); f != nil {
		(*f)(p)
	}
}

// Group waits for goroutines, as a sync.WaitGroup does. The zero value is ready.
type Group struct{ wg sync.WaitGroup }

// Go runs f in a goroutine that Wait waits for.
func (g *Group) Go(name string, f func()) {
	g.wg.Go(func() { Run(name, f) })
}

// Wait returns when every goroutine has ended. A Go that begins at zero must not run beside it.
func (g *Group) Wait() { g.wg.Wait() }

// AfterFunc runs f in a goroutine after d, as time.AfterFunc does.
func AfterFunc(d time.Duration, name string, f func()) *time.Timer {
	return time.AfterFunc(d, func() { Run(name, f) })
}

// OnEnd runs f in a goroutine when ctx ends, as context.AfterFunc does.
func OnEnd(ctx context.Context, name string, f func()) (stop func() bool) {
	return context.AfterFunc(ctx, func() { Run(name, f) })
}
