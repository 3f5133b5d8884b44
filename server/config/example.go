package config

import (
	"strconv"
	"strings"
)

// Example is a file that explains every key of the list. All keys are commented out, so it says nothing; a line that begins with # and no space is a
// key that can be had by taking the # away. several is whether it is one of several images.
func Example(several bool) string {
	w := &exampleWriter{}
	w.prose("Configuration of pmemfs serve: pmemfs serve --config FILE.")
	w.prose("Lines that begin with # and a space explain. Take the # of the others away to say what they say; else the default counts, which they have, " +
		"or the explanation. pmemfs config check FILE looks for mistakes.")
	w.prose("Strings may have ${NAME} for a variable of the environment, and $${ for the two characters.")
	w.line("")
	w.prose("The whole server.")
	w.keys(TableServer)
	prefix := ""
	if several {
		w.line("")
		w.prose("One of several images: repeat it, and its tables, for each. Exports of all images have different names.")
		w.line("#[[image]]")
		prefix = "image."
		w.several = true
	} else {
		w.line("")
		w.prose("The image.")
	}
	w.keys(TableImage)
	if len(Keys(TableLimits)) > 0 {
		w.table(prefix, TableLimits, "What clients of the image may take of the server.", false)
	}
	w.table(prefix, TableExport, "An export. Repeat it for more. Without any, the whole filesystem is exported as /.", true)
	w.table(prefix, TableSnapshots, "A schedule of snapshots. Repeat it for more.", true)
	w.table(prefix, TableSnapshots+"."+TableKeep, "Which snapshots to keep: at least one of these rules.", false)
	w.table(prefix, TableQuota, "A quota of a user.", true, "group", "path")
	w.table(prefix, TableQuota, "A quota of a group.", true, "user", "path", "soft_bytes", "files", "soft_files")
	w.table(prefix, TableQuota, "A quota of a directory and all below it.", true, "user", "group", "soft_bytes", "files", "soft_files")
	return w.text.String()
}

// exampleWriter writes an example.
type exampleWriter struct {
	text    strings.Builder
	several bool
}

func (w *exampleWriter) line(text string) {
	w.text.WriteString(text)
	w.text.WriteByte('\n')
}

// columns is how long a line of prose is at most.
const columns = 100

// prose writes a comment.
func (w *exampleWriter) prose(text string) {
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > columns {
			w.line(line)
			line = "#"
		}
		line += " " + word
	}
	w.line(line)
}

// table writes a table.
func (w *exampleWriter) table(prefix, name, about string, repeated bool, without ...string) {
	w.line("")
	w.prose(about)
	head := "[" + prefix + name + "]"
	if repeated {
		head = "[" + head + "]"
	}
	w.line("#" + head)
	w.keys(name[strings.LastIndexByte(name, '.')+1:], without...)
}

// keys writes the keys of a table.
func (w *exampleWriter) keys(table string, without ...string) {
	for _, k := range Keys(table) {
		if k.NoFile || isOneOf(k.Name, without) {
			continue
		}
		name := k.Name
		if !w.several {
			name = k.InOneImage()
		}
		about := strings.ToUpper(k.Doc[:1]) + k.Doc[1:]
		if k.Absent != "" {
			about += " (default: " + k.Absent + ")"
		}
		w.prose(about + ".")
		w.line("#" + name + " = " + k.Literal())
	}
}

// Literal is a value as a file has it: the default, or an example.
func (k *Key) Literal() string {
	switch {
	case k.Example != "":
		return k.Example
	case k.Kind.shape == aText:
		return strconv.Quote(k.Default)
	}
	return k.Default
}
