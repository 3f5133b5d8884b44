// The engine as a library: an image is made, a file is written, a snapshot is taken, and the file is read as it was.
//
//	go run ./engine files.img
package main

import (
	"errors"
	"fmt"
	"log"
	"os"

	"pmemfs/pmemfs"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("name the image")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(image string) (err error) {
	if err := pmemfs.Format(image, pmemfs.FormatOptions{Size: 64 << 20}); err != nil {
		return err
	}
	fs, err := pmemfs.Open(image, pmemfs.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fs.Close()) }()

	// Everything is done as somebody. This is root; permissions are checked for all others.
	me := &pmemfs.Cred{}
	file, err := fs.Create(me, nil, fs.Root(), []byte("greeting"), &pmemfs.CreateOptions{})
	if err != nil {
		return err
	}
	// When this returns, the text is on the medium.
	if _, _, err := fs.Write(me, nil, file.Handle, []byte("hello"), 0); err != nil {
		return err
	}
	snapshot, err := fs.CreateSnapshot("before", "the first greeting")
	if err != nil {
		return err
	}
	if _, _, err := fs.Write(me, nil, file.Handle, []byte("HELLO"), 0); err != nil {
		return err
	}
	for _, h := range []pmemfs.Handle{file.Handle, file.Handle.In(snapshot.Epoch)} {
		text := make([]byte, 100)
		n, _, err := fs.Read(me, nil, h, text, 0)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", text[:n])
	}
	return nil
}
