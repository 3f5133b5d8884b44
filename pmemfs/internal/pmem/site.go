package pmem

import (
	"fmt"
	"slices"
	"strings"
)

// A Site is a point in the code that fences. Naming it makes the fence a failpoint, before and after, and lets tests
// take it away: the list of such tests comes from the list of sites. Sites are made once, as package variables.
type Site struct {
	name    string
	through bool
}

// sites is the list of all, filled while packages are initialised and only read afterwards.
var sites []*Site

// NewSite names a call of Persist. Names are unique, in the form "package: what is made durable". It panics on a name
// that is taken. For package variables only: not safe for concurrent use.
func NewSite(name string) *Site { return newSite(&Site{name: name}) }

// NewThroughSite names a call of WriteThrough or ZeroThrough.
func NewThroughSite(name string) *Site { return newSite(&Site{name: name, through: true}) }

func newSite(s *Site) *Site {
	for _, old := range sites {
		if old.name == s.name {
			panic(fmt.Sprintf("pmem: site %q is declared twice", s.name))
		}
	}
	sites = append(sites, s)
	return s
}

// Sites returns the sites of every package in the program, by name.
func Sites() []*Site {
	return slices.SortedFunc(slices.Values(sites), func(a, b *Site) int { return strings.Compare(a.name, b.name) })
}

// String returns the name.
func (s *Site) String() string { return s.name }

// Through says whether the site also stores (WriteThrough, ZeroThrough), perhaps past the cache.
func (s *Site) Through() bool { return s.through }

// A Failpoint is the instant before or after the fence of a site.
type Failpoint struct {
	Site  *Site
	After bool
}

// String returns the name of the failpoint: "before" or "after" and the site's name.
func (p Failpoint) String() string {
	if p.After {
		return "after " + p.Site.name
	}
	return "before " + p.Site.name
}

// Failpoints returns the failpoints of every package in the program.
func Failpoints() []Failpoint {
	var ps []Failpoint
	for _, s := range Sites() {
		ps = append(ps, Failpoint{s, false}, Failpoint{s, true})
	}
	return ps
}

// SetPersistHook makes Persist, WriteThrough and ZeroThrough call f at each failpoint: before a fence, after what is
// stored and before what is flushed, and after it. The range is the smallest that covers what is to be durable (an empty
// one for a bare fence). An error of f is returned in place of durability. Before the fence it also prevents it: nothing
// is flushed or fenced, but the fence is counted. It is for fault injection; nil removes it. Not safe to change while
// another goroutine is in one of the three; f itself must be safe for the callers' concurrency.
func (r *Region) SetPersistHook(f func(Failpoint, Range) error) {
	if f == nil {
		r.hook.Store(nil)
		return
	}
	r.hook.Store(&f)
}

// Before makes a persist hook of a function that only wants to be called before fences.
func Before(f func(Range) error) func(Failpoint, Range) error {
	return func(p Failpoint, g Range) error {
		if p.After {
			return nil
		}
		return f(g)
	}
}

// failpoint calls the hook, if there is one.
func (r *Region) failpoint(s *Site, after bool, g Range) error {
	if hook := r.hook.Load(); hook != nil {
		return (*hook)(Failpoint{s, after}, g)
	}
	return nil
}
