package top

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

func key(name string) tea.KeyMsg {
	switch name {
	case "tab":
		return tea.KeyMsg{Type: tea.KeyTab}
	case "right":
		return tea.KeyMsg{Type: tea.KeyRight}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(name)}
}

// TestModel presses keys and takes readings: the view and its order follow, the screen is never wider or higher than it is, and an error is
// said while what was read stays.
func TestModel(t *testing.T) {
	readings := []*Reading{reading(0, 1, 100, 1000, 50), reading(2, 1, 120, 3000, 70)}
	m := New(context.Background(), func(context.Context) (*Reading, error) {
		if len(readings) == 0 {
			return nil, errors.New("connection refused")
		}
		r := readings[0]
		readings = readings[1:]
		return r, nil
	}, time.Hour)
	if v := m.View(); !strings.HasPrefix(v, "reading") {
		t.Errorf("before a reading: %q", v)
	}
	m.Update(m.Init()())
	m.Update(m.ask())
	if v := m.View(); !strings.Contains(v, "procedures") || strings.Index(v, "nfs3 LOOKUP") > strings.Index(v, "nfs3 CREATE") {
		t.Errorf("by calls:\n%s", v)
	}
	m.Update(key("right")) // errors
	if v := m.View(); !strings.Contains(v, "errors/s*") || strings.Index(v, "nfs3 CREATE") > strings.Index(v, "nfs3 LOOKUP") {
		t.Errorf("by errors:\n%s", v)
	}
	m.Update(key("c"))
	if v := m.View(); !strings.Contains(v, "10.0.0.1") {
		t.Errorf("clients:\n%s", v)
	}
	m.Update(key("tab"))
	if v := m.View(); !strings.Contains(v, "\nprocedures") {
		t.Errorf("after the last view comes the first:\n%s", v)
	}
	m.Update(tea.WindowSizeMsg{Width: 30, Height: 8})
	lines := strings.Split(strings.TrimSuffix(m.View(), "\n"), "\n")
	for _, l := range lines {
		if len([]rune(l)) > 30 {
			t.Errorf("wider than the screen: %q", l)
		}
	}
	if len(lines) > 8 {
		t.Errorf("%d lines on a screen of 8", len(lines))
	}
	m.Update(m.ask())
	if v := m.View(); !strings.Contains(v, "does not answer: co") || !strings.Contains(v, "nfs3") {
		t.Errorf("after an error:\n%s", v)
	}
	if _, cmd := m.Update(key("q")); cmd == nil || cmd() != tea.Quit() {
		t.Error("q does not end it")
	}
}

// TestPlain shows no command of a terminal that a client or an operator has chosen as a name.
func TestPlain(t *testing.T) {
	if got := plain("a\x1b[2Jb\u009bc"); got != "a?[2Jb?c" {
		t.Errorf("%q", got)
	}
}
