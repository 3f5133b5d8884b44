package pmemfs_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"pmemfs/pmemfs"
)

// Example makes an image, stores a file in it, and finds it again.
func Example() {
	dir, err := os.MkdirTemp("", "pmemfs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "example.img")
	if err := pmemfs.Format(path, pmemfs.FormatOptions{Size: 16 << 20, RootMode: 0o755}); err != nil {
		log.Fatal(err)
	}
	fs, err := pmemfs.Open(path, pmemfs.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer fs.Close()

	root := &pmemfs.Cred{} // user 0
	file, err := fs.Create(root, nil, fs.Root(), []byte("hello"), &pmemfs.CreateOptions{Mode: pmemfs.Guarded})
	if err != nil {
		log.Fatal(err)
	}
	if _, _, err := fs.Write(root, nil, file.Handle, []byte("Hello, world!"), 0); err != nil {
		log.Fatal(err)
	}
	// What was written survives a power cut from here on.

	err = fs.Readdir(root, nil, fs.Root(), 0, true, func(e *pmemfs.DirEntry) bool {
		if name := string(e.Name); name != "." && name != ".." {
			fmt.Println(name, e.Attr.Size)
		}
		return true
	})
	if err != nil {
		log.Fatal(err)
	}
	p := make([]byte, 100)
	n, eof, err := fs.Read(root, nil, file.Handle, p, 7)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %v\n", p[:n], eof)
	// Output:
	// hello 13
	// world! true
}

// ExampleFS_TryLock has two clients lock a file, of whom one comes too late.
func ExampleFS_TryLock() {
	fs, err := pmemfs.OpenMemory(16<<20, pmemfs.DomainVolatile, pmemfs.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer fs.Close()
	root := &pmemfs.Cred{}
	file, err := fs.Create(root, nil, fs.Root(), []byte("data"), &pmemfs.CreateOptions{})
	if err != nil {
		log.Fatal(err)
	}
	lock := pmemfs.FileLock{Owner: pmemfs.LockOwner{Client: "alice", ID: "1"}, Exclusive: true, Start: 0, End: pmemfs.LockEOF}
	fmt.Println("alice:", fs.TryLock(root, nil, file.Handle, lock))

	other := pmemfs.FileLock{Owner: pmemfs.LockOwner{Client: "bob", ID: "7"}, Start: 100, End: 199}
	err = fs.TryLock(root, nil, file.Handle, other)
	fmt.Println("bob:", err, errors.Is(err, pmemfs.ErrConflict))

	// WaitLock asks for the lock: it is granted when the other owner lets it go.
	granted := make(chan error, 1)
	if _, err := fs.WaitLock(root, nil, file.Handle, other, func(err error) { granted <- err }); err != nil {
		log.Fatal(err)
	}
	if err := fs.Unlock(file.Handle, lock.Owner, 0, pmemfs.LockEOF); err != nil {
		log.Fatal(err)
	}
	fmt.Println("bob, later:", <-granted)
	// Output:
	// alice: <nil>
	// bob: locked by another owner true
	// bob, later: <nil>
}
