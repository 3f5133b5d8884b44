//go:build invariants

package testpart

const invariants = true
