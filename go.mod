module pmemfs

go 1.26.0

require (
	github.com/dchest/siphash v1.2.3
	github.com/willscott/go-nfs-client v0.0.0-20240104095149-b44639837b00
	golang.org/x/sys v0.49.0
)

require github.com/rasky/go-xdr v0.0.0-20170124162913-1a41d1a06c93 // indirect
