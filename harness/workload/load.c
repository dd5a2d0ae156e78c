//go:build ignore

/* SPDX-License-Identifier: MIT */
/*
 * The workloads: a static program without a library, of two roles.
 *
 *   load MMMMMMMMTTTTTTTT   the child: exits at once. M is the workload's mark, T its token.
 *   load                    the producer: starts children as the table on
 *                           descriptor 4 says, where descriptor 3 is this program,
 *                           or calls getpgid, which makes the events of a storm.
 *
 * A producer is a process of its own, so that starting programs neither locks
 * nor copies the harness (Go serialises its forks), and the child is this same
 * small file, so that an execve costs what the kernel makes of it.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/time.h>
#include <linux/time_types.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include "load.h"

#define IMAGE_FD 3
#define TABLE_FD 4

#ifndef __x86_64__
#error "system calls and the entry point are written for x86-64"
#endif

static inline long call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long call4(long nr, long a, long b, long c, long d)
{
	return call6(nr, a, b, c, d, 0, 0);
}

/*
 * vfork, become uid, execve. In assembly because the child runs on the
 * parent's stack: it must not return, and must not spill.
 *
 * Returns the child's pid, or a negative errno. The child exits with 126 where
 * it could not become uid, and with 127 where execve failed.
 */
long spawn(const char *path, const char *const *argv, const char *const *envp, long uid);
__asm__(".text\n"
	".globl spawn\n"
	"spawn:\n"
	"	mov %rdi, %r8\n"
	"	mov %rsi, %r9\n"
	"	mov %rdx, %r10\n"
	"	mov %rcx, %rdx\n" /* uid, where setresuid wants its third */
	"	mov $58, %eax\n"  /* vfork */
	"	syscall\n"
	"	test %rax, %rax\n"
	"	jnz 1f\n"
	"	test %rdx, %rdx\n" /* uid 0 stays what it is */
	"	jz 2f\n"
	"	mov %rdx, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov $119, %eax\n" /* setresgid */
	"	syscall\n"
	"	test %rax, %rax\n"
	"	jnz 3f\n"
	"	mov $117, %eax\n" /* setresuid */
	"	syscall\n"
	"	test %rax, %rax\n"
	"	jnz 3f\n"
	"2:	mov %r8, %rdi\n"
	"	mov %r9, %rsi\n"
	"	mov %r10, %rdx\n"
	"	mov $59, %eax\n" /* execve */
	"	syscall\n"
	"	mov $127, %edi\n"
	"	jmp 4f\n"
	"3:	mov $126, %edi\n"
	"4:	mov $231, %eax\n" /* exit_group */
	"	syscall\n"
	"1:	ret\n");

static uint64_t clock_ns(int clock)
{
	struct __kernel_timespec ts = {};

	call4(__NR_clock_gettime, clock, (long)&ts, 0, 0);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/*
 * An instruction that does nothing, which a profiler of an emulated machine sees: see
 * vmtest/plugin/layout.h.
 */
#define MARK(kind) __asm__ volatile(".byte 0x0f, 0x1f, 0x80, " kind ", 0x77, 0x74, 0x72" ::: "memory")
#define MARK_STRETCH MARK("0x10") /* begins when the CPU time is read next */
#define MARK_END MARK("0x20")

static void mark_each(const uint64_t *at)
{
	uint64_t loaded;

	__asm__ volatile(".byte 0x0f, 0x1f, 0x80, 0x30, 0x77, 0x74, 0x72; mov (%1), %0" : "=r"(loaded) : "r"(at) : "memory");
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void sleep_until(uint64_t ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = (long long)(ns / 1000000000ULL),
		.tv_nsec = (long long)(ns % 1000000000ULL),
	};

	while (call4(__NR_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, (long)&ts, 0) == -EINTR)
		;
}

/*
 * Once in each period, at another point of it each time, evenly spread: a load in step
 * with the kernel's own timers would meet them always or never. The multiplier is 2^32
 * by the golden ratio (Knuth, The Art of Computer Programming, 6.4). Pace.Due in
 * workload.go says the same.
 */
static uint64_t due(const struct table *t, uint64_t i)
{
	uint64_t part = (uint32_t)(i * 2654435769U);

	return t->begin_ns + i * t->period_ns + (uint64_t)((unsigned __int128)part * t->period_ns >> 32);
}

static void await(const struct table *t, uint64_t i)
{
	if (t->period_ns == TURNS)
		__builtin_ia32_pause();
	else
		sleep_until(due(t, i));
}

static void wait_for(uint32_t *word)
{
	while (!__atomic_load_n(word, __ATOMIC_ACQUIRE))
		call4(__NR_futex, (long)word, FUTEX_WAIT, 0, 0);
}

static void raise_word(uint32_t *word)
{
	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
	call4(__NR_futex, (long)word, FUTEX_WAKE, 1, 0);
}

/* 48 bits as eight characters, none of them NUL. */
static void encode(uint64_t n, char *text)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

	for (int i = 7; i >= 0; i--, n >>= 6)
		text[i] = digits[n & 63];
}

