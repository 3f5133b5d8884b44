// The files of an image on the web: http.FileServer over io/fs. The image is opened for reading, so it may lie on a read-only disk, and
// nobody changes it meanwhile. Files are served as nobody in particular: what others may not read, the web does not show.
//
//	go run ./webserver files.img 127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"pmemfs/billyadapter"
	"pmemfs/pmemfs"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: webserver IMAGE ADDRESS")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(image, address string) (err error) {
	engine, err := pmemfs.Open(image, pmemfs.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	nobody := pmemfs.Cred{UID: 65534, GID: 65534}
	files := billyadapter.New(engine, nobody).IOFS()

	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s/\n", listener.Addr())
	server := &http.Server{Handler: http.FileServerFS(files)}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	context.AfterFunc(ctx, func() { ended <- server.Shutdown(context.Background()) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended // what is under way has been answered
}
