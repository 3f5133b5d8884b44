package integration

import (
	"path/filepath"
	"testing"

	"pmemfs/integration/harness"
)

// TestUsersUnderRootSquash has several users and root of a client on an export with the default squashing: who may change modes
// and owners, when the setuid and setgid bits go, and what a sticky directory protects. What is right is as on a local
// filesystem, except that the client's root is nobody. With noac each answer is the server's.
func TestUsersUnderRootSquash(t *testing.T) {
	t.Parallel()
	const alice, bob, friend = "guest as 1000 1000 sh -c ", "guest as 1001 1001 sh -c ", "guest as 1002 1000 sh -c "
	server := harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--squash", "none")
	c := bootClient(t)
	c.mount(t, server.Port, "/mnt", "noac")
	c.sh(t, "mkdir -m 1777 /mnt/shared; mkdir -m 755 /mnt/closed; echo root >/mnt/shared/roots; chmod 644 /mnt/shared/roots")
	c.unmount(t, "/mnt")
	server.Stop()
	squashed := harness.Serve(t, server.Image)
	c.mount(t, squashed.Port, "/mnt", "noac")

	t.Run("chmod", func(t *testing.T) {
		c.sh(t, alice+"'cd /mnt/shared; echo a >f; chmod 640 f'")
		c.want(t, "640 1000 1000", "stat -c '%%a %%u %%g' /mnt/shared/f")
		c.want(t, "a", friend+"'cat /mnt/shared/f'")
		c.fails(t, "denied", bob+"'cat /mnt/shared/f'")
		for _, other := range []string{bob, friend, "sh -c "} {
			c.fails(t, "", "%s'chmod 666 /mnt/shared/f'", other)
		}
		c.fails(t, "denied", friend+"'echo b >>/mnt/shared/f'")
		c.sh(t, alice+"'chmod 660 /mnt/shared/f'")
		c.want(t, "a\nb", friend+"'echo b >>/mnt/shared/f; cat /mnt/shared/f'")
		c.fails(t, "denied", "cat /mnt/shared/f") // root of the client
	})
	t.Run("chown", func(t *testing.T) {
		c.fails(t, "", alice+"'chown 1001 /mnt/shared/f'")
		c.fails(t, "", alice+"'chown 1000:1001 /mnt/shared/f'") // not in that group
		c.fails(t, "", "chown 0:0 /mnt/shared/f")
		c.want(t, "1000 1000", "stat -c '%%u %%g' /mnt/shared/f")
		c.fails(t, "", bob+"'chmod 600 /mnt/shared/roots'")
		c.fails(t, "", "chown 1000 /mnt/shared/roots") // root was root when it made it
	})
	t.Run("setuid and setgid", func(t *testing.T) {
		c.sh(t, alice+"'cd /mnt/shared; cp f s; chmod 6775 s'")
		c.want(t, "6775", "stat -c %%a /mnt/shared/s")
		// A write by another user takes both bits away, one that cannot be refused for lack of permission.
		c.sh(t, alice+"'chmod 6777 /mnt/shared/s'")
		c.sh(t, bob+"'echo more >>/mnt/shared/s'")
		c.want(t, "777", "stat -c %%a /mnt/shared/s")
		// A truncation as well.
		c.sh(t, alice+"'chmod 4777 /mnt/shared/s'")
		c.sh(t, bob+"': >/mnt/shared/s'")
		c.want(t, "777", "stat -c %%a /mnt/shared/s")
		// The setgid bit of a file needs membership of its group.
		c.sh(t, alice+"'mkdir -m 2777 /mnt/shared/g'")
		c.sh(t, bob+"'echo x >/mnt/shared/g/b; mkdir /mnt/shared/g/d'")
		c.want(t, "1001 1000", "stat -c '%%u %%g' /mnt/shared/g/b")
		c.want(t, "1001 1000 2755", "stat -c '%%u %%g %%a' /mnt/shared/g/d")
		c.sh(t, bob+"'chmod 2755 /mnt/shared/g/b; true'")
		c.want(t, "755", "stat -c %%a /mnt/shared/g/b")
	})
	t.Run("sticky", func(t *testing.T) {
		for _, name := range []string{"f", "roots"} {
			for _, other := range []string{bob, friend, "sh -c "} {
				c.fails(t, "", "%s'rm -f /mnt/shared/%s'", other, name)
				c.fails(t, "", "%s'mv /mnt/shared/%s /mnt/shared/x'", other, name)
			}
		}
		c.sh(t, bob+"'echo mine >/mnt/shared/mine'")
		c.fails(t, "", bob+"'mv /mnt/shared/mine /mnt/shared/f'") // what is replaced is protected, too
		c.fails(t, "denied", bob+"'echo x >/mnt/closed/x'")
		c.fails(t, "denied", "sh -c 'echo x >/mnt/closed/x'")
		c.sh(t, bob+"'mv /mnt/shared/mine /mnt/shared/moved; rm /mnt/shared/moved'")
		c.sh(t, alice+"'rm /mnt/shared/f'")
		c.want(t, "g\nroots\ns", "ls -1 /mnt/shared")
	})
	c.unmount(t, "/mnt")
	squashed.Stop()
}
