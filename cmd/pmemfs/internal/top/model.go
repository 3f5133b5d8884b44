package top

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
)

// Source reads what a server tells.
type Source func(ctx context.Context) (*Reading, error)

// column is a column of every view.
type column struct {
	name  string
	value func(r *Row) float64
	write func(v float64) string
}

var columns = []column{
	{"calls/s", func(r *Row) float64 { return r.Calls }, Count},
	{"errors/s", func(r *Row) float64 { return r.Errors }, Count},
	{"in/s", func(r *Row) float64 { return r.In }, Bytes},
	{"out/s", func(r *Row) float64 { return r.Out }, Bytes},
	{"mean", func(r *Row) float64 { return r.Mean }, Seconds},
	{"p50", func(r *Row) float64 { return r.P50 }, Seconds},
	{"p99", func(r *Row) float64 { return r.P99 }, Seconds},
}

// views are what rows are about, by the key that leads there.
var views = []struct {
	key, name string
	rows      func(f *Frame) []Row
}{
	{"p", "procedures", func(f *Frame) []Row { return f.Procedures }},
	{"e", "exports", func(f *Frame) []Row { return f.Exports }},
	{"c", "clients", func(f *Frame) []Row { return f.Clients }},
}

// Model is the terminal program.
type Model struct {
	ctx    context.Context
	source Source
	every  time.Duration

	before *Reading
	frame  *Frame // nil before the second reading
	err    error  // why there is no newer one
	view   int
	sort   int // a column
	width  int
	height int
}

// New returns a program that reads a source every so often, and stops asking when ctx ends.
func New(ctx context.Context, source Source, every time.Duration) *Model {
	return &Model{ctx: ctx, source: source, every: every, width: 80, height: 24}
}

// read is the message of a reading.
type read struct {
	reading *Reading
	err     error
}

// due is the message that the next reading is due.
type due struct{}

// Init asks for the first reading.
func (m *Model) Init() tea.Cmd { return m.ask }

func (m *Model) ask() tea.Msg {
	r, err := m.source(m.ctx)
	return read{r, err}
}

// Update takes a key, a reading or a new size.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case due:
		return m, m.ask
	case read:
		m.take(msg)
		return m, tea.Tick(m.every, func(time.Time) tea.Msg { return due{} })
	case tea.KeyMsg:
		return m, m.press(msg.String())
	}
	return m, nil
}

func (m *Model) take(r read) {
	if m.err = r.err; r.err != nil {
		return
	}
	if m.before != nil {
		f := Between(m.before, r.reading)
		m.frame = &f
	}
	m.before = r.reading
}

// press does what a key is for.
func (m *Model) press(key string) tea.Cmd {
	switch key {
	case "q", "ctrl+c", "esc":
		return tea.Quit
	case "right", "l", ">":
		m.sort = (m.sort + 1) % len(columns)
	case "left", "h", "<":
		m.sort = (m.sort + len(columns) - 1) % len(columns)
	case "tab":
		m.view = (m.view + 1) % len(views)
	}
	for i := range views {
		if views[i].key == key {
			m.view = i
		}
	}
	return nil
}

// nameWidth is how wide the first column is, in characters, and cellWidth the others.
const (
	nameWidth = 24
	cellWidth = 11
)

// View is the screen.
func (m *Model) View() string {
	var b strings.Builder
	line := func(format string, args ...any) {
		text := []rune(fmt.Sprintf(format, args...))
		b.WriteString(string(text[:min(len(text), max(m.width, 1))]))
		b.WriteByte('\n')
	}
	switch {
	case m.err != nil:
		line("the server does not answer: %v", m.err)
	case m.frame == nil:
		line("reading")
	default:
		f := m.frame
		line("%s: %s calls/s, %s errors/s, %s/s in, %s/s out, p99 %s", f.State, Count(f.Total.Calls), Count(f.Total.Errors), Bytes(f.Total.In), Bytes(f.Total.Out), Seconds(f.Total.P99))
		line("%s changes/s, %s fences/s", Count(f.Changes), Count(f.Fences))
	}
	line("%s", keys)
	line("")
	if m.frame != nil {
		m.table(line)
	}
	return b.String()
}

const keys = "p procedures  e exports  c clients  < > sort  q quit"

// table shows the rows of the view, the highest of the column first, as many as there is room for.
func (m *Model) table(line func(string, ...any)) {
	head := fmt.Sprintf("%-*s", nameWidth, views[m.view].name)
	for i, c := range columns {
		name := c.name
		if i == m.sort {
			name += "*"
		}
		head += fmt.Sprintf("%*s", cellWidth, name)
	}
	line("%s", head)
	rows := slices.Clone(views[m.view].rows(m.frame))
	value := columns[m.sort].value
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(value(&b), value(&a)) })
	const above = 6 // lines
	for i := range rows[:min(len(rows), max(m.height-above, 1))] {
		text := fmt.Sprintf("%-*.*s", nameWidth, nameWidth-1, plain(rows[i].Name))
		for _, c := range columns {
			text += fmt.Sprintf("%*s", cellWidth, c.write(c.value(&rows[i])))
		}
		line("%s", text)
	}
}

// plain leaves out what a terminal would take for a command.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
