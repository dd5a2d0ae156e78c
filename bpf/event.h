/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * What a twin sends and what it counts. bpf/event.go mirrors these layouts;
 * layout_test.go holds the two against the BTF of the compiled objects.
 */
#ifndef RINGTWIN_EVENT_H
#define RINGTWIN_EVENT_H

#define COMMAND_BYTES 16
#define MESSAGE_BYTES 12
#define TEXT_BYTES 13

/* A power of two. The largest errno that an output has is EOPNOTSUPP, 95. */
#define ERRNO_SLOTS 128

/* Classes of sizes that the events of a storm have in turn. */
#define SIZE_CLASSES 16

/* Where events wait to be sent together: half of what a value of a CPU can have. */
#define STAGE_BYTES (16 * 1024)

/* Exactly one cache line, without implicit padding, before the payload tail. */
struct event {
	__u64 time_ns; /* CLOCK_MONOTONIC, taken before the output call */
	__u64 token;   /* the workload's; 0 for anybody else's execve */
	__u32 seq;     /* per CPU, stamped on every attempt, from 0 */
	__u32 pid;     /* thread group id */
	__u32 uid;
	__u32 checksum; /* of these 64 bytes with this field as 0 */
	__u16 cpu;
	__u16 payload_bytes; /* length of the tail */
	char message[MESSAGE_BYTES];
	char command[COMMAND_BYTES];
	__u64 payload[]; /* word i is payload_word(token, i) */
};

/*
 * What a storm sends: its first event_bytes bytes, then nothing that matters up
 * to the last eight bytes, which from 40 bytes on are storm_last(). Filling all
 * of it would be measured instead of the transport.
 */
struct storm_event {
	__u32 seq; /* per CPU, stamped on every attempt, from 0 */
	__u16 cpu;
	__u16 checksum; /* of what is sent of these 32 bytes, with this field as 0 */
	__u64 time_ns;	/* from 16 bytes on: CLOCK_MONOTONIC, before the output call */
	__u64 token;	/* from 24 bytes on: argument of the system call */
	__u64 zero;	/* from 32 bytes on */
};

/* Values of wakeup. */
#define WAKEUP_ADAPTIVE 0 /* the kernel decides */
#define WAKEUP_EVERY 1	  /* BPF_RB_FORCE_WAKEUP */
#define WAKEUP_BATCH 2	  /* the same once wakeup_bytes wait, else never */
#define WAKEUP_NEVER 3	  /* BPF_RB_NO_WAKEUP: the reader looks by itself */

/*
 * What user space stores in the config map for a uid: at most MESSAGE_BYTES, and
 * always a NUL behind it, without which bpftool would not show it as a string.
 * A constant of 16 bytes would be in .rodata.cst16, which bpf2go cannot read.
 */
struct message {
	char message[TEXT_BYTES];
};

/* One per CPU: no atomics, which 5.10 could not verify in every form. */
struct counters {
	__u64 triggers;		    /* system calls seen */
	__u64 foreign;		    /* of these, not the workload's, and not sent */
	__u64 attempts;		    /* events tried to send: batch for each of the others */
	__u64 discarded;	    /* reserved, then given back */
	__u64 staged;		    /* not sent yet: they wait for others */
	__u64 records;		    /* that were sent, of several events each */
	__u64 outcome[ERRNO_SLOTS]; /* of the others: at 0 accepted by the kernel, else refused, by errno */
};

/*
 * A ring in an array that user space maps. Each position has a cache line of its own
 * that only one side writes, and grows for ever.
 */
struct array_ring {
	__u64 produced;
	__u64 pad1[7];
	__u64 consumed;
	__u64 pad2[7];
	__u8 data[]; /* records: their length in eight bytes, and the event */
};

#endif
