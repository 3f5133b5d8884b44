package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"pmemfs/server"
	"pmemfs/server/config"
)

// TestMain takes the variables of tests out of the environment: serve would ask what they mean.
func TestMain(m *testing.M) {
	for _, each := range os.Environ() {
		if name, _, _ := strings.Cut(each, "="); strings.HasPrefix(name, "PMEMFS_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}

// onlyOptions are the options that the file has no key for: it does not name itself, and exports are tables there.
var onlyOptions = []string{"config", "export"}

// onlyKeys are keys without an option: the image is an argument, and the export that options are about is the whole filesystem, with its snapshots hidden.
// Schedules, quotas and limits take more words than an option has.
var onlyKeys = []string{"path", "name", "subtree", "directory_offsets", "snapdir"}

// TestOneName holds each option to one name: with hyphens on the command line, with underscores in the file, in capitals in the environment; and serve
// to the options that the list of keys has.
func TestOneName(t *testing.T) {
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	newServeFlags().add(flags)
	seen := map[string]bool{}
	for _, table := range config.Tables() {
		for _, k := range config.Keys(table) {
			if k.NoFile != slices.Contains(onlyOptions, k.Name) {
				t.Errorf("%s: the file has no such key: %v", k.Name, k.NoFile)
			}
			ofServer := table == config.TableServer || table == config.TableImage || table == config.TableExport
			if want := ofServer && !slices.Contains(onlyKeys, k.Name); k.Option != want {
				t.Errorf("%s of %s: it has an option: %v", k.Name, table, k.Option)
			}
			if !k.Option {
				continue
			}
			if seen[k.Flag()] {
				t.Errorf("--%s is there twice", k.Flag())
			}
			seen[k.Flag()] = true
			if strings.Contains(k.Flag(), "_") || k.Variable() != "PMEMFS_"+strings.ToUpper(strings.ReplaceAll(k.Flag(), "-", "_")) {
				t.Errorf("--%s and %s", k.Flag(), k.Variable())
			}
			if f := flags.Lookup(k.Flag()); f == nil || f.Usage != k.Help() || f.DefValue != k.Default {
				t.Errorf("--%s: %+v", k.Flag(), f)
			}
		}
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if !seen[f.Name] {
			t.Errorf("--%s is not in the list of keys", f.Name)
		}
	})
}

// TestDefaults holds defaults of the list of keys to those that the server has where nobody says anything.
func TestDefaults(t *testing.T) {
	f, err := config.Resolve(nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := serverConfig(f, silent)
	if err != nil {
		t.Fatal(err)
	}
	owner := server.DefaultOwner()
	if c.Locking.Grace != server.DefaultGrace || c.NFSStack != server.StackNative || *c.Images[0].New.Owner != owner || c.Images[0].Path != "pmemfs.img" {
		t.Errorf("%+v", c)
	}
}
