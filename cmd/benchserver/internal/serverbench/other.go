//go:build !linux

package serverbench

import (
	"context"
	"errors"
	"net"
)

var errLinux = errors.New("servers are measured on Linux only")

// WantsEnclosure is false where there are no namespaces.
func (o *Options) WantsEnclosure() bool { return false }

// Enclose fails where there are no namespaces.
func Enclose(context.Context, []string) error { return errLinux }

// Run fails where nothing can be measured.
func Run(context.Context, Options) (*Report, error) { return nil, errLinux }

// Echo fails where nothing can be measured.
func Echo(net.Listener, string, bool) error { return errLinux }
