package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"pmemfs/integration/conformance"
	"pmemfs/integration/conformance/engine"
	"pmemfs/pmemfs"
)

func init() {
	verbs["agree"] = verb{"agree DIR SEED CALLS: makes random calls in a directory and on an engine in memory, which must agree", 3, agree}
}

// agree makes the same random calls in a directory of this kernel and on an engine. All must succeed or fail alike, with the
// same results; where several errors are true, each may name its own. At the end both must hold the same tree.
func agree(args []string) error {
	seed, err := number(args[1])
	if err != nil {
		return err
	}
	calls, err := number(args[2])
	if err != nil {
		return err
	}
	syscall.Umask(0)
	eng, err := pmemfs.OpenMemory(64<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		return err
	}
	return errors.Join(agreeWith(engine.New(eng), osFS{base: args[0]}, uint64(seed), calls), eng.Close())
}

func agreeWith(eng, dir conformance.FS, seed uint64, calls int) error {
	for _, fs := range []conformance.FS{eng, dir} {
		if err := fs.Setattr(".", conformance.Set{Mode: new(uint32(0o777))}); err != nil {
			return err
		}
	}
	g := conformance.NewCalls(seed, true)
	succeeded, differed := 0, 0
	for i := range calls {
		what, call := g.Next()
		want, got := call(eng), call(dir)
		switch {
		case conformance.IsError(want) != conformance.IsError(got), !conformance.IsError(want) && want != got:
			return fmt.Errorf("call %d, %s: the directory says %.300s, the engine %.300s", i, what, got, want)
		case want != got:
			differed++
		case !conformance.IsError(want):
			succeeded++
		}
	}
	want, err := g.Tree(eng, ".")
	if err != nil {
		return err
	}
	got, err := g.Tree(dir, ".")
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the directory ends as\n%s\nthe engine as\n%s", got, want)
	}
	fmt.Printf("agree: %d calls, %d of them succeeded, %d failed with another error; %d files at the end\n", calls, succeeded, differed,
		strings.Count(want, "\n"))
	return nil
}
