package inode

// SkipGenerations uses up n generations.
func (t *Table) SkipGenerations(n uint64) { t.gen.Add(n) }

const GenAhead = genAhead
