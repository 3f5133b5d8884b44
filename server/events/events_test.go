package events

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pmemfs/pmemfs/safego"
)

func newLog() (*Log, *slog.Logger, *bytes.Buffer) {
	l, text := new(Log), new(bytes.Buffer)
	return l, slog.New(l.Handler(slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelError}))), text
}

// TestKeeps logs, and looks at what is kept.
func TestKeeps(t *testing.T) {
	l, log, text := newLog()
	log.Info("nothing")
	log.With("client", "10.0.0.1:77").Warn("mount refused", "path", "/a")
	log.Warn("mount refused", "client", "10.0.0.1:78", "path", "/b\xff"+strings.Repeat("x", 1000))
	log.Warn("mount refused", "client", "10.0.0.2:78")
	log.WithGroup("g").Error("broken", "error", errors.New("no more"), "stack", "long")
	list := l.Events()
	if len(list) != 3 || list[0].Message != "broken" || list[0].Level != "error" || list[0].Details[0] != (Detail{"error", "no more"}) || len(list[0].Details) != 1 {
		t.Fatalf("%+v", list)
	}
	first := list[2]
	if first.Count != 2 || first.Level != "warning" || first.FirstNS > first.LastNS || first.Details[0].Value != "10.0.0.1:78" {
		t.Errorf("%+v", first)
	}
	if path := first.Details[1].Value; !strings.HasPrefix(path, "/b?xx") || len(path) > textMost {
		t.Errorf("the path is %q", path)
	}
	if got := text.String(); strings.Contains(got, "refused") || !strings.Contains(got, "broken") {
		t.Errorf("passed on: %s", got)
	}
}

// TestFlood has many clients cause much, from many goroutines: what happened once is kept.
func TestFlood(t *testing.T) {
	l, log, _ := newLog()
	log.Error("the filesystem is read-only from now on", "error", "bad memory")
	var wg safego.Group
	for g := range 4 {
		wg.Go("client", func() {
			for i := range 500 {
				log.Warn("mount refused", "client", fmt.Sprintf("10.%d.%d.%d:1", g, i>>8, i&255))
				log.Warn(fmt.Sprint("cause ", g, " ", i))
				l.Events()
			}
		})
	}
	wg.Wait()
	list := l.Events()
	refused := 0
	for _, e := range list {
		if e.Message == "mount refused" {
			refused++
		}
	}
	if len(list) != eventsMost || refused > causeMost || list[len(list)-1].Level != "error" {
		t.Errorf("%d events, %d of one cause, the oldest %+v", len(list), refused, list[len(list)-1])
	}
}
