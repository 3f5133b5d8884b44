package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pmemfs/server/export"
)

// Kind is what the values of a key are.
type Kind struct {
	name    string // in help
	shape   shape  // in a file
	parse   func(text string) (any, error)
	values  []string // all that there are, if there are few
	pattern string   // of a text, in a JSON schema; "" for any that is not empty
	least   int64    // of a number
	most    int64    // of a number; 0 for no bound
	isPath  bool     // in a file a relative one counts from the file's folder
	words   []string // that are no paths
}

// Name is what help calls a value.
func (k *Kind) Name() string { return k.name }

// The kinds.
var (
	kindBool     = &Kind{name: "bool", shape: aBool, parse: parseBool}
	kindText     = &Kind{name: "text", shape: aText, parse: parseText}
	kindPath     = &Kind{name: "path", shape: aText, parse: parseText, isPath: true}
	kindControl  = &Kind{name: "path", shape: aText, parse: parseText, isPath: true, words: []string{NoControl}}
	kindLog      = &Kind{name: "path", shape: aText, parse: parseText, isPath: true, words: []string{Stdout}}
	kindPart     = &Kind{name: "part", shape: aNumber, parse: parsePart}
	kindNineP    = &Kind{name: "address", shape: aText, parse: parseNineP, pattern: `^(unix:.+|.*:[0-9A-Za-z-]+)$`}
	kindAdmin    = &Kind{name: "address", shape: aText, parse: parseAdmin, pattern: `^(off|.*:[0-9A-Za-z-]+)$`}
	kindHost     = &Kind{name: "name", shape: aText, parse: parseHost, pattern: hostPattern}
	kindURL      = &Kind{name: "URL", shape: aText, parse: parseURL, pattern: `^https?://.+$`}
	kindSize     = &Kind{name: "size", shape: aText, parse: parseSizeValue, pattern: sizePattern}
	kindMemory   = &Kind{name: "size", shape: aText, parse: parseMemory, pattern: sizePattern}
	kindLimit    = &Kind{name: "size", shape: aText, parse: parseLimit, pattern: `^ *[0-9]+ *([KMGTPE]i?[Bb]?|[Bb])? *$`}
	kindDuration = durationKind(0, 0)
	kindNetwork  = &Kind{name: "network", shape: aText, parse: parseNetwork, pattern: `^[0-9A-Fa-f.:]+(/[0-9]+)?$`}
	kindInside   = &Kind{name: "path", shape: aText, parse: parseInside, pattern: `^/$|^(/[^/]+)+$`}
	kindOwner    = &Kind{name: "UID:GID", shape: aText, parse: parseOwner, pattern: `^[0-9]+:[0-9]+$`}
	kindMode     = &Kind{name: "mode", shape: aText, parse: parseMode, pattern: `^[0-7]{1,5}$`}
	kindUser     = &Kind{name: "user", shape: aText, parse: parseAccount("user"), pattern: accountPattern}
	kindGroup    = &Kind{name: "group", shape: aText, parse: parseAccount("group"), pattern: accountPattern}
	kindExport   = &Kind{name: "export", shape: aText, parse: func(s string) (any, error) { return ParseExport(s) }}
)

// hostPattern is that of a name, or an address, without a port.
const hostPattern = `^[A-Za-z0-9.:_-]+$`

// sizePattern is that of a positive number of bytes.
const sizePattern = `^ *0*[1-9][0-9]* *([KMGTPEkmgtpe]([Ii]?[Bb])?|[Bb])? *$`

// accountPattern is that of a user or a group, by name or number.
const accountPattern = `^([0-9]+|[A-Za-z_][A-Za-z0-9_.-]*[$]?)$`

// address is the kind of addresses to listen on, such as an example.
func address(example string) *Kind {
	return &Kind{name: "address", shape: aText, pattern: `^.*:[0-9A-Za-z-]+$`, parse: func(text string) (any, error) { return parseAddress(text, example) }}
}

// enum is the kind of values that are all known. what names them in a message.
func enum(what string, values ...string) *Kind {
	k := &Kind{name: strings.Join(values, "|"), shape: aText, values: values}
	k.parse = func(text string) (any, error) {
		if !slices.Contains(values, text) {
			last := len(values) - 1
			return nil, fmt.Errorf("%s is %s or %s, not %q%s", what, strings.Join(values[:last], ", "), values[last], text, didYouMean(text, values))
		}
		return text, nil
	}
	return k
}

// number is the kind of whole numbers within bounds.
func number(what string, least, most int64) *Kind {
	k := &Kind{name: "number", shape: anInteger, least: least, most: most}
	k.parse = func(text string) (any, error) { return parseNumber(what, text, least, most) }
	return k
}

// durationKind is the kind of times within bounds; most is 0 where there is none.
func durationKind(least, most time.Duration) *Kind {
	k := &Kind{name: "duration", shape: aText, pattern: `^0$|^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`}
	k.parse = func(text string) (any, error) {
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is no time: it is such as \"45s\"%s", text, inHours(text))
		case d < 0:
			return nil, fmt.Errorf("%v is a time in the past", d)
		case d < least || most > 0 && d > most:
			return nil, fmt.Errorf("%v is not between %v and %v", d, least, most)
		}
		return d, nil
	}
	return k
}

// squashes and snapdirs are the names that package export reads.
var (
	squashes = []string{export.SquashRoot.String(), export.SquashAll.String(), export.SquashNone.String()}
	snapdirs = []string{export.SnapshotsHidden.String(), export.SnapshotsVisible.String(), export.SnapshotsDisabled.String()}
)
