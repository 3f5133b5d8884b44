//go:build !linux

package rpc

const wideFrom = 32 << 10

// widen does nothing where a socket has no word for it.
func widen(uintptr) {}
