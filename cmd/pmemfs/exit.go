package main

// The exit statuses of all commands. Those of check and scrub are those of fsck(8). No other number is one.
const (
	exitOK       = 0
	exitFailed   = 1
	exitRepaired = 1 // of check and scrub, in place of exitFailed
	exitDamage   = 4
	exitCouldNot = 8 // of check and scrub, and of what is like them
)

// exitRow says what a status means to some commands.
type exitRow struct {
	commands []string // none for all others
	status   int
	meaning  string
}

// exitTable is the table of docs/exit-status.md.
var exitTable = []exitRow{
	{[]string{"check", "scrub", "snapshot check", "quota check"}, exitOK, "clean"},
	{[]string{"check", "scrub"}, exitRepaired, "there was damage, and all of it is repaired"},
	{[]string{"check", "scrub", "snapshot check", "quota check"}, exitDamage, "damage is left"},
	{[]string{"check", "scrub", "snapshot check", "quota check"}, exitCouldNot, "it could not run, or was interrupted"},
	{[]string{"ls", "tree", "stat", "cat", "get", "put", "tar"}, exitOK, "all was read or written"},
	{[]string{"ls", "tree", "stat", "cat", "get", "put", "tar"}, exitFailed, "it failed: one line says why"},
	{[]string{"ls", "tree", "stat", "cat", "get", "put", "tar"}, exitDamage, "some files could not be read as they were; each is named, and the rest is there"},
	{nil, exitOK, "success"},
	{nil, exitFailed, "failure: one line on standard error says why"},
}
