package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Lookup returns a variable of the environment, as os.LookupEnv does.
type Lookup func(name string) (string, bool)

// variableName is what the name of a variable looks like.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand puts variables of the environment in the place of ${NAME}. $${ is ${.
func expand(text string, lookup Lookup) (string, error) {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), nil
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1])
			b.WriteString("${")
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		name, rest, closed := strings.Cut(text[i+2:], "}")
		if !closed || !variableName.MatchString(name) {
			return "", fmt.Errorf("%q is no variable: write ${NAME}, or $${ for the two characters", cut(text[i:]))
		}
		value, set := lookup(name)
		switch {
		case !set:
			return "", fmt.Errorf("the environment variable %s is not set", name)
		case value == "":
			return "", fmt.Errorf("the environment variable %s is empty", name)
		}
		b.WriteString(value)
		text = rest
	}
}

// cut shortens a text for a message.
func cut(text string) string {
	const longest = 20
	if len(text) > longest {
		return text[:longest]
	}
	return text
}
