package config

import (
	"regexp"
	"slices"
	"strings"
)

// Words are what options or variables say: to each key its texts.
type Words map[*Key][]string

// foreign are variables that a system sets for a service whose name begins with pmemfs, and which are none of ours: Kubernetes sets
// PMEMFS_SERVICE_HOST, PMEMFS_NFS_PORT_2049_TCP and so on.
var foreign = regexp.MustCompile(`^PMEMFS_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// isForeign reports whether a variable is such a one. One that ends in _PORT may be a misspelt one of ours, unless it has what such a system says.
func isForeign(name, value string) bool {
	return foreign.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

// Environment reads the variables that are about pmemfs. A list has white space between its values.
//
// Errors: Mistakes, of a variable that there is not, and of one that is empty.
func Environment(environ []string) (Words, error) {
	words := Words{}
	var mistakes Mistakes
	for _, each := range environ {
		name, value, _ := strings.Cut(each, "=")
		if !strings.HasPrefix(name, variablePrefix) {
			continue
		}
		all := Options()
		all = append(all, pathKey())
		i := slices.IndexFunc(all, func(k *Key) bool { return k.Variable() == name })
		if i < 0 && isForeign(name, value) {
			continue
		}
		if i < 0 {
			var names []string
			for _, k := range all {
				names = append(names, k.Variable())
			}
			mistakes = append(mistakes, &Mistake{Key: name, Text: "there is no such variable" + didYouMean(name, names)})
			continue
		}
		k := all[i]
		texts := []string{value}
		if k.List {
			texts = strings.Fields(value)
		}
		if len(texts) == 0 || texts[0] == "" {
			mistakes = append(mistakes, &Mistake{Key: name, Text: "it is empty: unset it for the default"})
			continue
		}
		words[k] = texts
	}
	slices.SortFunc(mistakes, func(a, b *Mistake) int { return strings.Compare(a.Key, b.Key) })
	return words, mistakes.err()
}

// pathKey is the key of an image's path, which is an argument of serve.
func pathKey() *Key { return keyNamed([]string{TableImage}, "path") }