/*
 * The argument tells the twin whose call it is and which: the kernel looks at its
 * lower half only, and finds no such process, or one.
 */
static void storm(struct table *t, uint64_t begun_ns)
{
	uint64_t length = t->count / STRETCHES, left = length;
	uint64_t *stretch = t->stretch_ns;

	for (uint64_t i = 0; i < t->count; i++) {
		if (t->period_ns)
			await(t, i);
		call4(__NR_getpgid, (long)(t->mark << 32 | (uint32_t)(t->first_token + i)), 0, 0, 0);
		__atomic_store_n(&t->done, i + 1, __ATOMIC_RELEASE);
		if (--left == 0) {
			MARK_STRETCH;
			*stretch++ = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun_ns;
			left = stretch < t->stretch_ns + STRETCHES ? length : 0;
		}
	}
}

static void start_programs(struct table *t)
{
	/*
	 * On the stack, and so written and present: a twin reads argv where it
	 * may not sleep, and a page that was never touched would fail it.
	 */
	char arg[] = "mmmmmmmmtttttttt";
	const char *const argv[] = { "ringtwin-load", arg, NULL };
	const char *const envp[] = { NULL };

	__builtin_memcpy(arg, &t->mark, sizeof(t->mark));
	for (uint64_t i = 0; i < t->count; i++) {
		struct start *s = &t->start[i];

		if (t->period_ns)
			sleep_until(due(t, i));
		encode(t->first_token + i, arg + 8);
		__builtin_memcpy(&s->token, arg + 8, sizeof(s->token));
		s->uid = t->uid[i % t->uids];
		s->time_ns = now_ns();

		long pid = spawn("/proc/self/fd/3", argv, envp, s->uid);

		if (pid < 0) {
			s->status = (int32_t)pid;
		} else {
			s->pid = (uint32_t)pid;
			while (call4(__NR_wait4, pid, (long)&s->status, 0, 0) == -EINTR)
				;
		}
		__atomic_store_n(&t->done, i + 1, __ATOMIC_RELEASE);
	}
}

static int produce(struct table *t)
{
	uint64_t cpu_ns;

	raise_word(&t->ready);
	wait_for(&t->go);
	if (t->lead_ns)
		sleep_until(now_ns() + t->lead_ns);
	mark_each(&t->done);
	MARK_STRETCH;
	cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	t->begin_ns = now_ns();
	if (t->storm)
		storm(t, cpu_ns);
	else
		start_programs(t);
	t->end_ns = now_ns();
	MARK_END;
	t->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
	return 0;
}

__attribute__((used)) int load_main(long *stack)
{
	long argc = stack[0];
	struct table *t;
	long size;

	if (argc > 1)
		return 0;
	/* Not the name of a descriptor, which is what execve made of it. */
	call4(__NR_prctl, PR_SET_NAME, (long)"ringtwin-load", 0, 0);
	call4(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
	size = call4(__NR_lseek, TABLE_FD, 0, 2 /* SEEK_END */, 0);
	if (size < (long)sizeof(*t))
		return 2;
	t = (struct table *)call6(__NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, TABLE_FD, 0);
	if ((unsigned long)t > -4096UL)
		return 2;
	return produce(t);
}

__asm__(".text\n"
	".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call load_main\n"
	"	mov %eax, %edi\n"
	"	mov $231, %eax\n"
	"	syscall\n");
