package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/pflag"

	"pmemfs/cmd/pmemfs/internal/lossylog"
)

// logFlags are the options of commands that log.
type logFlags struct {
	level, format string
}

func (f *logFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.level, "log-level", "info", "least severe messages to log: debug, info, warn or error")
	flags.StringVar(&f.format, "log-format", "text", "form of the log on standard error: text or json")
}

// logger returns a logger that writes to w and never makes anybody wait for that; stop writes what is left.
func (f *logFlags) logger(w io.Writer) (log *slog.Logger, stop func(), err error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return nil, nil, fmt.Errorf("--log-level is debug, info, warn or error, not %q", f.level)
	}
	o := &slog.HandlerOptions{Level: level}
	var format func(io.Writer) slog.Handler
	switch f.format {
	case "text":
		format = func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, o) }
	case "json":
		format = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, o) }
	default:
		return nil, nil, fmt.Errorf("--log-format is text or json, not %q", f.format)
	}
	h := lossylog.New(w, format)
	return slog.New(h), h.Close, nil
}
