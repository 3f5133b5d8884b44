package conformance

import (
	"fmt"
	"slices"
)

// Rule is an entry of a POSIX access control list (acl(5)).
type Rule struct {
	Tag  uint16 // as Linux numbers them
	Perm uint16
	ID   uint32 // of RuleUser and RuleGroup
}

// The tags.
const (
	RuleOwner      = 0x01
	RuleUser       = 0x02
	RuleOwnerGroup = 0x04
	RuleGroup      = 0x08
	RuleMask       = 0x10
	RuleOther      = 0x20
)

// Lister is an FS with access control lists; for CapACL. A list that says no more than the mode is none. To set none removes it.
type Lister interface {
	ACL(path string, def bool) ([]Rule, error)
	SetACL(path string, def bool, list []Rule) error
}

// WithoutMode returns a list, or nil if it says no more than a mode.
func WithoutMode(list []Rule) []Rule {
	for _, r := range list {
		if r.Tag == RuleUser || r.Tag == RuleGroup {
			return list
		}
	}
	return nil
}

// rules makes a list: of the owner, his group and others what a mode says, then some more and a mask.
func rules(mode, mask uint16, more ...Rule) []Rule {
	list := append([]Rule{{Tag: RuleOwner, Perm: mode >> 6 & 7}, {Tag: RuleOwnerGroup, Perm: mode >> 3 & 7}, {Tag: RuleMask, Perm: mask}, {Tag: RuleOther, Perm: mode & 7}}, more...)
	slices.SortFunc(list, func(a, b Rule) int { return int(a.Tag)<<1 - int(b.Tag)<<1 })
	return list
}

// setACL is SetACL by a user.
func (c *C) setACL(u User, path string, def bool, list []Rule) error {
	return c.As(u).(Lister).SetACL(path, def, list)
}

// lists demands that a file has a list.
func (c *C) lists(path string, def bool, want []Rule) {
	got, err := c.FS.(Lister).ACL(path, def)
	c.ok(err)
	if !slices.Equal(got, want) {
		c.fault("list of %s is %v, want %v", path, got, want)
	}
}

// mine makes something that is alice's.
func (c *C) mine(it thing, path string) {
	it.make(c, path)
	c.ok(c.Setattr(path, Set{UID: &alice.UID, GID: &alice.GID}))
}

var bobMay = Rule{RuleUser, 6, bob.UID}

// aclCases are about lists.
func aclCases() []Case {
	list := slices.Concat(setCases(), refusalCases())
	for i := range list {
		list[i].Needs |= CapACL
	}
	return slices.Concat(list, inheritCases(), listedCases())
}

// setCases set lists, and change what goes with them.
func setCases() []Case {
	return []Case{
		{"acl/set", 0, func(c *C) {
			c.mine(aFile, "f")
			c.lists("f", false, nil)
			before := c.attr("f")
			tick()
			want := rules(0o740, 5, bobMay, Rule{RuleGroup, 1, 77})
			c.ok(c.setACL(alice, "f", false, want))
			c.lists("f", false, want)
			after := c.attr("f")
			same(c, "mode", after.Mode, 0o750)
			same(c, "ctime has changed", after.Ctime > before.Ctime, true)
			same(c, "mtime", after.Mtime, before.Mtime)
		}},
		{"acl/chmod", 0, func(c *C) {
			c.mine(aFile, "f")
			c.ok(c.setACL(alice, "f", false, rules(0o740, 5, bobMay)))
			c.ok(c.As(alice).Setattr("f", Set{Mode: ptr[uint32](0o635)}))
			c.lists("f", false, rules(0o645, 3, bobMay))
			same(c, "mode", c.attr("f").Mode, 0o635)
		}},
		{"acl/no more than a mode", 0, func(c *C) {
			c.mine(aFile, "f")
			c.ok(c.setACL(alice, "f", false, rules(0o740, 5, bobMay)))
			c.ok(c.setACL(alice, "f", false, []Rule{{RuleOwner, 6, 0}, {RuleOwnerGroup, 2, 0}, {RuleOther, 1, 0}}))
			c.lists("f", false, nil)
			same(c, "mode", c.attr("f").Mode, 0o621)
		}},
		{"acl/remove", 0, func(c *C) {
			c.mine(aFile, "f")
			c.ok(c.setACL(alice, "f", false, rules(0o740, 6, bobMay)))
			c.ok(c.setACL(alice, "f", false, nil))
			c.lists("f", false, nil)
			same(c, "mode", c.attr("f").Mode, 0o760)
			c.ok(c.setACL(alice, "f", true, nil))
		}},
		{"acl/kept", CapLinks, func(c *C) {
			want := rules(0o740, 5, bobMay)
			c.mine(aFile, "f")
			c.ok(c.setACL(alice, "f", false, want))
			c.ok(c.Rename("f", "g"))
			c.ok(c.Link("g", "h"))
			c.ok(c.Setattr("h", Set{UID: &bob.UID, GID: &bob.GID}))
			c.ok(c.Write("h", 0, []byte("more")))
			c.lists("g", false, want)
			c.lists("h", false, want)
		}},
		{"acl/set-id bits", CapUsers, func(c *C) {
			c.mine(aFile, "f")
			c.ok(c.Setattr("f", Set{Mode: ptr[uint32](0o6750)}))
			c.ok(c.setACL(alice, "f", false, rules(0o750, 5, bobMay)))
			same(c, "mode set by a member", c.attr("f").Mode, 0o6750)
			c.ok(c.Setattr("f", Set{GID: ptr[uint32](77), Mode: ptr[uint32](0o6750)}))
			c.ok(c.Setattr("f", Set{Mode: ptr[uint32](0o6750)}))
			c.ok(c.setACL(alice, "f", false, rules(0o750, 4, bobMay)))
			same(c, "mode set by who is not in the group", c.attr("f").Mode, 0o4740)
		}},
	}
}

