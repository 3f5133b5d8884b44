package crashtest

import (
	"slices"

	"pmemfs/pmemfs/internal/pmem"
)

const (
	lineSize = pmem.LineSize
	wordSize = 8
	// maxVersions is how many stores of a line are kept apart; older ones count as made at once with the first.
	maxVersions = 12
)

// A store is bytes put into one line.
type store struct {
	at   int
	time int // number of the store
	data []byte
}

// A pendingLine is a line of which the medium may hold another version than the certain one.
type pendingLine struct {
	n       int64 // number of the line
	base    [lineSize]byte
	stores  []store // made on top of base, in order
	now     [lineSize]byte
	flushed int            // so many stores had been made at the last flush that is not fenced
	image   [lineSize]byte // the line as it was flushed
}

// A fault of the hardware: what a site is to be deprived of.
type forget struct {
	site  *pmem.Site
	flush bool // lines are not flushed; else the fence is left out
}

// A Medium is what a recorded region's medium certainly holds and what it may hold.
type Medium struct {
	sure       []byte
	pending    map[int64]*pendingLine
	domain     pmem.Domain
	forget     forget
	stores     int                       // so many were made
	calls      map[uint64][]*pendingLine // stored past the cache, by call
	flushes    map[uint64][]*pendingLine // flushed, by call
	becameSure func(line int64)          // told of each line whose certain content changes
	fences     map[*pmem.Site]*SiteCount
}

// SiteCount is how often a site fenced, and how many lines it flushed and copied past the cache.
type SiteCount struct{ Fences, Flushed, Through int }

// newMedium returns a medium of which all is certain.
func newMedium(content []byte, d pmem.Domain) *Medium {
	return &Medium{
		sure: slices.Clone(content), domain: d, pending: map[int64]*pendingLine{},
		calls: map[uint64][]*pendingLine{}, flushes: map[uint64][]*pendingLine{}, fences: map[*pmem.Site]*SiteCount{},
		becameSure: func(int64) {},
	}
}

// count returns the counter of a site.
func (m *Medium) count(s *pmem.Site) *SiteCount {
	c := m.fences[s]
	if c == nil {
		c = new(SiteCount)
		m.fences[s] = c
	}
	return c
}

// on takes an event in.
func (m *Medium) on(e *pmem.Event) {
	switch e.Kind {
	case pmem.Stored:
		m.store(e, nil)
	case pmem.StoredThrough:
		call := m.calls[e.Call]
		m.store(e, &call)
		m.calls[e.Call] = call
	case pmem.Flushed:
		m.flush(e)
	case pmem.Fenced:
		m.fence(e)
	}
}

// store notes a store, line by line. A line stored past the cache needs no flush: it goes to through.
func (m *Medium) store(e *pmem.Event, through *[]*pendingLine) {
	m.stores++
	off, data := e.Range.Off, slices.Clone(e.Data)
	for len(data) > 0 {
		n, at := off/lineSize, int(off%lineSize)
		k := min(len(data), lineSize-at)
		l := m.line(n)
		l.add(store{at, m.stores, data[:k]})
		if through != nil {
			l.markFlushed()
			*through = append(*through, l)
			m.count(e.Site).Through++
		}
		off, data = off+int64(k), data[k:]
	}
}

// line returns the pending line n.
func (m *Medium) line(n int64) *pendingLine {
	l := m.pending[n]
	if l == nil {
		l = &pendingLine{n: n, flushed: -1}
		copy(l.base[:], m.sureLine(n))
		l.now = l.base
		m.pending[n] = l
	}
	return l
}

// sureLine returns what is certain of a line. The last one of a medium may be short.
func (m *Medium) sureLine(n int64) []byte {
	return m.sure[n*lineSize : min((n+1)*lineSize, int64(len(m.sure)))]
}

func (l *pendingLine) add(s store) {
	copy(l.now[s.at:], s.data)
	l.stores = append(l.stores, s)
	if len(l.stores) > maxVersions && l.flushed < 0 {
		copy(l.base[l.stores[0].at:], l.stores[0].data)
		// The first two count as one: nothing is lost, a version in between is not tried.
		l.stores = append(l.stores[:0:0], l.stores[1:]...)
	}
}

func (l *pendingLine) markFlushed() { l.flushed, l.image = len(l.stores), l.now }

// flush notes that lines have been written back, or in the page-cache domain pages.
func (m *Medium) flush(e *pmem.Event) {
	unit := int64(lineSize)
	if m.domain == pmem.PageCache {
		unit = pageSize
	}
	first, end := e.Range.Off/unit*unit/lineSize, ((e.Range.Off+e.Range.Len+unit-1)/unit*unit)/lineSize
	for n := first; n < end; n++ {
		l := m.pending[n]
		if l == nil {
			continue
		}
		m.count(e.Site).Flushed++
		if m.forget.flush && m.forget.site == e.Site {
			continue
		}
		l.markFlushed()
		m.flushes[e.Call] = append(m.flushes[e.Call], l)
	}
}

// fence makes certain what the call flushed or stored past the cache.
func (m *Medium) fence(e *pmem.Event) {
	m.count(e.Site).Fences++
	lines := append(m.flushes[e.Call], m.calls[e.Call]...)
	delete(m.flushes, e.Call)
	delete(m.calls, e.Call)
	for _, l := range lines {
		if m.forget.site == e.Site && !m.forget.flush {
			// Nothing says when they arrive: a goroutine's next fence may be made by another processor.
			l.flushed = -1
			continue
		}
		m.makeSure(l)
	}
}

// makeSure makes the flushed version of a line the certain one.
func (m *Medium) makeSure(l *pendingLine) {
	if l.flushed < 0 || m.pending[l.n] != l {
		return
	}
	copy(m.sureLine(l.n), l.image[:])
	m.becameSure(l.n)
	l.base, l.stores, l.flushed = l.image, l.stores[l.flushed:], -1
	if len(l.stores) == 0 {
		delete(m.pending, l.n)
	}
}

// unit returns which store or copy put the line's latest content there.
func (l *pendingLine) unit() int { return l.stores[len(l.stores)-1].time }

// lines returns the pending lines that may differ from what is certain, by number.
func (m *Medium) lines() []*pendingLine {
	ls := make([]*pendingLine, 0, len(m.pending))
	for _, l := range m.pending {
		if len(l.stores) > 0 && (len(l.stores) > 1 || string(l.now[:len(m.sureLine(l.n))]) != string(m.sureLine(l.n))) {
			ls = append(ls, l)
		}
	}
	slices.SortFunc(ls, func(a, b *pendingLine) int { return int(a.n - b.n) })
	return ls
}

// version returns the line after so many of its stores.
func (l *pendingLine) version(stores int) [lineSize]byte {
	b := l.base
	for _, s := range l.stores[:stores] {
		copy(b[s.at:], s.data)
	}
	return b
}

// torn returns the line after so many stores, with a mask of the words of the next one.
func (l *pendingLine) torn(stores int, words uint8) [lineSize]byte {
	b := l.version(stores)
	if stores == len(l.stores) {
		return b
	}
	s := l.stores[stores]
	for i, c := range s.data {
		if words>>((s.at+i)/wordSize)&1 == 1 {
			b[s.at+i] = c
		}
	}
	return b
}
