//go:build !race

package testpart

const race = false
