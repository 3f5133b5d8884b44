package export

import "net/netip"

// Tables are those of the images of one server, whose exports have different names.
type Tables []*Table

// ByPath returns the export of any image with the longest name that dir begins with, the number of its table, and the rest of dir below it; nil
// if there is none.
func (t Tables) ByPath(dir string) (table int, x *Export, rest string) {
	for i, each := range t {
		e, below := each.Load().ByPath(dir)
		if e != nil && (x == nil || len(e.Name) > len(x.Name)) {
			table, x, rest = i, e, below
		}
	}
	return table, x, rest
}

// Admits reports whether a host may use any export of any image.
func (t Tables) Admits(host netip.Addr) bool {
	for _, each := range t {
		if each.Admits(host) {
			return true
		}
	}
	return false
}
