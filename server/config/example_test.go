package config_test

import (
	"regexp"
	"strings"
	"testing"

	"pmemfs/server/config"
)

// commentedKey is a line of an example that is a key, or a header, but for the # before it.
var commentedKey = regexp.MustCompile(`(?m)^#([^ \n])`)

// TestExample loads both examples as they are, which say nothing, and with every key: all are there, and have the values that the list has.
func TestExample(t *testing.T) {
	for _, several := range []bool{false, true} {
		text := config.Example(several)
		for line := range strings.Lines(text) {
			if len(line) > 101 {
				t.Errorf("a line of %d characters: %s", len(line), line)
			}
		}
		c, err := config.Parse("example", []byte(text), none)
		if err != nil || len(c.Server) != 0 || len(c.Images) != 1 || len(c.Images[0].Settings) != 0 || c.Images[0].Exports != nil {
			t.Errorf("as it is: %+v, %v", c, err)
		}
		whole := commentedKey.ReplaceAllString(text, "$1")
		if c, err = config.Parse("example", []byte(whole), none); err != nil {
			t.Errorf("with every key:\n%s\n%v", whole, err)
			continue
		}
		if c.Several != several || len(c.Images) != 1 || len(c.Images[0].Quotas) != 3 || len(c.Images[0].Exports) != 1 || len(c.Images[0].Snapshots) != 1 {
			t.Errorf("with every key: %+v", c)
		}
		i := &c.Images[0]
		quota := config.Settings{}
		for _, q := range i.Quotas {
			for name, s := range q.Settings {
				quota[name] = s
			}
		}
		for table, s := range map[string]config.Settings{
			config.TableServer: c.Server, config.TableImage: i.Settings, config.TableExport: i.Exports[0].Settings, config.TableSnapshots: i.Snapshots[0].Settings,
			config.TableKeep: i.Snapshots[0].Rules, config.TableQuota: quota, config.TableLimits: i.Limits,
		} {
			for _, k := range config.Keys(table) {
				if !k.NoFile && s[k.Name] == nil {
					t.Errorf("the example lacks %s of %s", k.Name, table)
				}
				if s[k.Name] != nil && k.Example == "" && s[k.Name].Shown() != k.Default {
					t.Errorf("%s is %s, and the default is %s", k.Name, s[k.Name].Shown(), k.Default)
				}
			}
		}
	}
}
