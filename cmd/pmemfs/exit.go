package main

// The exit statuses of all commands; docs/exit-status.md says which command has which. Those of check and scrub are those of fsck(8).
const (
	exitOK       = 0
	exitFailed   = 1 // nothing was done, or not all of it; one line on standard error says why
	exitRepaired = 1 // of check --repair and scrub: there was damage, and it is repaired
	exitDamage   = 4 // damage is left, or what was read is damaged
	exitCouldNot = 8 // of check and scrub: could not run
)
