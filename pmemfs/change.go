package pmemfs

import (
	"errors"

	"pmemfs/pmemfs/internal/alloc"
	"pmemfs/pmemfs/internal/media"
)

// change is the frame of every call that changes something, as view is that of the calls that only read. A call embeds it or
// has it beside it, hands run what one attempt does, and that uses lock, flush and record.
//
// These are the steps, in this order. Each is undone in the reverse order, whatever ends the call.
//
//	run     enter the gate    Close waits for all who are inside. Behind it nothing is mapped any more.
//	lock    lock the inodes   All that the call reads or changes, in ascending order of stripe: two calls never wait for each
//	                          other in a circle. Only also takes one out of order, and does not wait.
//	flush   flush dirty data  Write-back may hold data of the locked inodes in memory alone. Checks and operations look at the
//	                          medium, so that must have it. A flush is an operation of its own on the same inode: it comes
//	                          before begin, or its stores would be lost under a shadow that was taken earlier.
//	record  guard             From here on a memory fault ends the record with an error. A guard costs 25 ns, so it is not taken
//	                          for lock, which touches no memory of the medium, nor for flush, which has its own.
//	  body  check             What is refused costs no operation. What is checked stays true: the locks are held.
//	        begin             The shadows of an operation are what the body changes; nobody else sees them.
//	record  commit            One fence. Behind it the change is durable and everybody sees it. Then the call learns its post-op
//	                          attributes, still under the locks: nothing came between them and the pre-op attributes.
//	run     release the locks
//	        retry             where the cause of the error could be removed (mayRetry). That may flush and free other files, which
//	                          takes their locks, so none is held.
//	        free an orphan    and the end of the inode file: both lock other inodes too.
//	        leave the gate
//	        name the fault    To name what memory has faulted looks for its owner, under locks of its own, and enters the gate.
//
// Create reserves an inode number before it can lock it, so it begins first and locks inside its body. Unlink and Rename find
// the inodes that names have under the locks of the directories: they flush those in their bodies, before begin. A write makes
// several records under one hold of the lock.
//
// What a call is asked (credentials, names, buffers) is handed down as arguments and not kept in a struct with change: the
// compiler would move all of it to the heap.
type change struct {
	fs   *FS
	call *Call  // what the call asks and learns; nil for nothing
	ino  uint64 // what the call is about: it says which gate, and a fault is named after it

	held   lockSet
	op     *alloc.Op // the operation that has begun, or nil
	tries  retry
	orphan uint64 // an inode that has lost its last name and is to be freed when the locks are released, or 0
	trims  bool   // the call frees inodes, so the inode file may get shorter
}

// errRetry ends an attempt, of a lookup too, that has changed nothing and has found out what the next one has to lock.
var errRetry = errors.New("another attempt is needed")

// run makes attempts until one has succeeded or another would end no better. It is the outermost step; the caller holds no lock.
func (ch *change) run(attempt func() error) (err error) {
	defer ch.fs.finish(&err, ch.ino)
	g, err := ch.fs.enter(ch.ino)
	if err != nil {
		return err
	}
	defer g.RUnlock()
	for {
		if err = ch.once(attempt); err == nil || !ch.mayRetry(err) {
			break
		}
		ch.call.dropPre()
	}
	if ch.orphan != 0 && err == nil {
		ch.fs.reapLater(ch.orphan) // the name is gone for good, and that is what was asked for
	}
	if ch.trims {
		ch.fs.trim(false)
	}
	return err
}

// once makes one attempt, and releases the locks that it took.
func (ch *change) once(attempt func() error) error {
	ch.orphan = 0
	defer ch.held.unlock()
	return attempt()
}

// single is a call of one record under the locks of the given inodes.
func (ch *change) single(body func() error, inos ...uint64) error {
	return ch.run(func() error {
		ch.lock(inos...)
		ch.flush(inos...)
		return ch.record(body)
	})
}

// lock locks inodes until the attempt ends. An attempt calls it once.
func (ch *change) lock(inos ...uint64) { ch.held.lock(&ch.fs.stripes, inos...) }

// also locks one more inode, unless somebody else has its lock: then the attempt ends with errRetry and the next one
// locks it in order.
func (ch *change) also(ino uint64) bool { return ch.held.try(ino) }

// flush flushes what is dirty of locked inodes.
func (ch *change) flush(inos ...uint64) {
	for _, ino := range inos {
		ch.fs.dirty.FlushOrLose(ino)
	}
}

// record makes one record: body checks, begins, and changes shadows; then it is committed. A body that returns nil and has begun
// nothing had nothing to do.
func (ch *change) record(body func() error) (err error) {
	defer ch.fs.region.Unguard(ch.fs.region.Guard(), &err)
	defer ch.end()
	if err := body(); err != nil || ch.op == nil {
		return err
	}
	return ch.call.commit(ch.op)
}

// begin begins the operation of a record.
func (ch *change) begin() *alloc.Op {
	ch.op = ch.fs.a.Begin()
	return ch.op
}

// end drops the operation; nothing has happened unless it was committed.
func (ch *change) end() {
	if ch.op != nil {
		ch.op.Done()
		ch.op = nil
	}
}

// mayRetry is told of the error of an attempt. It returns true when another attempt may end better. No lock is held.
func (ch *change) mayRetry(err error) bool {
	if err == errRetry {
		return true
	}
	return !ch.tries.over && ch.fs.mayRetry(err, &ch.tries)
}

// retryRecord is told of the error of a record of which the call may make the same again, in other blocks: it returns true when bad
// memory was the cause and will now be avoided. The locks are held.
func (ch *change) retryRecord(errp *error) bool {
	ch.tries.moves++
	return ch.tries.moves <= media.RetriesMax && ch.fs.media.RetryWrite(errp, ch.ino)
}
