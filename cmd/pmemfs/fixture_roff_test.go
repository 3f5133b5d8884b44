package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pmemfs/server/config"
)

// roff writes a page of the manual.
type roff struct{ strings.Builder }

// plain returns text as roff has it.
func plain(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "[,", `\:[,`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func (p *roff) line(text string)    { p.WriteString(text + "\n") }
func (p *roff) section(name string) { p.line(".SH " + name) }

// prose writes paragraphs; the lines of each are filled anew.
func (p *roff) prose(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.line(".PP")
		}
		p.line(plain(strings.Join(strings.Fields(paragraph), " ")))
	}
}

// verbatim writes lines as they are.
func (p *roff) verbatim(text string) {
	p.line(".nf")
	p.line(plain(strings.Trim(text, "\n")))
	p.line(".fi")
}

// term writes something and what it is.
func (p *roff) term(what, is string) {
	p.line(".TP")
	p.line(what)
	p.prose(is)
}

// flags writes a section of options, if there are any.
func (p *roff) flags(section string, set *pflag.FlagSet) {
	begun := false
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if !begun {
			begun = true
			p.section(section)
		}
		head := `\fB\-\-` + plain(f.Name) + `\fR`
		if f.Shorthand != "" {
			head = `\fB\-` + plain(f.Shorthand) + `\fR, ` + head
		}
		if f.Value.Type() != "bool" {
			head += ` \fI` + plain(f.Value.Type()) + `\fR`
		}
		p.term(head, usageOf(f))
	})
}

// usageOf is what is said of an option, with its default if it has one.
func usageOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
		return f.Usage
	}
	return fmt.Sprintf("%s (default %s)", f.Usage, f.DefValue)
}

// pageName is the name of a command's page.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// title writes the beginning of a page.
func (p *roff) title(name, section, about string) {
	p.line(`.\" Made by: make reference`)
	p.line(fmt.Sprintf(`.TH %s %s "" "pmemfs" "pmemfs manual"`, strings.ToUpper(plain(name)), section))
	// Long options and addresses tear justified lines apart.
	p.line(".ad l\n.nh")
	p.section("NAME")
	p.line(plain(name) + ` \- ` + plain(about))
}

// manPage is the page of a command.
func manPage(cmd *cobra.Command) string {
	p := &roff{}
	p.title(pageName(cmd), "1", cmd.Short)
	p.section("SYNOPSIS")
	p.line(".B " + plain(cmd.UseLine()))
	p.section("DESCRIPTION")
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	p.prose(about)
	if kids := shownCommands(cmd); len(kids) > 0 {
		p.section("COMMANDS")
		for _, kid := range kids {
			p.term(`\fB`+plain(pageName(kid))+`\fR(1)`, kid.Short)
		}
	}
	p.flags("OPTIONS", cmd.NonInheritedFlags())
	p.flags("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	if cmd.Example != "" {
		p.section("EXAMPLES")
		p.verbatim(cmd.Example)
	}
	p.section("SEE ALSO")
	see := `\fBpmemfs.toml\fR(5)`
	if cmd.HasParent() {
		see = `\fB` + plain(pageName(cmd.Parent())) + `\fR(1), ` + see
	}
	p.line(see)
	return p.String()
}

// aboutTables says what the tables of a configuration are.
var aboutTables = map[string]string{
	config.TableServer: "The whole server. These keys stand above all tables.", config.TableImage: "An image: a table [[image]], or, where there is one image, keys above all tables.",
	config.TableExport: "An export: [[export]], or [[image.export]].", config.TableSnapshots: "A schedule of snapshots: [[snapshots]], or [[image.snapshots]].",
	config.TableKeep: "Which snapshots a schedule keeps: [snapshots.keep], or [image.snapshots.keep].", config.TableQuota: "A quota: [[quota]], or [[image.quota]].",
	config.TableLimits: "What clients of an image may take of the server: [limits], or [image.limits].",
}

// configurationPage is the page of the configuration file.
func configurationPage() string {
	p := &roff{}
	p.title("pmemfs.toml", "5", "configuration of pmemfs serve")
	p.section("DESCRIPTION")
	p.prose("pmemfs serve --config FILE goes by a file in TOML. Options of the command line count more than variables of the environment, and those more " +
		"than the file.\n\nStrings may have ${NAME} for a variable of the environment, and $${ for the two characters. pmemfs config init prints a file in which " +
		"every key is explained, pmemfs config check looks for mistakes, and pmemfs reload applies what can be applied while the server runs.")
	for _, table := range config.Tables() {
		p.section("TABLE " + strings.ToUpper(table))
		p.prose(aboutTables[table])
		for _, k := range config.Keys(table) {
			if k.NoFile {
				continue
			}
			about := strings.ToUpper(k.Doc[:1]) + k.Doc[1:] + "."
			if fallback := k.Fallback(); fallback != "" {
				about += " Default: " + fallback + "."
			}
			if k.Live {
				about += " A reload applies it."
			}
			if k.Option {
				about += fmt.Sprintf(" Option --%s, variable %s.", k.Flag(), k.Variable())
			}
			p.term(fmt.Sprintf(`\fB%s\fR (%s)`, plain(k.InOneImage()), plain(k.Kind.Name())), about)
		}
	}
	p.section("SEE ALSO")
	p.line(`\fBpmemfs\-serve\fR(1), \fBpmemfs\-config\fR(1)`)
	return p.String()
}
