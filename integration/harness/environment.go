package harness

import (
	"os"
	"strings"
)

// Environ is the environment without variables of the server, which whoever runs the tests may have set.
func Environ() (list []string) {
	for _, each := range os.Environ() {
		if !strings.HasPrefix(each, "PMEMFS_") {
			list = append(list, each)
		}
	}
	return list
}
