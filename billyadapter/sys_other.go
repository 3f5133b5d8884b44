//go:build !linux

package billyadapter

// Sys returns the object's pmemfs.Attr: this system's stat structure is not one that pmemfs fills in.
func (i *FileInfo) Sys() any { return i.attr }
