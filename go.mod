module pmemfs

go 1.26.0
