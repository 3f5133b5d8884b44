package serverbench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bench is one run.
type bench struct {
	Options
	report  *Report
	targets []*target
	echoes  map[string]*process
	// templates are what the echo answers, by row.
	templates map[string][]byte
	// reference is the target whose calls and replies the echo gets.
	reference *target
}

// Run measures as options say, which Fill has vetted. What it starts is stopped and what it makes is removed when it
// returns. One run at a time.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	if o.Enclosed {
		if err := furnish(); err != nil {
			return nil, err
		}
	}
	if err := allowFiles(max(o.Idle, connsMax)); err != nil {
		return nil, err
	}
	above, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(above, "pmemfs-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{Options: o, echoes: make(map[string]*process), templates: make(map[string][]byte)}
	b.report = &Report{Protocol: o.Protocol, Machine: machine(), Rounds: o.Rounds, CellMs: o.Cell.Milliseconds()}
	defer func() { err = errors.Join(err, b.stop()) }()
	if err := b.start(ctx, dir); err != nil {
		return nil, err
	}
	if o.Idle > 0 {
		b.report.Rounds, b.report.CellMs = 0, 0
		return b.report, b.idle(ctx)
	}
	if err := b.measure(ctx); err != nil {
		return nil, err
	}
	return b.report, nil
}

// start starts all targets, notes which cannot be, and the echoes.
func (b *bench) start(ctx context.Context, dir string) error {
	for _, name := range b.Targets {
		if err := stopped(ctx); err != nil {
			return err
		}
		b.Progress("starting " + name)
		t, err := starter(b.Protocol, name)(&b.Options, dir)
		if err != nil {
			b.report.Servers = append(b.report.Servers, Server{Name: name, Absent: strings.ReplaceAll(err.Error(), "\n", "; ")})
			continue
		}
		t.failed = make(map[string]string)
		b.targets = append(b.targets, t)
		b.report.Servers = append(b.report.Servers, Server{Name: name, Version: t.version})
	}
	if err := stopped(ctx); err != nil {
		return err
	}
	if len(b.targets) == 0 {
		return fmt.Errorf("none of the servers can be measured: %s", b.report.Servers[0].Absent)
	}
	b.reference = b.targets[0]
	for _, form := range []string{EchoPlain, EchoBatched} {
		p, err := startEcho(b.Protocol, form)
		if err != nil {
			return err
		}
		b.echoes[form] = p
		b.report.Servers = append(b.report.Servers, Server{Name: form, Version: "this program"})
	}
	return nil
}

func (b *bench) stop() error {
	var errs []error
	for _, t := range b.targets {
		errs = append(errs, t.stop())
	}
	for _, p := range b.echoes {
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}

// measure warms every row up and then loads all cells, round after round.
func (b *bench) measure(ctx context.Context) error {
	b.cells()
	for _, name := range b.Rows {
		if err := stopped(ctx); err != nil {
			return err
		}
		if err := b.warm(rowOf(b.Protocol, name)); err != nil {
			return err
		}
	}
	for round := range b.Rounds {
		for i := range b.report.Cells {
			c := &b.report.Cells[i]
			if err := stopped(ctx); err != nil {
				return err
			}
			b.Progress(fmt.Sprintf("round %d of %d: %s, %d connections, %d outstanding", round+1, b.Rounds, c.Row, c.Connections, c.Depth))
			if err := b.round(c); err != nil {
				return err
			}
		}
	}
	for i := range b.report.Cells {
		b.report.Cells[i].takeMedians()
	}
	return nil
}

// cells lists what is to be measured. A depth that is cut to one that is there already is left out.
func (b *bench) cells() {
	for _, name := range b.Rows {
		r := rowOf(b.Protocol, name)
		for _, conns := range b.Conns {
			seen := make(map[int]bool)
			for _, asked := range b.Depths {
				depth := r.cut(conns, asked)
				if seen[depth] {
					continue
				}
				seen[depth] = true
				c := Cell{Row: name, Connections: conns, Depth: depth, Asked: asked, Pinned: b.pinned(conns), Echo: Figure{Server: EchoBatched}}
				if depth == 1 {
					c.Echo.Server = EchoPlain
				}
				for _, t := range b.targets {
					c.Servers = append(c.Servers, Entry{Server: t.name, Figure: Figure{Rounds: []float64{}}})
				}
				b.report.Cells = append(b.report.Cells, c)
			}
		}
	}
}

// warm tries a row on every target, and learns from the reference what the echo has to answer.
func (b *bench) warm(r *row) error {
	b.Progress("trying " + r.name)
	for _, t := range b.targets {
		s, err := t.load(r, 1, 1, 20*time.Millisecond, b.pinned(1))
		if err != nil {
			t.failed[r.name] = strings.ReplaceAll(err.Error(), "\n", "; ")
		} else if b.templates[r.name] == nil {
			b.templates[r.name] = templatesOf(r.wire, &s)
			b.reference = t
		}
	}
	if b.templates[r.name] == nil {
		return fmt.Errorf("%s works nowhere: %s", r.name, b.targets[0].failed[r.name])
	}
	return nil
}

// round loads one cell on the echo and then on every target.
func (b *bench) round(c *Cell) error {
	r := rowOf(b.Protocol, c.Row)
	ref := b.reference.of(r)
	if err := r.need(ref.site, c.Connections, c.Depth); err != nil {
		return fmt.Errorf("%s on %s: %w", r.name, b.reference.name, err)
	}
	e := b.echoes[c.Echo.Server]
	l := load{
		addr: e.addr, row: r, from: ref.site, conns: c.Connections, depth: c.Depth, duration: b.Cell,
		templates: b.templates[r.name], pid: e.pid(), pinned: c.Pinned,
	}
	s, _, err := l.run()
	if err != nil {
		return fmt.Errorf("%s on the echo: %w", r.name, err)
	}
	c.Echo.add(s)
	for i, t := range b.targets {
		if t.failed[r.name] != "" {
			continue
		}
		s, err := t.load(r, c.Connections, c.Depth, b.Cell, c.Pinned)
		if err != nil {
			t.failed[r.name] = strings.ReplaceAll(err.Error(), "\n", "; ")
			continue
		}
		c.Servers[i].add(s)
	}
	for i, t := range b.targets {
		c.Servers[i].Failed = t.failed[r.name]
	}
	return nil
}

// stopped is the error of a run that was cancelled.
func stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.New("stopped before the end")
	}
	return nil
}

func machine() Machine {
	m := Machine{CPU: "unknown processor", Cores: runtime.NumCPU(), Go: runtime.Version(), Kernel: "unknown"}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel, _, _ = strings.Cut(unix.ByteSliceToString(u.Release[:]), "-") // what follows is whose build it is
	}
	// Only a label: where it is missing the figures are as good.
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := bytes.Cut(info, []byte("model name\t: ")); ok {
			line, _, _ := bytes.Cut(rest, []byte("\n"))
			m.CPU = string(line)
		}
	}
	return m
}
