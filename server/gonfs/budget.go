package gonfs

import "sync"

// budget bounds the memory that requests in progress take, over all connections.
type budget struct {
	mu   sync.Mutex
	cond sync.Cond
	free int
}

func newBudget(bytes int) *budget {
	b := &budget{free: bytes}
	b.cond.L = &b.mu
	return b
}

// take waits until n bytes are free. Whoever takes holds nothing else of the budget, so somebody always gets on.
func (b *budget) take(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.free < n {
		b.cond.Wait()
	}
	b.free -= n
}

// give returns n bytes.
func (b *budget) give(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	b.cond.Broadcast()
}
