// Package systemd is what a service and the manager that started it tell each other: sockets that the manager listens on already, that the
// service is ready, is reloading or is stopping, and that it is alive. The protocols are those of sd_listen_fds(3) and sd_notify(3). Without
// such a manager there are no sockets and nothing is told.
//
// # Concurrency
//
// Inherited is called once, before others open files. Everything else may be called by any number of goroutines.
package systemd
