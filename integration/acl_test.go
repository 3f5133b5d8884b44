package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pmemfs/integration/harness"
)

// aclPrograms are what the cases need in a guest: setfacl and getfacl, the script, and an ext4 to compare with, which is made here.
func aclPrograms(t *testing.T) map[string]string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "ext4.img")
	out, err := exec.Command("mkfs.ext4", "-q", "-b", "4096", "-O", "^has_journal", image, "4M").CombinedOutput()
	if err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, out)
	}
	programs := harness.HostPrograms(t, "setfacl", "getfacl")
	programs["bin/acl-cases"] = filepath.Join(harness.Root(t), "integration", "testdata", "acl.sh")
	programs["ext4.img"] = image
	return programs
}

// aclSteps runs the script on an ext4 of the guest and on mounts of the server, and compares line by line. What the client shows from
// its caches has to be right as well as what it asks for.
func aclSteps(t *testing.T, c client, port int, options ...string) {
	c.sh(t, "mkdir -p /ext4; mount -o loop,acl /ext4.img /ext4; grep ' /ext4 ext4 ' /proc/mounts")
	want := c.aclCases(t, "/ext4")
	if len(want) < 150 {
		t.Fatalf("%d cases on ext4", len(want))
	}
	for _, option := range options {
		c.mount(t, port, "/mnt", option)
		c.fails(t, "", "grep ' /mnt nfs .*noacl' /proc/mounts")
		c.sh(t, "mkdir -m 755 /mnt/acl")
		got := c.aclCases(t, "/mnt/acl")
		t.Log(compareCases(t, c.Release, option, got, want))
		c.aclDifferences(t)
		c.sh(t, "rm -rf /mnt/acl")
		c.unmount(t, "/mnt")
	}
	c.sh(t, "umount /ext4")
}

// aclDifferences shows what is not as on ext4, and is meant to be so.
func (c client) aclDifferences(t *testing.T) {
	const bob = "guest as 1001 1001 sh -c "
	for dir, want := range map[string][2]string{"/ext4": {"0", "user::rw-,group::r--,mask::r--,other::r--"}, "/mnt/acl": {"1", "user::rw-,group::r--,other::r--"}} {
		// With a mask without any bit Linux goes on as if there were no list (acl_permission_check); acl(5) says otherwise, and so do we.
		c.want(t, want[0], "cd %s; echo x >f1; setfacl -m u:1001:rw,m::-,o::r f1; %s'cat f1 >/dev/null 2>&1'; echo $?", dir, bob)
		// NFSACL has a mask in every list, so one that says nothing of its own cannot be told from none; knfsd drops it as well.
		c.want(t, want[1], "cd %s; echo x >f2; setfacl -m m::r f2; echo $(getfacl -c -n f2) | tr ' ' ,", dir)
		c.sh(t, "rm %s/f1 %s/f2", dir, dir)
	}
}

// aclCases runs the script and returns what came of each case, in one line.
func (c client) aclCases(t *testing.T, dir string) []string {
	t.Helper()
	list := strings.Split(c.sh(t, "acl-cases %s", dir), "@@CASE ")[1:]
	for i := range list {
		list[i] = strings.ReplaceAll(strings.TrimSpace(list[i]), "\n", "; ")
	}
	return list
}

// compareCases fails the test for each case that differs and returns a summary.
func compareCases(t *testing.T, kernel, option string, got, want []string) string {
	t.Helper()
	same, refused := 0, 0
	for i, line := range want {
		other := "nothing"
		if i < len(got) {
			other = got[i]
		}
		if other != line {
			t.Errorf("mount option %q\nnfs:  %s\next4: %s", option, other, line)
			continue
		}
		same++
		if !strings.HasSuffix(line, "status 0") {
			refused++
		}
	}
	if len(got) > len(want) {
		t.Errorf("%d cases more than on ext4", len(got)-len(want))
	}
	return fmt.Sprintf("| Linux %s | %q | %d cases | %d as on ext4, of which %d are refused |", kernel, option, len(want), same, refused)
}

// TestACL has users of a kernel set access control lists and run into them, on a mount and on an ext4 of the same kernel.
func TestACL(t *testing.T) {
	t.Parallel()
	options := []string{""}
	if os.Getenv("TEST_PMEMFS_THOROUGH") != "" {
		options = append(options, "noac")
	}
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none")
	c := bootClientWith(t, aclPrograms(t))
	aclSteps(t, c, server.Port, options...)
}
