package config_test

import (
	"strings"
	"testing"

	"pmemfs/server/config"
)

// TestExportNames holds the options of an export in one word to the names that they have in a file.
func TestExportNames(t *testing.T) {
	for _, k := range config.Keys(config.TableExport) {
		key := k.Name
		switch key {
		case "name", "subtree": // which come first, without a name
			continue
		case "read_only":
			key = "ro" // and rw, as in fstab(5)
		}
		if _, err := config.ParseExport("/x," + key); err != nil && strings.Contains(err.Error(), "unknown option") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestParseExportRefuses(t *testing.T) {
	for _, s := range []string{"", "docs", "/docs=", "/docs=x", "/docs,", "/docs,rx", "/docs,ro=yes", "/docs,squash", "/docs,squash=some",
		"/docs,ro,rw", "/docs,rw,squash=all,ro", "/docs,anon_uid=-1", "/docs,anon_gid=x", "/docs,clients=", "/docs,clients=host", "/docs,secure_port=no", "/docs,directory_offsets=32", "/docs,directory_offsets", "/docs,directory_offsets=x", "/a/../b"} {
		if e, err := config.ParseExport(s); err == nil {
			t.Errorf("%q is %+v", s, e)
		}
	}
}