// refusalCases set what, or where, it is not to be set.
func refusalCases() []Case {
	return []Case{
		{"acl/by whom", CapUsers, func(c *C) {
			c.mine(aFile, "f")
			c.ok(c.setACL(alice, "f", false, rules(0o777, 7, Rule{RuleUser, 7, bob.UID})))
			for _, u := range []User{bob, mate, friend} {
				c.fails(c.setACL(u, "f", false, rules(0o777, 7, bobMay)), EPERM)
				c.fails(c.setACL(u, "f", false, nil), EPERM)
			}
			c.ok(c.setACL(root, "f", false, rules(0o700, 0, bobMay)))
		}},
		{"acl/default of a file", 0, func(c *C) {
			c.mine(aFile, "f")
			c.fails(c.setACL(alice, "f", true, rules(0o777, 7, bobMay)), EACCES)
		}},
		{"acl/symbolic link", 0, func(c *C) {
			c.ok(c.Symlink("nowhere", "l"))
			c.fails(c.setACL(root, "l", false, rules(0o777, 7, bobMay)), EOPNOTSUPP)
		}},
		{"acl/lists that make no sense", 0, func(c *C) {
			c.mine(aFile, "f")
			good := rules(0o750, 5, bobMay)
			for i, r := range good {
				if r.Tag != RuleUser {
					c.fails(c.setACL(alice, "f", false, slices.Delete(slices.Clone(good), i, i+1)), EINVAL)
				}
			}
			c.fails(c.setACL(alice, "f", false, rules(0o750, 5, Rule{RuleOther, 0, 0})), EINVAL)
			c.fails(c.setACL(alice, "f", false, rules(0o750, 5, Rule{RuleUser, 5, 1<<32 - 1})), EINVAL)
			c.lists("f", false, nil)
			same(c, "mode", c.attr("f").Mode, 0o644)
		}},
	}
}

// inheritCases make files below default lists.
func inheritCases() []Case {
	def := rules(0o751, 6, bobMay, Rule{RuleGroup, 7, 77})
	return []Case{
		{"acl/inherit a file", CapACL, func(c *C) {
			c.mine(anEmptyDir, "d")
			c.ok(c.setACL(alice, "d", true, def))
			c.lists("d", true, def)
			c.lists("d", false, nil)
			c.ok(c.As(alice).Create("d/f", How{Mode: 0o666}))
			same(c, "mode", c.attr("d/f").Mode, 0o660)
			c.lists("d/f", false, rules(0o650, 6, bobMay, Rule{RuleGroup, 7, 77}))
			c.ok(c.As(alice).Create("d/g", How{Mode: 0o711}))
			c.lists("d/g", false, rules(0o751, 0, bobMay, Rule{RuleGroup, 7, 77}))
		}},
		{"acl/inherit a directory", CapACL, func(c *C) {
			c.mine(anEmptyDir, "d")
			c.ok(c.setACL(alice, "d", true, def))
			c.ok(c.As(alice).Mkdir("d/e", 0o755))
			same(c, "mode", c.attr("d/e").Mode, 0o741)
			c.lists("d/e", false, rules(0o751, 4, bobMay, Rule{RuleGroup, 7, 77}))
			c.lists("d/e", true, def)
			c.ok(c.As(alice).Create("d/e/f", How{Mode: 0o600}))
			c.lists("d/e/f", false, rules(0o650, 0, bobMay, Rule{RuleGroup, 7, 77}))
		}},
		{"acl/inherit a FIFO", CapACL | CapNodes, func(c *C) {
			c.mine(anEmptyDir, "d")
			c.ok(c.setACL(alice, "d", true, def))
			c.ok(c.As(alice).Mknod("d/p", FIFO, 0o620, 0, 0))
			c.lists("d/p", false, rules(0o650, 2, bobMay, Rule{RuleGroup, 7, 77}))
		}},
		{"acl/symbolic link below a default list", CapACL, func(c *C) {
			c.mine(anEmptyDir, "d")
			c.ok(c.setACL(alice, "d", true, def))
			c.ok(c.As(alice).Symlink("nowhere", "d/l"))
			same(c, "mode", c.attr("d/l").Mode, 0o777)
		}},
		{"acl/inherit no names", CapACL, func(c *C) {
			c.mine(anEmptyDir, "d")
			c.ok(c.setACL(alice, "d", true, []Rule{{RuleOwner, 6, 0}, {RuleOwnerGroup, 4, 0}, {RuleOther, 0, 0}}))
			c.ok(c.As(alice).Create("d/f", How{Mode: 0o777}))
			same(c, "mode", c.attr("d/f").Mode, 0o640)
			c.lists("d/f", false, nil)
			c.ok(c.setACL(alice, "d", true, nil))
			c.ok(c.As(alice).Create("d/g", How{Mode: 0o755}))
			same(c, "mode", c.attr("d/g").Mode, 0o755)
		}},
	}
}

