package main

import (
	"bytes"
	"strings"
	"testing"

	"pmemfs/server/control"
)

// TestReloadTerminal prints what a server tells, which is not to be believed.
func TestReloadTerminal(t *testing.T) {
	var b bytes.Buffer
	change := []control.ConfigurationChange{{Image: "\x1bi", Key: "\x1bk", Next: "\x1bv\u009b"}}
	printReload(&b, control.ReloadReply{Applied: change, Restart: change, Overridden: []string{"\x1bo"}})
	values := []control.ConfigurationValue{{Image: "\x1bi", Table: "\x1bt", Of: "\x1bo", Key: "\x1bk", Value: "\x1bv\u009b", From: "\x1bf"}}
	if err := printConfiguration(&b, control.ConfigurationReply{Values: values}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\u009b") {
		t.Errorf("printed %q", b.String())
	}
}
