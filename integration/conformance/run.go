package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Case is one thing that a filesystem has to do.
type Case struct {
	Name  string
	Needs Caps
	Run   func(*C)
}

// Cases returns all cases, in an order that never changes. Names are unique and begin with a group.
func Cases() []Case {
	return slices.Concat(createCases(), errorCases(), nameCases(), dotCases(), removeCases(), renameCases(), renameMatrix(), linkCases(),
		timeCases(), sizeCases(), modeCases(), ownerCases(), stickyCases(), dirPermCases(), filePermCases(), accessCases(),
		readdirCases(), openCases(), symlinkCases(), nodeCases(), statfsCases(), wccCases(), aclCases())
}

// Outcome is what became of a case.
type Outcome struct {
	Case    string
	Missing Caps     // what the target lacks; the case was left out then
	Faults  []string // none: passed
}

// Passed reports whether the case ran and found nothing.
func (o *Outcome) Passed() bool { return o.Missing == 0 && len(o.Faults) == 0 }

// String is one line, which ParseOutcome reads.
func (o *Outcome) String() string {
	switch {
	case o.Missing != 0:
		return fmt.Sprintf("left out %s: needs %s", o.Case, o.Missing)
	case len(o.Faults) == 0:
		return "passed " + o.Case
	}
	return fmt.Sprintf("failed %s: %s", o.Case, strings.Join(o.Faults, "; "))
}

// ParseOutcome reads what String wrote; false if it is something else. Several faults come back as one.
func ParseOutcome(line string) (o Outcome, ok bool) {
	if o.Case, ok = strings.CutPrefix(line, "passed "); ok {
		return o, true
	}
	failed, isFault := strings.CutPrefix(line, "failed ")
	left, isLeft := strings.CutPrefix(line, "left out ")
	var what string
	switch {
	case isFault:
		o.Case, what, ok = strings.Cut(failed, ": ")
		o.Faults = []string{what}
	case isLeft:
		o.Case, what, ok = strings.Cut(left, ": needs ")
		for name := range strings.FieldsSeq(what) {
			i := slices.Index(capNames, name)
			if i < 0 {
				return o, false
			}
			o.Missing |= 1 << i
		}
	}
	return o, ok
}

// Run runs all cases, and more of the target's own, each in a directory of its own below the one that fs begins in, and reports
// each to done. fs must be the superuser's.
func Run(fs FS, caps Caps, done func(Outcome), more ...Case) {
	for i, k := range append(Cases(), more...) {
		o := Outcome{Case: k.Name, Missing: k.Needs &^ caps}
		if o.Missing == 0 {
			o.Faults = k.run(fs, caps, fmt.Sprintf("case%03d", i))
		}
		done(o)
	}
}

// C is a case that runs: the filesystem as the superuser in the case's directory, which is everybody's to write.
type C struct {
	FS
	caps   Caps
	path   string // of the directory, from where the target begins
	faults []string
}

// errGiveUp ends a case that cannot go on.
var errGiveUp = errors.New("conformance: the case cannot go on")

func (k *Case) run(fs FS, caps Caps, dir string) (faults []string) {
	c := &C{FS: fs, caps: caps, path: dir}
	defer func() {
		if p := recover(); p != nil && p != errGiveUp {
			c.faults = append(c.faults, fmt.Sprintf("panic: %v at %s", p, c.where()))
		}
		faults = c.faults
	}()
	c.ok(fs.Mkdir(dir, 0o777))
	c.ok(fs.Setattr(dir, Set{Mode: ptr[uint32](0o777)}))
	c.FS = fs.At(dir)
	k.Run(c)
	return c.faults
}

// can reports whether the target has all of some capabilities.
func (c *C) can(want Caps) bool { return c.caps&want == want }

// where is the line of the case that asked.
func (c *C) where() string {
	pc := make([]uintptr, 24)
	frames := runtime.CallersFrames(pc[:runtime.Callers(2, pc)])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if name := filepath.Base(f.File); name != "run.go" && name != "panic.go" && name != "help.go" {
			return fmt.Sprintf("%s:%d", strings.TrimSuffix(name, ".go"), f.Line)
		}
	}
	return "?"
}

// faultsMax bounds what one case says.
const faultsMax = 6

// Fault notes that something is wrong, for cases of a target's own.
func (c *C) Fault(format string, args ...any) { c.fault(format, args...) }

// fault notes that something is wrong.
func (c *C) fault(format string, args ...any) {
	if len(c.faults) < faultsMax {
		c.faults = append(c.faults, c.where()+" "+fmt.Sprintf(format, args...))
	}
}

// ok demands success, without which the case cannot go on.
func (c *C) ok(err error) {
	if err != nil {
		c.fault("%v", err)
		panic(errGiveUp)
	}
}

// fails demands one of some errors.
func (c *C) fails(err error, allowed ...Errno) {
	for _, want := range allowed {
		if errors.Is(err, want) {
			return
		}
	}
	if err == nil {
		c.fault("succeeded, want %v", allowed)
		return
	}
	c.fault("%v, want %v", err, allowed)
}

// may demands success or an error.
func (c *C) may(err error, allowed bool, refusal ...Errno) {
	switch {
	case allowed && err != nil:
		c.fault("%v, want success", err)
	case !allowed:
		c.fails(err, refusal...)
	}
}

// attr returns attributes that must be there.
func (c *C) attr(path string) Attr {
	a, err := c.Getattr(path)
	c.ok(err)
	return a
}

// gone demands that a name is not there.
func (c *C) gone(path string) {
	_, err := c.Getattr(path)
	c.fails(err, ENOENT)
}

// file makes a file with some content.
func (c *C) file(path, content string) {
	c.ok(c.Create(path, How{Mode: 0o644}))
	c.ok(c.Setattr(path, Set{Mode: ptr[uint32](0o644)}))
	if content != "" {
		c.ok(c.Write(path, 0, []byte(content)))
	}
}

// dir makes a directory.
func (c *C) dir(path string, mode uint32) {
	c.ok(c.Mkdir(path, mode))
	c.ok(c.Setattr(path, Set{Mode: &mode}))
}

// holds demands that a file has exactly some content.
func (c *C) holds(path, content string) {
	got, err := c.Read(path, 0, len(content)+100)
	c.ok(err)
	if !bytes.Equal(got, []byte(content)) {
		c.fault("%s holds %.60q, want %.60q", path, got, content)
	}
}

// names demands that a directory has exactly some entries.
func (c *C) names(path string, want ...string) {
	got, err := c.Names(path)
	c.ok(err)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.fault("%s has %.200q, want %.200q", path, got, want)
	}
}

// same demands equal values.
func same[T comparable](c *C, what string, got, want T) {
	if got != want {
		c.fault("%s is %v, want %v", what, got, want)
	}
}

// tick waits until the coarsest clock of a kernel has moved. It looks at the clock and does not sleep: on a loaded machine the suite twice did
// not come back from its first sleep in the kernel in user mode.
func tick() {
	for start := time.Now(); time.Since(start) < 12*time.Millisecond; {
	}
}

func ptr[T any](v T) *T { return &v }

// sortCases brings what came from a map into one order.
func sortCases(list []Case) {
	slices.SortFunc(list, func(a, b Case) int { return strings.Compare(a.Name, b.Name) })
}