// listedCases ask, and try, what users may do whom only a list tells apart.
func listedCases() []Case {
	fellow := User{UID: 1004, GID: 77, Groups: []uint32{78}}
	both := User{UID: 1005, GID: 9, Groups: []uint32{78, 77}}
	users := []struct {
		name string
		user User
		rule func(perm uint16) []Rule
	}{
		{"a user", bob, func(p uint16) []Rule { return rules(0o777, 7, Rule{RuleUser, p, bob.UID}) }},
		{"a user, masked", bob, func(p uint16) []Rule { return rules(0o777, p, Rule{RuleUser, 7, bob.UID}) }},
		{"a group", fellow, func(p uint16) []Rule { return rules(0o707, 7, Rule{RuleGroup, p, 77}) }},
		{"a group, masked", fellow, func(p uint16) []Rule { return rules(0o707, p, Rule{RuleGroup, 7, 77}) }},
		{"a supplementary group", both, func(p uint16) []Rule { return rules(0o707, 7, Rule{RuleGroup, p, 78}) }},
		{"the file's group, masked", mate, func(p uint16) []Rule { return rules(0o777, p, Rule{RuleUser, 7, bob.UID}) }},
		{"others", friend, func(p uint16) []Rule { return rules(0o700|p, 7, Rule{RuleUser, 7, bob.UID}) }},
		{"the owner", alice, func(p uint16) []Rule { return rules(0o077|p<<6, 0, Rule{RuleUser, 0, alice.UID}) }},
	}
	var list []Case
	for _, u := range users {
		list = append(list, Case{"acl/access by " + u.name, CapACL | CapUsers | CapAccess, func(c *C) {
			c.mine(aFile, "f")
			if u.name == "others" {
				c.ok(c.Setattr("f", Set{GID: ptr[uint32](4)})) // friend is of alice's group
			}
			for perm := range uint16(8) {
				if perm == 0 && u.name != "the owner" {
					continue // Linux takes a mask without any bit for no list
				}
				c.ok(c.setACL(root, "f", false, u.rule(perm)))
				got, err := c.As(u.user).Access("f", AllAccess)
				c.ok(err)
				same(c, fmt.Sprintf("access with %d", perm), got, uint32(perm))
			}
		}})
	}
	return append(list,
		Case{"acl/directory", CapACL | CapUsers | CapKinds, func(c *C) {
			c.mine(anEmptyDir, "d")
			c.file("d/old", "x")
			for perm := uint16(1); perm < 8; perm++ {
				c.ok(c.setACL(alice, "d", false, rules(0o700, 7, Rule{RuleUser, perm, bob.UID})))
				as, change := c.As(bob), perm&3 == 3
				_, err := as.Names("d")
				c.may(err, perm&4 != 0, EACCES)
				_, err = as.Getattr("d/old")
				c.may(err, perm&1 != 0, EACCES)
				c.may(as.Create("d/new", How{Mode: 0o644}), change, EACCES)
				c.may(as.Rename("d/old", "d/older"), change, EACCES)
				if change {
					c.ok(as.Rename("d/older", "d/old"))
					c.ok(as.Unlink("d/new"))
					c.ok(as.Mkdir("d/e", 0o755))
					c.ok(as.Rmdir("d/e"))
				}
			}
		}},
		Case{"acl/halves from two groups", CapACL | CapUsers, func(c *C) {
			c.mine(anEmptyDir, "d")
			c.ok(c.setACL(alice, "d", false, rules(0o700, 7, Rule{RuleGroup, Exec, 77}, Rule{RuleGroup, WriteBit, 78})))
			c.fails(c.As(both).Create("d/f", How{Mode: 0o644}), EACCES)
			c.ok(c.setACL(alice, "d", false, rules(0o700, 7, Rule{RuleGroup, Exec, 77}, Rule{RuleGroup, WriteBit | Exec, 78})))
			c.ok(c.As(both).Create("d/f", How{Mode: 0o644}))
		}},
		Case{"acl/a denied user is not one of others", CapACL | CapUsers, func(c *C) {
			c.mine(aFile, "f")
			c.ok(c.setACL(alice, "f", false, rules(0o607, 7, Rule{RuleUser, 0, bob.UID}, Rule{RuleGroup, 0, 77})))
			for _, u := range []User{bob, fellow} {
				_, err := c.As(u).Read("f", 0, 1)
				c.fails(err, EACCES)
				c.fails(c.As(u).Write("f", 0, []byte("x")), EACCES)
			}
			_, err := c.As(User{UID: 1009, GID: 1009}).Read("f", 0, 1)
			c.ok(err)
		}},
	)
}
