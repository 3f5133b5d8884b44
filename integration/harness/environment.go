package harness

import (
	"os"
	"strings"
)

// Environ is the environment without variables that tests go by: serve would ask what they mean.
func Environ() (list []string) {
	for _, each := range os.Environ() {
		if !strings.HasPrefix(each, "PMEMFS_") {
			list = append(list, each)
		}
	}
	return list
}
