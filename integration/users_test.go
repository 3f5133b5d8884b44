package integration

import (
	"path/filepath"
	"testing"

	"pmemfs/integration/harness"
)

// TestTwoUsers lets two ordinary users and root of the client work on one
// mount: files belong to who made them, and permissions hold on the server,
// not only in the client's kernel.
func TestTwoUsers(t *testing.T) {
	const alice, bob = "guest as 1000 1000 sh -c ", "guest as 1001 1001 sh -c "
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none")
	c := bootClient(t)
	// Without caches in the client each check is the server's.
	c.mount(t, server.Port, "/mnt", "noac")
	c.sh(t, "mkdir -m 1777 /mnt/shared")

	t.Run("owner", func(t *testing.T) {
		c.sh(t, alice+"'umask 022; echo mine >/mnt/shared/open; umask 077; echo mine >/mnt/shared/secret; mkdir /mnt/shared/dir; ln -s open /mnt/shared/link'")
		c.want(t, "1000 1000 644", "stat -c '%%u %%g %%a' /mnt/shared/open")
		c.want(t, "1000 1000 600", "stat -c '%%u %%g %%a' /mnt/shared/secret")
		c.want(t, "1000 1000 700", "stat -c '%%u %%g %%a' /mnt/shared/dir")
		c.want(t, "1000 1000", "stat -c '%%u %%g' /mnt/shared/link")
	})
	t.Run("stranger", func(t *testing.T) {
		c.want(t, "mine", bob+"'cat /mnt/shared/open'")
		c.fails(t, "denied", bob+"'cat /mnt/shared/secret'")
		c.fails(t, "denied", bob+"'ls /mnt/shared/dir'")
		c.fails(t, "denied", bob+"'echo his >>/mnt/shared/open'")
		c.fails(t, "", bob+"'chmod 666 /mnt/shared/open'")
		c.fails(t, "", bob+"'rm -f /mnt/shared/open'") // a sticky folder
		c.fails(t, "", bob+"'mv /mnt/shared/open /mnt/shared/stolen'")
		c.want(t, "mine", alice+"'cat /mnt/shared/open /mnt/shared/secret' | uniq")
	})
	t.Run("owner again", func(t *testing.T) {
		c.sh(t, alice+"'echo more >>/mnt/shared/secret; chmod 640 /mnt/shared/secret; mv /mnt/shared/secret /mnt/shared/dir/secret'")
		c.want(t, "mine\nmore", alice+"'cat /mnt/shared/dir/secret'")
		c.fails(t, "", alice+"'chown 1001 /mnt/shared/open'")
	})
	t.Run("root", func(t *testing.T) {
		c.want(t, "mine\nmore", "cat /mnt/shared/dir/secret")
	})
	c.unmount(t, "/mnt")
}

// TestRootSquash mounts an export with the default squashing: root of the
// client is nobody on the server.
func TestRootSquash(t *testing.T) {
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none")
	c := bootClient(t)
	c.mount(t, server.Port, "/mnt", "noac")
	c.sh(t, "mkdir -m 1777 /mnt/shared; echo root >/mnt/shared/private; chmod 600 /mnt/shared/private")
	c.unmount(t, "/mnt")
	server.Stop()

	squashed := harness.Serve(t, server.Image)
	c.mount(t, squashed.Port, "/mnt", "noac")
	c.fails(t, "denied", "cat /mnt/shared/private")
	c.sh(t, "echo x >/mnt/shared/file")
	c.want(t, "65534 65534", "stat -c '%%u %%g' /mnt/shared/file")
	c.unmount(t, "/mnt")
	squashed.Stop()

	all := harness.Serve(t, server.Image, "--squash", "all")
	c.mount(t, all.Port, "/mnt", "noac")
	c.sh(t, "guest as 1000 1000 sh -c 'echo x >/mnt/shared/anybody'")
	c.want(t, "65534 65534", "stat -c '%%u %%g' /mnt/shared/anybody")
	c.unmount(t, "/mnt")
	all.Stop()
}
