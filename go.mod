module pmemfs

go 1.26.0

require golang.org/x/sys v0.49.0

require github.com/dchest/siphash v1.2.3 // indirect
