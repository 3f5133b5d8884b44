// Package events keeps the last warnings and errors of the log, for those who ask what has gone wrong lately.
//
// A cause of one client has one event, however often it happens: its count, and the details of the last time. A cause has at most causeMost events, so that
// no client, and no number of them, pushes out what others have caused.
//
// # Concurrency
//
// A Log is for any number of goroutines. Its mutex is a leaf, and held for a look at each event that there is.
package events

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of what is kept.
const (
	eventsMost = 256
	causeMost  = 32
	attrsMost  = 12
	textMost   = 256 // bytes of one attribute
)

// Event is something that was worth a warning.
type Event struct {
	FirstNS int64    `json:"first_ns" doc:"when it first happened, of the times that are counted"`
	LastNS  int64    `json:"last_ns" doc:"when it last happened"`
	Level   string   `json:"level" doc:"warning or error"`
	Message string   `json:"message" doc:"what happened"`
	Count   uint64   `json:"count" doc:"how often"`
	Details []Detail `json:"details,omitempty" doc:"of the last time"`
}

// Detail is an attribute of an event.
type Detail struct {
	Key   string `json:"key" doc:"its name"`
	Value string `json:"value" doc:"as text"`
}

// kept is an event that is kept.
type kept struct {
	Event
	client string
	level  slog.Level
}

// Log keeps events. The zero value is ready.
type Log struct {
	mu   sync.Mutex
	list []*kept // the one that happened last at the end
}

// Handler is a slog.Handler that keeps warnings and errors, and passes everything on.
func (l *Log) Handler(inner slog.Handler) slog.Handler { return &handler{log: l, inner: inner} }

// Events are what is kept, the last first.
func (l *Log) Events() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Event, 0, len(l.list))
	for _, k := range slices.Backward(l.list) {
		list = append(list, k.Event)
	}
	return list
}

// keep keeps an event.
func (l *Log) keep(next *kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := 0
	oldest := -1
	for i, k := range l.list {
		if k.Message != next.Message || k.level != next.level {
			continue
		}
		if k.client == next.client {
			next.FirstNS, next.Count = k.FirstNS, k.Count+1
			l.list = append(slices.Delete(l.list, i, i+1), next)
			return
		}
		if same++; oldest < 0 {
			oldest = i
		}
	}
	switch {
	case same >= causeMost:
		l.list = slices.Delete(l.list, oldest, oldest+1)
	case len(l.list) >= eventsMost:
		l.list = slices.Delete(l.list, l.leastNeeded(), l.leastNeeded()+1)
	}
	l.list = append(l.list, next)
}

// leastNeeded is the oldest warning, or the oldest event if there are errors alone.
func (l *Log) leastNeeded() int {
	return max(slices.IndexFunc(l.list, func(k *kept) bool { return k.level < slog.LevelError }), 0)
}

// handler is what the log's lines go through.
type handler struct {
	log   *Log
	inner slog.Handler
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.inner.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{log: h.log, inner: h.inner.WithAttrs(attrs), attrs: append(slices.Clip(h.attrs), attrs...)}
}

// WithGroup implements slog.Handler. Events have no groups.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{log: h.log, inner: h.inner.WithGroup(name), attrs: h.attrs}
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		h.log.keep(h.event(&r))
	}
	if !h.inner.Enabled(ctx, r.Level) {
		return nil
	}
	return h.inner.Handle(ctx, r)
}

// event is a line of the log as an event.
func (h *handler) event(r *slog.Record) *kept {
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	k := &kept{level: slog.LevelWarn, Event: Event{FirstNS: at.UnixNano(), LastNS: at.UnixNano(), Level: "warning", Message: cut(r.Message), Count: 1}}
	if r.Level >= slog.LevelError {
		k.level, k.Level = slog.LevelError, "error"
	}
	for _, a := range h.attrs {
		k.add(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		k.add(a)
		return true
	})
	return k
}

func (k *kept) add(a slog.Attr) {
	if len(k.Details) >= attrsMost || a.Key == "stack" {
		return
	}
	text := cut(a.Value.Resolve().String())
	if a.Key == "client" {
		k.client = text
		if at, err := netip.ParseAddrPort(text); err == nil {
			k.client = at.Addr().String()
		}
	}
	k.Details = append(k.Details, Detail{a.Key, text})
}

// cut bounds a text, and makes it one that JSON can have.
func cut(text string) string { return strings.ToValidUTF8(text[:min(len(text), textMost)], "?") }
