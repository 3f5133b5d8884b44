// A ptrace(2) for User-mode Linux on processors whose register state is larger than its kernel knows (with AMX it is 11 KiB).
//
// Linux takes PTRACE_SETREGSET of NT_X86_XSTATE only with the whole state (arch/x86/kernel/fpu/regset.c, xstateregs_set) and
// answers EFAULT otherwise; User-mode Linux 6.1 passes what it has room for and panics. This one then reads the whole state,
// puts what it was passed over its beginning, and sets that. Everything else goes to the system as it is.
//
// It says so once, on standard error. With XSTATE_SHORT in the environment it first tries with less than any processor has, so
// that the other way can be tested on every processor.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

enum {
	header = 512,            // offset of the state's header, whose first word says which components are there
	legacy = header + 64,    // bytes that every processor's state has
	room = 64 << 10,         // more than any state
};

// known are the components that lie within what User-mode Linux passes: those before AMX's, which are 17 and 18.
static const uint64_t known = (1ull << 17) - 1;

static long raw(long request, long pid, void *addr, void *data) { return syscall(SYS_ptrace, request, pid, addr, data); }

static long widen(long pid, void *kind, const struct iovec *part, size_t tried) {
	static __thread char whole[room] __attribute__((aligned(64)));
	static int said;
	struct iovec iov = {whole, sizeof whole};
	if (raw(PTRACE_GETREGSET, pid, kind, &iov) != 0)
		return -1;
	if (iov.iov_len <= tried) { // that was not the reason
		errno = EFAULT;
		return -1;
	}
	if (!__atomic_exchange_n(&said, 1, __ATOMIC_RELAXED))
		fprintf(stderr, "xstate: the host wants %zu bytes of registers, the kernel passes %zu: widened\n", iov.iov_len, tried);
	uint64_t before, after;
	memcpy(&before, whole + header, sizeof before);
	memcpy(whole, part->iov_base, part->iov_len < iov.iov_len ? part->iov_len : iov.iov_len);
	memcpy(&after, whole + header, sizeof after);
	after = (after & known) | (before & ~known);
	memcpy(whole + header, &after, sizeof after);
	return raw(PTRACE_SETREGSET, pid, kind, &iov);
}

long ptrace(enum __ptrace_request request, ...) {
	va_list args;
	va_start(args, request);
	pid_t pid = va_arg(args, pid_t);
	void *addr = va_arg(args, void *);
	void *data = va_arg(args, void *);
	va_end(args);

	if (request >= PTRACE_PEEKTEXT && request <= PTRACE_PEEKUSER) { // the library's returns the word, the system stores it
		long word = 0;
		if (raw(request, pid, addr, &word) < 0)
			return -1;
		errno = 0;
		return word;
	}
	if (request != PTRACE_SETREGSET || (uintptr_t)addr != NT_X86_XSTATE)
		return raw(request, pid, addr, data);
	struct iovec iov = *(const struct iovec *)data;
	if (getenv("XSTATE_SHORT") && iov.iov_len > legacy)
		iov.iov_len = legacy;
	long result = raw(request, pid, addr, &iov);
	if (result == 0 || errno != EFAULT)
		return result;
	return widen(pid, addr, data, iov.iov_len);
}
