// Package integration runs pmemfs as its users meet it: the real binary, real
// kernels as clients, real containers. It holds tests only; what they share is
// in the packages below it:
//
//	integration/harness  builds the binary once; starts, kills and stops `pmemfs serve`
//	integration/uml      boots a Linux kernel in user mode, as an ordinary process
//	integration/qemu     boots a newer one in an emulated PC, with persistent memory
//	integration/vm       what both share: the initramfs and the line to the guest
//	integration/rawnfs   an NFSv3 client that asks once, for servers that are killed
//	integration/guest    the static program that works inside that kernel
//	integration/style    the house rules, as tests
//
// Nothing here is skipped. A package that is missing on the host fails the
// test that needs it, with the apt-get line that installs it.
//
// Every test that started a server ends by stopping it and by running
// `pmemfs check` on its image.
package integration
