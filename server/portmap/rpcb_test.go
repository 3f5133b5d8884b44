package portmap

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestVersions3And4 asks what they have in common, and what 4 has more.
func TestVersions3And4(t *testing.T) {
	everywhere(t, New(Config{Services: testServices}), func(a asker, udp, v6 bool) {
		asked := strings.TrimSuffix(uaddr(netip.AddrPortFrom(a.to.Addr(), 0)), ".0.0")
		own := map[bool]string{false: "tcp", true: "tcp6"}[v6]
		other := map[bool]string{true: "tcp", false: "tcp6"}[v6]
		for _, vers := range []uint32{3, 4} {
			a.number(0, vers, procSet, 100003, 3, "tcp", "1.2.3.4.8.1", "root")
			a.number(0, vers, procUnset, 100003, 3, "tcp", "", "")
			a.text(asked+".8.1", vers, procGet, 100003, 3, own, "", "")
			a.text(asked+".8.1", vers, procGet, 100003, 4, own, "9.9.9.9.0.111", "x")
			a.text("", vers, procGet, 100003, 3, "udp", "", "")
			a.text("127.0.0.1.78.80", vers, procGet, 100005, 3, "udp", "", "")
			a.text("::1.19.136", vers, procGet, 100021, 4, "udp6", "", "")
			a.text("", vers, procGet, 100003, 3, "local", "", "")
			a.text("", vers, procGet, 9, 3, own, "", "")
			if !udp {
				a.text(asked+".8.1", vers, procGet, 100003, 3, "", "", "")
			}
			if v6 {
				a.text("10.1.1.1.8.1", vers, procGet, 100003, 3, other, "10.1.1.1.0.111", "")
				a.text("0.0.0.0.8.1", vers, procGet, 100003, 3, other, "nonsense", "")
			} else {
				a.text("fd00::7.8.1", vers, procGet, 100003, 3, other, "fd00::7.0.111", "")
				a.text("::.8.1", vers, procGet, 100003, 3, other, "ff02::1.0.111", "")
			}
			d, err := a.ask(vers, procGetTime)
			if now := d.Uint32(); err != nil || time.Since(time.Unix(int64(now), 0)).Abs() > time.Hour {
				t.Errorf("it is %d, %v", now, err)
			}
			for _, text := range []string{"127.0.0.1.8.1", "fd00::1.1.2"} {
				d, err := a.ask(vers, procUaddr2Taddr, text)
				size, taddr := d.Uint32(), d.Opaque(100)
				if err != nil || int(size) != len(taddr) || !d.Done() {
					t.Fatalf("%s: %d, % x, %v", text, size, taddr, err)
				}
				a.text(text, vers, procTaddr2Uaddr, 100, string(taddr))
			}
			if d, err := a.ask(vers, procUaddr2Taddr, "1.2.3"); err != nil || d.Uint64() != 0 || !d.Done() {
				t.Errorf("an address of no host: %v", err)
			}
			a.text("", vers, procTaddr2Uaddr, 2, "ab")
			a.dump34(vers)
		}
		a.text(asked+".8.1", 4, proc4GetVers, 100003, 3, own, "", "")
		a.text("", 4, proc4GetVers, 100003, 4, own, "", "")
		a.list(v6)
		if d, err := a.ask(4, proc4GetStat); err != nil || len(d.Rest()) != 3*17*4 {
			t.Errorf("GETSTAT: %d bytes, %v", len(d.Rest()), err)
		}
	})
}

func TestUaddr(t *testing.T) {
	for text, want := range map[string]string{"1.2.3.4.8.1": "1.2.3.4:2049", "::1.0.111": "[::1]:111", "fe80::1.255.255": "[fe80::1]:65535",
		"::ffff:1.2.3.4.0.1": "1.2.3.4:1"} {
		if ap, ok := parseUaddr(text); !ok || ap.String() != want {
			t.Errorf("%s is %v", text, ap)
		}
	}
	for _, text := range []string{"", ".", "..", "1.2.3.4", "1.2.3.4.8", "1.2.3.4.8.256", "1.2.3.4.-1.1", "host.0.1", "fe80::1%eth0.0.1", "1.2.3.4.8.1."} {
		if ap, ok := parseUaddr(text); ok {
			t.Errorf("%q is %v", text, ap)
		}
	}
}
