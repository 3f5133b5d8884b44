package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/pmemfs"
	"pmemfs/server/control"
)

// accountsOf lists an image's quotas.
func accountsOf(t *testing.T, args ...string) (list control.QuotaListReply) {
	t.Helper()
	stdout, _ := want(t, 0, append([]string{"quota", "list", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		t.Fatalf("%s: %v", stdout, err)
	}
	return list
}

// TestQuota sets, lists, compares and removes quotas, of an image that nobody serves and of one that is served.
func TestQuota(t *testing.T) {
	image := filepath.Join(t.TempDir(), "fs.img")
	want(t, 0, "mkfs", image, "--size", "16MiB")
	fs, err := pmemfs.Open(image, pmemfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := fs.Mkdir(&pmemfs.Cred{}, nil, fs.Root(), []byte("d"), nil)
	if err == nil {
		_, err = fs.Mkdir(&pmemfs.Cred{}, nil, d.Handle, []byte("e"), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	for _, served := range []bool{false, true} {
		stop := func() {}
		if served {
			stop = serve(t, image).stop
		} else if stdout, _ := want(t, 0, "quota", "list", image); stdout != "no quotas\n" {
			t.Errorf("list says %q", stdout)
		}
		want(t, 0, "quota", "set", image, "--user", "1234567", "--bytes", "1MiB", "--soft-files", "10")
		want(t, 0, "quota", "set", image, "--user", "1234567", "--soft-bytes", "512KiB")
		if stdout, _ := want(t, 0, "quota", "set", image, "--path", "/d/e", "--files", "100"); !strings.Contains(stdout, "/d/e") {
			t.Errorf("set says %q", stdout)
		}
		want(t, 0, "quota", "grace", image, "--kind", "tree", "--bytes", "1h", "--files", "2h")
		list := accountsOf(t, image)
		if len(list.Accounts) != 2 || !list.On || list.Grace[2].FilesNS != 2*3600e9 {
			t.Fatalf("%+v", list)
		}
		if a := list.Accounts[0]; a.Kind != "user" || a.ID != 1234567 || a.Bytes != 1<<20 || a.SoftBytes != 512<<10 || a.SoftFiles != 10 {
			t.Errorf("%+v", a)
		}
		if a := list.Accounts[1]; a.Kind != "tree" || a.Path != "/d/e" || a.Files != 100 || a.UsedFiles != 1 && !a.Converting {
			t.Errorf("%+v", a)
		}
		if stdout, _ := want(t, 0, "quota", "list", image); !strings.Contains(stdout, "/d/e") || !strings.Contains(stdout, "user 1234567") {
			t.Errorf("list says %q", stdout)
		}
		if list = accountsOf(t, image, "--all"); len(list.Accounts) != 4 {
			t.Errorf("%+v", list)
		}
		if list = accountsOf(t, image, "--path", "/d/e"); len(list.Accounts) != 1 {
			t.Errorf("%+v", list)
		}
		if stdout, _ := want(t, 0, "quota", "check", image); stdout != "all accounts are right\n" {
			t.Errorf("check says %q", stdout)
		}
		want(t, 0, "quota", "recount", image)
		want(t, 0, "quota", "remove", image, "--user", "1234567")
		want(t, 0, "quota", "remove", image, "--path", "/d/e")
		stop()
		for _, args := range [][]string{
			{"set", image, "--user", "0", "--bytes", "1MiB"}, {"set", image, "--bytes", "1MiB"}, {"set", image, "--user", "7"},
			{"set", image, "--user", "7", "--path", "/d", "--files", "1"}, {"set", image, "--path", "/none", "--files", "1"},
			{"set", image, "--user", "no such user", "--files", "1"}, {"set", image, "--user", "7", "--files", "1", "--soft-files", "2"},
			{"remove", image, "--path", "/d"}, {"remove", image, "--group", "77"}, {"grace", image, "--kind", "file", "--bytes", "1h", "--files", "1h"},
			{"grace", image, "--kind", "user"},
		} {
			want(t, 1, append([]string{"quota"}, args...)...)
		}
	}
	want(t, 0, "check", image)
}
