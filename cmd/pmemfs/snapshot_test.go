package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

// TestSnapshotCommands goes through the life of snapshots of an image that nobody serves.
func TestSnapshotCommands(t *testing.T) {
	image := filepath.Join(t.TempDir(), "fs.img")
	if err := pmemfs.Format(image, pmemfs.FormatOptions{Size: 16 << 20}); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		fs, err := pmemfs.Open(image, pmemfs.Options{NoBackground: true})
		if err != nil {
			t.Fatal(err)
		}
		a, err := fs.Create(&pmemfs.Cred{}, nil, fs.Root(), []byte(name), &pmemfs.CreateOptions{})
		if err == nil {
			_, _, err = fs.Write(&pmemfs.Cred{}, nil, a.Handle, []byte(text), 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := fs.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range []struct {
		do   func()
		args string
		want string // in the output, or of an error
		bad  bool
	}{
		{args: "snapshot list", want: "no snapshots"},
		{args: "snapshot create one --description first", want: "one: 1 file,"},
		{args: "snapshot create one", want: "already", bad: true},
		{args: "snapshot create a/b", want: "without spaces", bad: true},
		{args: "snapshot create a\xff", want: "UTF-8 without spaces", bad: true},
		{do: func() { write("new", "text") }, args: "snapshot diff one", want: "+ /new\n"},
		{args: "snapshot create two"},
		{do: func() { write("new", "longer text") }, args: "snapshot diff two", want: "M /new\n"},
		{args: "snapshot diff two one", want: "is not later", bad: true},
		{args: "snapshot diff one three", want: "no snapshot has", bad: true},
		{args: "snapshot hold two", want: ""},
		{args: "snapshot delete two", want: "held", bad: true},
		{args: "snapshot rollback one", want: "--force", bad: true},
		{args: "snapshot rollback one --force", want: "held", bad: true},
		{args: "snapshot release two"},
		{args: "snapshot release two", want: "no snapshot", bad: true},
		{args: "snapshot rollback one --force"},
		{args: "snapshot diff one", want: ""},
		{args: "snapshot list", want: "first"},
		{args: "snapshot delete one"},
		{args: "snapshot delete one", want: "no snapshot has the name", bad: true},
		{args: "snapshot list", want: "no snapshots"},
	} {
		if step.do != nil {
			step.do()
		}
		words := strings.Fields(step.args)
		args := append([]string{words[0], words[1], image}, words[2:]...)
		status, out, errors := command(args...)
		if (status != 0) != step.bad {
			t.Fatalf("step %d: %s: status %d, %s", i, step.args, status, errors)
		}
		if status != 0 {
			out = errors
		}
		if !strings.Contains(out, step.want) {
			t.Errorf("step %d: %s: %q, expected %q", i, step.args, out, step.want)
		}
	}
	status, out, _ := command("snapshot", "list", image, "--json")
	var list control.SnapshotListReply
	if status != 0 || json.Unmarshal([]byte(out), &list) != nil || len(list.Snapshots) != 0 || list.DataBytes != 0 {
		t.Errorf("status %d, %q", status, out)
	}
}
