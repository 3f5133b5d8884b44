//go:build !linux

package rpc

// widen does nothing where a socket has no word for it.
func widen(uintptr) {}
