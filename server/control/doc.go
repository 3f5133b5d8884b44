// Package control is how commands reach a running server: HTTP and JSON over a socket beside the image, which root and the
// server's user alone can use. docs/api.md says what there is.
//
// An Operation is something that can be done to an open image. It is one function, whoever calls it: Server answers requests
// with it, Client makes such requests, and a command that has opened the image by itself calls Operation.Do. So all give
// the same results and the same errors.
//
// # A new operation
//
// It is a variable of type Operation, with its request and its reply as structs of its own or of the engine, and a line in operations. Its
// fields have JSON names, and a doc tag says what they mean. Then
//
//	go test ./server/control -run TestSchema -update
//
// writes schema.json anew, and docs/api.md gets a section: TestDocument says what is missing there. Fields may be added to a
// request if leaving them out means what it meant before, and to a reply. Everything else that changes needs another version.
//
// # Concurrency and durability
//
// Requests are handled side by side, each on a goroutine of its own, and none holds a lock while it waits for a client. A reply that
// says that something has changed comes after the change is durable.
package control
