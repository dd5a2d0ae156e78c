/* SPDX-License-Identifier: MIT */
/*
 * What the harness and a producer process share: one page-aligned mapping.
 * table.go mirrors these layouts; a test holds the two together.
 */
#ifndef RINGTWIN_LOAD_H
#define RINGTWIN_LOAD_H

#include <stdint.h>

#define MAX_UIDS 8
#define STRETCHES 64

/*
 * As a period: before each call, the CPU gives its turn to the next one, where an emulator
 * runs them in turn.
 */
#define TURNS UINT64_MAX

/* One started program: the ground truth of one execve. */
struct start {
	uint64_t token;	  /* eight printable characters, as argv[1] carries them */
	uint64_t time_ns; /* CLOCK_MONOTONIC, just before the fork */
	uint32_t pid;
	uint32_t uid;
	int32_t status; /* wait status; negative errno where the fork failed */
	uint32_t pad;
};

struct table {
	uint32_t ready;	      /* futex: the producer sets it to 1 */
	uint32_t go;	      /* futex: the harness sets it to 1 */
	uint64_t count;	      /* programs to start, or calls to make */
	uint64_t done;	      /* of these, done so far */
	uint64_t period_ns;   /* 0: as fast as possible; TURNS: see there */
	uint64_t mark;	      /* eight characters in front of every token */
	uint64_t first_token; /* number that the first token encodes */
	uint64_t lead_ns;     /* how long it sleeps between go and the first start */
	uint64_t begin_ns;    /* CLOCK_MONOTONIC at the first start */
	uint64_t end_ns;      /* and after the last program was reaped, or call made */
	uint64_t cpu_ns;      /* CPU time of the producer between the two */
	uint32_t uids;
	uint32_t uid[MAX_UIDS]; /* used in turn */
	uint32_t storm;		/* calls of getpgid instead of programs; start is empty */
	/*
	 * CPU time at the end of each stretch of a storm, of count / STRETCHES calls;
	 * the calls that remain are in none.
	 */
	uint64_t stretch_ns[STRETCHES];
	struct start start[];
};

#endif
