//go:build ignore

/* SPDX-License-Identifier: MIT */
/*
 * The smallest init that can say that it runs: copies /frame to the control
 * port and waits. What a machine takes to get here is what no program of ours
 * can change; see BenchmarkBoot.
 */
#include <asm/unistd.h>
#include <fcntl.h>

static long call3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

void _start(void)
{
	char frame[512];
	long in = call3(__NR_open, (long)"/frame", O_RDONLY, 0);
	long n = call3(__NR_read, in, (long)frame, sizeof(frame));
	long out = call3(__NR_open, (long)"/dev/ttyS1", O_WRONLY | O_NOCTTY, 0);

	call3(__NR_write, out, (long)frame, n);
	for (;;)
		call3(__NR_pause, 0, 0, 0);
}
