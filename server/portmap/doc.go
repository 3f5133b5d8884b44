// Package portmap tells clients on which ports the programs of a server are: rpcbind, in its versions 2 (the portmapper), 3 and 4
// (RFC 1833). It can do so itself (Server), or have the machine's own rpcbind do it (Registrar).
//
// The table is the server's own and never changes, so SET and UNSET answer FALSE, whoever asks. CALLIT, BCAST and INDIRECT, by which a
// stranger would make calls from here, are not there.
//
// An address that is told is one that the client can reach: if a service listens on all addresses of the machine, that of the
// request takes its place. Hosts for whom there is no export learn nothing.
//
// # Concurrency and durability
//
// A Server answers any number of calls at once, and has no locks; a Registrar belongs to one goroutine. Nothing is on the medium.
package portmap

// Number is the RPC program number of the portmapper.
const Number = 100000

// Versions of the portmapper.
const (
	version2 = 2
	version3 = 3
	version4 = 4
)

// Port is where clients look for a portmapper.
const Port = 111

// Procedures (RFC 1833 sections 2.1 and 3.1). To 4 they are alike in all versions; a name with a 4 is in version 4 only.
const (
	procNull        = 0
	procSet         = 1
	procUnset       = 2
	procGet         = 3 // GETPORT, GETADDR
	procDump        = 4
	procGetTime     = 6
	procUaddr2Taddr = 7
	procTaddr2Uaddr = 8
	proc4GetVers    = 9
	proc4GetList    = 11
	proc4GetStat    = 12

	procsOf4 = 13 // numbers of procedures in version 4
)

// Lengths that arguments may have, in bytes: far more than anything that is meant.
const (
	netidMax = 32
	addrMax  = 128
	ownerMax = 255
)
