// Package admin is the HTTP port for those who watch a server: metrics, health, a page to look at, and the control interface for whoever
// has a token. By default it is on loopback.
//
// Whoever can connect may read what the page shows. Nothing that changes anything is answered without a token, and none of it is for
// pages of other sites: a browser is refused that calls the port by a name that it does not know (DNS rebinding), and what another
// site's page asks for.
//
// # Bounds
//
// So many connections are answered at once; a newcomer takes the place of the one that has been idle or slow the longest, of the address
// that has most. Of health one answer is made at a time, of metrics two, and of what the
// control interface tells everybody so many as readsMost says.
//
// # Concurrency and durability
//
// Everything may be called by any number of goroutines. No handler holds a lock while it waits for a client.
package admin
