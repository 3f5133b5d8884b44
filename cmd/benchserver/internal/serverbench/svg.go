package serverbench

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
)

// Sizes of the plot, in pixels. A panel is a number of connections and a depth; panels stand beside each other by depth and
// below each other by connections.
const (
	plotLeft    = 104 // names of operations
	plotTop     = 66
	panelWidth  = 250
	panelGap    = 22
	panelHead   = 26
	barHeight   = 6
	groupGap    = 7
	panelsGap   = 30
	ratioMax    = 1.25 // what is more is cut, with its number beside it
	legendWidth = 130
)

// plotStyle has colours for both light and dark surroundings.
const plotStyle = `
text { font: 11px system-ui, sans-serif; fill: #24292f }
.title { font-size: 14px; font-weight: 600 }
.back { fill: #ffffff } .grid { stroke: #d0d7de } .floor { stroke: #57606a } .small { font-size: 9px; fill: #57606a }
.s0 { fill: #0a66c2 } .s1 { fill: #b35900 } .s2 { fill: #2e8540 } .s3 { fill: #8250df }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.back { fill: #0d1117 } .grid { stroke: #30363d } .floor { stroke: #9aa4ae } .small { fill: #9aa4ae }
.s0 { fill: #58a6ff } .s1 { fill: #f0883e } .s2 { fill: #56d364 } .s3 { fill: #bc8cff }
}
`

// plot builds the drawing.
type plot struct {
	bytes.Buffer
	report *Report
	names  []string // of the servers
}

// SVG draws the table: for each operation a bar per server, as long as its ratio to the echo.
func (r *Report) SVG() []byte {
	p := &plot{report: r, names: r.present()}
	var conns, depths []int
	for _, c := range r.Cells {
		if !slices.Contains(conns, c.Connections) {
			conns = append(conns, c.Connections)
		}
		if !slices.Contains(depths, c.Asked) {
			depths = append(depths, c.Asked)
		}
	}
	height := plotTop
	for _, n := range conns {
		height += p.panelHeight(n) + panelsGap
	}
	width := max(plotLeft+len(depths)*(panelWidth+panelGap), plotLeft+len(p.names)*legendWidth, 640)
	fmt.Fprintf(p, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">`, width, height)
	fmt.Fprintf(p, "\n<style>%s</style>\n<rect class=\"back\" width=\"%d\" height=\"%d\"/>\n", plotStyle, width, height)
	p.text(12, 22, "title", "start", "Operations per second, as a ratio to an echo of the same message sizes")
	p.text(12, 38, "small", "start", fmt.Sprintf("%s, %d cores, Linux %s, loopback; medians of %d rounds; outstanding calls are per connection",
		r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Rounds))
	for i, name := range p.names {
		x := 12 + i*legendWidth
		fmt.Fprintf(p, `<rect class="s%d" x="%d" y="46" width="10" height="10"/>`+"\n", p.colour(name), x)
		p.text(x+15, 55, "", "start", name)
	}
	y := plotTop
	for _, n := range conns {
		for j, depth := range depths {
			p.panel(n, depth, plotLeft+j*(panelWidth+panelGap), y, j == 0)
		}
		y += p.panelHeight(n) + panelsGap
	}
	p.WriteString("</svg>\n")
	return p.Bytes()
}

// text writes a line of text; anchor is start, middle or end.
func (p *plot) text(x, y int, class, anchor, s string) {
	var escaped bytes.Buffer
	// Writing to a buffer does not fail.
	_ = xml.EscapeText(&escaped, []byte(s))
	fmt.Fprintf(p, `<text x="%d" y="%d" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, &escaped)
}

func (p *plot) groupHeight() int { return len(p.names)*barHeight + groupGap }

// rowsOn are the operations that were measured with so many connections.
func (p *plot) rowsOn(conns int) []string {
	var names []string
	for _, c := range p.report.Cells {
		if c.Connections == conns && !slices.Contains(names, c.Row) {
			names = append(names, c.Row)
		}
	}
	return names
}

func (p *plot) panelHeight(conns int) int { return panelHead + len(p.rowsOn(conns))*p.groupHeight() }

// panel draws all operations with so many connections at one depth.
func (p *plot) panel(conns, depth, x, y int, first bool) {
	p.text(x, y+12, "", "start", fmt.Sprintf("%s, %d outstanding", count(conns, "connection"), depth))
	bottom := y + p.panelHeight(conns)
	for tenths := 0; tenths <= 10; tenths += 2 {
		class, at := "grid", x+tenths*panelWidth*10/int(ratioMax*100)
		if tenths == 10 {
			class = "floor" // the echo itself
		}
		fmt.Fprintf(p, `<line class="%s" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", class, at, y+panelHead-4, at, bottom)
		p.text(at, bottom+10, "small", "middle", fmt.Sprintf("%.1f", float64(tenths)/10))
	}
	for i, row := range p.rowsOn(conns) {
		top := y + panelHead + i*p.groupHeight()
		if first {
			p.text(x-8, top+p.groupHeight()/2+1, "", "end", row)
		}
		at := slices.IndexFunc(p.report.Cells, func(c Cell) bool {
			return c.Row == row && c.Connections == conns && c.Asked == depth
		})
		if at < 0 {
			p.text(x+4, top+p.groupHeight()/2, "small", "start", "as many outstanding as to the left")
			continue
		}
		p.bars(&p.report.Cells[at], x, top)
	}
}

// bars draws the servers' bars of one cell.
func (p *plot) bars(c *Cell, x, y int) {
	for i, name := range p.names {
		top := y + i*barHeight
		at := slices.IndexFunc(c.Servers, func(e Entry) bool { return e.Server == name })
		if at < 0 || c.Servers[at].Failed != "" {
			p.text(x+4, top+barHeight, "small", "start", "failed")
			continue
		}
		e := &c.Servers[at]
		length := min(e.Ratio, ratioMax) / ratioMax * panelWidth
		fmt.Fprintf(p, `<rect class="s%d" x="%d" y="%d" width="%.1f" height="%d"><title>%s %s: %.0f/s, %.3f of the echo</title></rect>`+"\n",
			p.colour(name), x, top, max(length, 1), barHeight-1, name, c.Row, e.OpsPerSec, e.Ratio)
		if e.Ratio > ratioMax {
			p.text(x+panelWidth+2, top+barHeight, "small", "start", fmt.Sprintf("%.1f", e.Ratio))
		}
	}
}

// colour is a server's number in plotStyle, the same in all plots.
func (p *plot) colour(name string) int { return slices.Index(Targets(p.report.Protocol), name) }

// count is a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
