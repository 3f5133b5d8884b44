package main

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"pmemfs/cmd/pmemfs/internal/lossylog"
	"pmemfs/server/config"
)

// serverLog is a log that never makes anybody wait, and whose level and form can change.
type serverLog struct {
	*slog.Logger
	level  slog.LevelVar
	asJSON atomic.Bool
	h      *lossylog.Handler
}

// newServerLog returns a log that writes to w as settings say.
func newServerLog(w io.Writer, s config.Settings) *serverLog {
	l := &serverLog{}
	l.set(s)
	l.h = lossylog.New(w, func(w io.Writer) slog.Handler {
		o := &slog.HandlerOptions{Level: &l.level}
		return &eitherHandler{slog.NewTextHandler(w, o), slog.NewJSONHandler(w, o), &l.asJSON}
	})
	l.Logger = slog.New(l.h)
	return l
}

// set changes the level and the form.
func (l *serverLog) set(s config.Settings) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(config.Get[string](s, "log_level"))); err == nil { // else nobody says one
		l.level.Set(level)
	}
	l.asJSON.Store(config.Get[string](s, "log_format") == "json")
}

// close writes what is left.
func (l *serverLog) close() { l.h.Close() }

// eitherHandler writes in one of two forms.
type eitherHandler struct {
	text, json slog.Handler
	asJSON     *atomic.Bool
}

func (h *eitherHandler) now() slog.Handler {
	if h.asJSON.Load() {
		return h.json
	}
	return h.text
}

// Enabled reports whether a level is logged.
func (h *eitherHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.text.Enabled(ctx, level)
}

// Handle writes a line.
func (h *eitherHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.now().Handle(ctx, r)
}

// WithAttrs returns a handler that adds attributes.
func (h *eitherHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &eitherHandler{h.text.WithAttrs(attrs), h.json.WithAttrs(attrs), h.asJSON}
}

// WithGroup returns a handler that puts attributes in a group.
func (h *eitherHandler) WithGroup(name string) slog.Handler {
	return &eitherHandler{h.text.WithGroup(name), h.json.WithGroup(name), h.asJSON}
}
