package server_test

import (
	"net/netip"
	"strings"
	"testing"

	"pmemfs/server"
)

func TestMountLines(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:2049": " 127.0.0.1:/ ", "[::1]:2049": " [::1]:/ ",
	} {
		for _, l := range server.MountLines(netip.MustParseAddrPort(addr), "/", false) {
			if !strings.Contains(l.Command, want) || !strings.Contains(l.Command, "port=2049,mountport=2049") {
				t.Errorf("%s on %s: %s", addr, l.System, l.Command)
			}
		}
	}
	for _, l := range server.MountLines(netip.MustParseAddrPort("10.0.0.5:2049"), "/docs", true) {
		if !strings.HasSuffix(strings.TrimRight(l.Command, "mntp/"), "-o vers=3,tcp 10.0.0.5:/docs ") {
			t.Errorf("with a portmapper, on %s: %s", l.System, l.Command)
		}
	}
	for _, l := range server.MountLines(netip.MustParseAddrPort("0.0.0.0:1"), "/", false) {
		if strings.Contains(l.Command, "0.0.0.0") {
			t.Errorf("no address to mount from: %s", l.Command)
		}
	}
}
