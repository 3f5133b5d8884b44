package layout

// Edits is what a change of a node would store, without making it: up to three runs of bytes.
type Edits struct {
	N      int    // runs
	Within [3]int // where in the node each begins
	Len    [3]int
	bytes  []byte // all of them, one after the other
}

// Run returns run i. It is valid until e is used again.
func (e *Edits) Run(i int) []byte {
	from := 0
	for _, n := range e.Len[:i] {
		from += n
	}
	return e.bytes[from : from+e.Len[i]]
}

// open begins a run and returns its bytes, to be filled.
func (e *Edits) open(within, n int) []byte {
	e.Within[e.N], e.Len[e.N] = within, n
	e.N++
	from := len(e.bytes)
	if from+n > cap(e.bytes) {
		e.bytes = append(make([]byte, 0, BlockSize), e.bytes...)
	}
	e.bytes = e.bytes[:from+n]
	return e.bytes[from:]
}

// InsertEdits sets e to what Insert would store. It returns false when Insert would move records.
func (n Node) InsertEdits(i int, key uint64, payload []byte, e *Edits) bool {
	size, count := recordHead+len(payload), n.Count()
	o := n.heap() - size
	if o < nodeHeader+2*(count+1) {
		return false
	}
	e.N, e.bytes = 0, e.bytes[:0]
	rec := e.open(o, size)
	le.PutUint64(rec, key)
	le.PutUint16(rec[8:], uint16(len(payload)))
	copy(rec[recordHead:], payload)
	slots := e.open(nodeHeader+2*i, 2*(count-i)+2)
	le.PutUint16(slots, uint16(o))
	copy(slots[2:], n[nodeHeader+2*i:nodeHeader+2*count])
	n.headEdit(count+1, o, n.Live()+size, e)
	return true
}

// DeleteEdits sets e to what Delete would store. The node must have another record.
func (n Node) DeleteEdits(i int, e *Edits) {
	o, count := n.slot(i), n.Count()
	size := recordHead + len(n.Payload(i))
	e.N, e.bytes = 0, e.bytes[:0]
	slots := e.open(nodeHeader+2*i, 2*(count-i))
	copy(slots, n[nodeHeader+2*i+2:nodeHeader+2*count])
	le.PutUint16(slots[len(slots)-2:], 0)
	heap := n.heap()
	if o == heap {
		heap = o + size
	}
	n.headEdit(count-1, heap, n.Live()-size, e)
}

// headEdit adds count, heap and live.
func (n Node) headEdit(count, heap, live int, e *Edits) {
	h := e.open(32, 8)
	le.PutUint16(h, uint16(count))
	le.PutUint16(h[2:], uint16(heap))
	le.PutUint16(h[4:], uint16(live))
	le.PutUint16(h[6:], 0)
}

// UsedWithout returns Used as it would be without record i.
func (n Node) UsedWithout(i int) int { return n.Used() - NodeRecordOverhead - len(n.Payload(i)) }

// PayloadOffset returns where in the node the payload of record i lies.
func (n Node) PayloadOffset(i int) int { return n.slot(i) + recordHead }
