package crashtest

// pages tries what the kernel may have written back of an ordinary file: whole pages, each as it was at some time since
// the last sync, in any order.
func (x *explorer) pages() {
	all := x.medium.lines()
	groups := groupPages(all)
	x.imageOfPages(groups, func(int, int) int { return 1 << 30 })
	x.image(nil)
	for i := range groups {
		x.imageOfPages(groups, only(i))
		x.imageOfPages(groups, allBut(i))
		if i == 2*x.limits.Exhaustive {
			break
		}
	}
	if n := len(groups); n <= x.limits.Exhaustive {
		for mask := range uint64(1) << n {
			x.imageOfPages(groups, func(g, latest int) int { return latest * int(mask>>g&1) })
		}
	}
	for range x.limits.Subsets {
		share := 1 + x.rng.IntN(7)
		x.imageOfPages(groups, func(_, latest int) int {
			switch {
			case x.rng.IntN(8) >= share:
				return 0
			case x.rng.IntN(2) == 0:
				return latest
			}
			return x.rng.IntN(latest + 1)
		})
	}
}

func only(i int) func(g, latest int) int {
	return func(g, latest int) int {
		if g == i {
			return latest
		}
		return 0
	}
}

func allBut(i int) func(g, latest int) int {
	return func(g, latest int) int {
		if g != i {
			return latest
		}
		return 0
	}
}

// groupPages joins the lines of each page.
func groupPages(ls []*pendingLine) (groups [][]*pendingLine) {
	for i, l := range ls {
		if i > 0 && l.n/(pageSize/lineSize) == ls[i-1].n/(pageSize/lineSize) {
			groups[len(groups)-1] = append(groups[len(groups)-1], l)
		} else {
			groups = append(groups, []*pendingLine{l})
		}
	}
	return groups
}

// imageOfPages judges the image in which page g is as it was at the time that pick chooses, given the latest. Times are
// numbers of stores to the medium.
func (x *explorer) imageOfPages(groups [][]*pendingLine, pick func(g, latest int) int) {
	var cs []choice
	for g, ls := range groups {
		latest := 0
		for _, l := range ls {
			latest = max(latest, l.stores[len(l.stores)-1].time)
		}
		first := latest
		for _, l := range ls {
			first = min(first, l.stores[0].time)
		}
		at := pick(g, latest-first+1) + first - 1
		for _, l := range ls {
			n := 0
			for n < len(l.stores) && l.stores[n].time <= at {
				n++
			}
			if n > 0 {
				cs = append(cs, choice{l.n, l.version(n)})
			}
		}
	}
	x.image(cs)
}
