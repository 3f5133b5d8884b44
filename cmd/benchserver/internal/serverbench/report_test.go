package serverbench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestReport prints and draws a small report in which one server failed and one is absent.
func TestReport(t *testing.T) {
	r := Report{
		Machine: Machine{CPU: "A <fast> & cheap one"},
		Servers: []Server{{Name: "native", Version: "1"}, {Name: "go-nfs", Version: "1"}, {Name: "ganesha-mem", Absent: "no such file"}, {Name: EchoPlain}},
		Cells: []Cell{
			{Row: "GETATTR", Connections: 1, Depth: 1, Asked: 1, Servers: []Entry{
				{Server: "native", Ratio: 0.93}, {Server: "go-nfs", Failed: "status 5"}}},
			{Row: "READ-1M", Connections: 4, Depth: 16, Asked: 128, Servers: []Entry{
				{Server: "native", Ratio: 1.6}, {Server: "go-nfs", Ratio: 0.1}}},
		},
	}
	var text bytes.Buffer
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ganesha-mem: ABSENT: no such file", "GETATTR on go-nfs: status 5", "0.930", "READ-1M"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &text)
		}
	}
	if !strings.Contains(text.String(), "  -  ") {
		t.Errorf("a lead without a counterpart is no dash:\n%s", &text)
	}
	text.Reset()
	if err := r.Markdown(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Absent: ganesha-mem.", "| GETATTR | 1 | 1 | 0 | 0.93 | failed | - |", "| operation | connections | outstanding | echo op/s | native | go-nfs | lead |"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the document lacks %q:\n%s", want, &text)
		}
	}
	svg := r.SVG()
	for _, want := range []string{"prefers-color-scheme", "4 connections, 128 outstanding", "GETATTR", "failed", "1.6"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("the plot lacks %q", want)
		}
	}
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the plot is not XML: %v\n%s", err, svg)
		}
	}
}

// TestMedian takes the middle one, or the middle of two.
func TestMedian(t *testing.T) {
	for _, k := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 100}, 3}} {
		if got := median(k.values); got != k.want {
			t.Errorf("median of %v is %v, want %v", k.values, got, k.want)
		}
	}
}

// TestFill refuses what makes no sense.
func TestFill(t *testing.T) {
	for _, protocol := range append(Protocols, "") {
		good := Options{Protocol: protocol, Rounds: 1, Cell: time.Second}
		if err := good.Fill(); err != nil || len(good.Rows) != len(rowInfos[good.Protocol]) || len(good.Rows) < 7 || len(good.Conns) != 3 {
			t.Errorf("the defaults: %v, %+v", err, good)
		}
	}
	for _, change := range []func(*Options){
		func(o *Options) { o.Protocol = "smb" },
		func(o *Options) { o.Rows = []string{"MKNOD"} },
		func(o *Options) { o.Protocol, o.Rows = ProtocolNineP, []string{"READDIRPLUS"} },
		func(o *Options) { o.Targets = []string{TargetDiod} },
		func(o *Options) { o.Targets = []string{"other"} },
		func(o *Options) { o.Depths = []int{0} },
		func(o *Options) { o.Conns = []int{1 << 20} },
		func(o *Options) { o.Rounds = 0 },
		func(o *Options) { o.Cell = 0 },
		func(o *Options) { o.Idle = -1 },
		func(o *Options) { o.Base = "/nonexistent" },
		func(o *Options) { o.Pmemfs = "/dev/null" },
	} {
		o := Options{Rounds: 1, Cell: time.Second}
		change(&o)
		if err := o.Fill(); err == nil {
			t.Errorf("accepted: %+v", o)
		}
	}
	if got := (rowInfo{bytes: 1 << 20}).cut(4, 128); got != 16 {
		t.Errorf("128 outstanding of 1 MiB on 4 connections are cut to %d, want 16", got)
	}
}

// TestMedians takes medians of ratios within rounds, not ratios of medians.
func TestMedians(t *testing.T) {
	c := Cell{
		Echo: Figure{Rounds: []float64{100, 200, 400}},
		Servers: []Entry{
			{Server: TargetNative, Figure: Figure{Rounds: []float64{90, 160, 380}}},
			{Server: TargetGoNFS, Figure: Figure{Rounds: []float64{10, 20, 40}}},
			{Server: TargetMem, Figure: Figure{Rounds: []float64{30, 16}}}, // failed in the third round
		},
	}
	c.takeMedians()
	if n := c.Servers[0]; n.Ratio != 0.9 || n.OpsPerSec != 160 {
		t.Errorf("native: %+v", n)
	}
	if c.Lead != 8 { // of 3, 8 and 9.5
		t.Errorf("the lead is %v, want 8", c.Lead)
	}
}
