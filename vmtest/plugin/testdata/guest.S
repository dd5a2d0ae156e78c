/* SPDX-License-Identifier: MIT */
/*
 * A guest whose counts are known by hand. All of it is mapped twice: at its physical
 * address, where what it executes is a program's, and HIGH above, where it is the
 * kernel's.
 *
 * Each WINDOW is one test: see guest_test.go. The guest reports the CPU time of each.
 */
#define HIGH 0xffffffff80000000
#define PORT_REPORT 0xe9
#define PORT_EXIT 0x501

#define APIC_PRIORITY 0xfee00080

#define SWEPT 131072 /* lines: 8 MiB */

#ifdef SHARES
#define TURN shares
#define TURN_BELOW shares
#else
#define TURN yields
#define TURN_BELOW yields_below
#endif

#ifndef PLANT
#define PLANT 0 /* instructions */
#endif
#ifndef STORES
#define STORES 0 /* stores to lines of their own */
#endif

.macro MARK kind
	.byte 0x0f, 0x1f, 0x80, \kind, 0x77, 0x74, 0x72
.endm

/* 2 instructions of the program, and the store of the return address. */
.macro KERNEL function
	movabs	$\function + HIGH, %rax
	call	*%rax
.endm

.macro OPEN
	MARK	0x40
	MARK	0x11
	KERNEL	task_sched_runtime
	mov	%rax, %rbx
.endm

/* The report is not a part of the window. */
.macro CLOSE
	MARK	0x20
	KERNEL	task_sched_runtime
	sub	%rbx, %rax
	mov	%eax, (%r15)
	add	$4, %r15
.endm

/* A call, of which the last instruction accesses no memory. */
.macro PROGRAM
	lea	1f(%rip), %rax
	push	%rax
	jmp	*%rdi
1:
.endm

.macro WINDOW function
	OPEN
	KERNEL	\function
	CLOSE
.endm

.macro GATE vector, function
	movabs	$\function + HIGH, %rax
	mov	$idt + \vector * 16, %edi
	mov	%ax, (%rdi)
	movw	$8, 2(%rdi)
	movw	$0x8e00, 4(%rdi)
	shr	$16, %rax
	mov	%ax, 6(%rdi)
	shr	$16, %rax
	mov	%eax, 8(%rdi)
.endm

/* ---- how QEMU enters it: PVH, in 32 bits ---- */

	.section .note.pvh, "a", @note
	.long	4, 4, 18
	.asciz	"Xen"
	.long	_start

	.text
	.globl	_start
	.code32
_start:
	mov	$program, %ebx
long_mode:
	mov	$pml4, %eax
	mov	%eax, %cr3
	mov	%cr4, %eax
	or	$0x20, %eax /* PAE */
	mov	%eax, %cr4
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x100, %eax /* EFER.LME */
	wrmsr
	mov	%cr0, %eax
	or	$0x80000000, %eax
	mov	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$8, $1f
	.code64
1:	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	jmp	*%rbx

/* ---- the program ---- */

program:
	GATE	6, asm_exc_invalid_op
	GATE	13, asm_exc_general_protection
	GATE	14, asm_exc_page_fault
	lidt	idt_pointer

	movabs	$stack_b + 16384 - 8 + HIGH, %rax
	movq	$other_thread, (%rax)
	mov	%rax, task_b + 8
	movabs	$stack_a + 16384 + HIGH, %rsp
	mov	$report, %r15d
	mov	$task_a, %edi /* from itself to itself: the plugin learns the stack */
	mov	%edi, %esi
	mov	%rsi, rq + 8
	KERNEL	__switch_to

#ifdef CPUS
	jmp	first_cpu
#endif
	WINDOW	straight
	WINDOW	loop
	WINDOW	crossing
	WINDOW	outer
	WINDOW	tail_first
	WINDOW	memory
	WINDOW	strings
	WINDOW	planted
	WINDOW	sweep

	mov	$0x40000000, %edi
	WINDOW	fault_within
	mov	$0x40200000, %edi
	movabs	$fault_landed + HIGH, %rax
	mov	%rax, lazy
	WINDOW	fault_at_end
	mov	$0x40400000, %edi
	movb	$0xc3, lazy /* ret */
	OPEN
	PROGRAM
	CLOSE
	mov	$0x40800000 - 1, %edi /* the last byte of a page */
	movb	$0x90, lazy + 0x1fffff /* nop */
	OPEN
	PROGRAM
	CLOSE
	WINDOW	fault_of_opcode
	WINDOW	fault_of_segment

	WINDOW	calls_stranger

	/* A window of this thread, in which it leaves for the other and comes back. */
	mov	$task_a, %edi
	mov	$task_b, %esi
	WINDOW	__schedule

	/* The first touches after a tick are counted again. */
	MARK	0x30
	mov	tick, %rcx
	OPEN
	KERNEL	toucher
	movq	$1, tick
	KERNEL	toucher
	CLOSE

	WINDOW	classes

#ifdef REPEAT /* to measure how fast it is counted */
	mov	$REPEAT, %ebp
1:	KERNEL	busy
	movq	$1, tick
	dec	%ebp
	jnz	1b
#endif
finish:
	mov	$report, %esi
	mov	%r15, %rcx
	sub	%rsi, %rcx
	mov	$PORT_REPORT, %edx
	rep outsb
	mov	$PORT_EXIT, %edx
	mov	$1, %eax
	out	%al, %dx
	hlt

#ifdef CPUS
/*
 * Two vCPUs, of which each has windows: within them it pauses, and QEMU turns to the other
 * one. They start together. The time of a window is here of both.
 */
#define APIC_COMMAND 0xfee00300

first_cpu:
	mov	$trampoline, %esi
	mov	$0x8000, %edi
	mov	$trampoline_end - trampoline, %ecx
	rep movsb
	mov	$APIC_COMMAND, %edi
	movl	$0xc4500, (%rdi) /* INIT, to all others */
	pause
	movl	$0xc4608, (%rdi) /* they start at 0x8000 */
1:	pause
	cmpl	$0, started
	je	1b
	.rept	3
	WINDOW	TURN
	.endr
1:	pause
	cmpl	$0, done
	je	1b
	jmp	finish

	.code16
trampoline:
	cli
	lgdtl	%cs:trampoline_gdt - trampoline
	mov	%cr0, %eax
	or	$1, %eax
	mov	%eax, %cr0
	ljmpl	$24, $second_start
trampoline_gdt:
	.word	gdt_pointer - gdt - 1
	.long	gdt
trampoline_end:

	.code32
second_start:
	mov	$32, %eax
	mov	%eax, %ds
	mov	$second_cpu, %ebx
	jmp	long_mode

	.code64
second_cpu:
	movabs	$stack_b + 16384 + HIGH, %rsp
	mov	$second_report, %r15d
	mov	$task_b, %edi
	mov	%edi, %esi
	KERNEL	__switch_to
	movl	$1, started
	.rept	3
	WINDOW	TURN_BELOW
	.endr
	movl	$1, done
1:	hlt
	jmp	1b
#endif

/* It is switched to within the window of the other, and has one of its own. */
other_thread:
	mov	%rbx, %r12
	OPEN
	KERNEL	straight
	CLOSE
	mov	%r12, %rbx
	mov	$task_b, %edi
	mov	$task_a, %esi
	KERNEL	__schedule
	ud2

/* ---- the kernel: what it is called by gives it its role ---- */

.macro FUNCTION name
	.type	\name, @function
	.balign	16
\name:
.endm

FUNCTION native_sched_clock
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	ret

FUNCTION update_rq_clock
	call	native_sched_clock
	ret

FUNCTION task_sched_runtime
	call	update_rq_clock
	mov	rq + 8(%rip), %rcx
	mov	%rax, %rdx
	sub	rq(%rip), %rdx
	add	%rdx, (%rcx)
	mov	%rax, rq(%rip)
	mov	(%rcx), %rax
	ret

FUNCTION __schedule
	call	update_rq_clock
	mov	%rax, %rdx
	sub	rq(%rip), %rdx
	add	%rdx, (%rdi)
	call	pick_next_task
	mov	%rsi, rq + 8(%rip)
	add	$8, %rdi
	add	$8, %rsi
	call	__switch_to
	ret

/* The time until its update is of nobody. */
FUNCTION pick_next_task
	call	update_rq_clock
	mov	%rax, rq(%rip)
	ret

FUNCTION __switch_to
	mov	%rsp, (%rdi)
	mov	(%rsi), %rsp
	ret

/* As another kernel would, it maps what is missing. */
FUNCTION asm_exc_page_fault
	mov	%cr2, %r10
	shr	$21, %r10
	and	$511, %r10
	lea	pd_lazy(%rip), %r11
	movq	$lazy + 0x83, (%r11, %r10, 8)
	add	$8, %rsp
	iretq

/* As kernels do after a warning, these continue behind the instruction. */
FUNCTION asm_exc_general_protection
	add	$8, %rsp
	addq	$2, (%rsp)
	iretq

FUNCTION asm_exc_invalid_op
	addq	$2, (%rsp)
	iretq

FUNCTION straight
	.rept	10
	nop
	.endr
	ret

FUNCTION loop
	mov	$5, %ecx
1:	dec	%ecx
	jnz	1b
	ret

/* The mov is in two pages. QEMU names it in the block that ends before it, too. */
	.balign	4096
	.skip	4096 - 32
FUNCTION crossing
	mov	(%rsp), %rcx
	.rept	25
	nop
	.endr
	mov	$1, %eax
	ret

FUNCTION outer
	nop
	call	middle
	call	middle
	ret

FUNCTION middle
	nop
	nop
	call	inner
	ret

FUNCTION inner
	nop
	nop
	nop
	ret

FUNCTION tail_first
	nop
	jmp	tail_second

FUNCTION tail_second
	nop
	nop
	ret

FUNCTION memory
	mov	data(%rip), %rax      /* load 8, the first line */
	movzwl	data + 8(%rip), %eax  /* load 2 */
	movb	$1, data + 16(%rip)   /* store 1 */
	mov	%eax, data + 62(%rip) /* store 4, the first and the second line */
	addl	$1, data + 128(%rip)  /* load and store 4, the third line */
	lock addl $1, data + 132(%rip)
	xchg	%eax, data + 136(%rip)
	ret

FUNCTION strings
	lea	data(%rip), %rsi
	lea	data + 192(%rip), %rdi
	mov	$10, %ecx
	rep movsb
	ret

FUNCTION planted
	nop
	call	planted_in
	nop
	ret

FUNCTION planted_in
	nop
	.rept	PLANT
	nop
	.endr
	.set	at, 0
	.rept	STORES
	mov	%rax, planted_data + at(%rip)
	.set	at, at + 64
	.endr
	ret

FUNCTION sweep
	mov	$0x600000, %edi
	mov	$SWEPT, %ecx
1:	mov	(%rdi), %al
	add	$64, %rdi
	dec	%ecx
	jnz	1b
	ret

FUNCTION fault_within
	nop
	mov	(%rdi), %rax
	nop
	ret

FUNCTION fault_at_end
	nop
	jmp	*(%rdi)
fault_landed:
	nop
	ret

FUNCTION fault_of_opcode
	nop
	ud2
	ret

FUNCTION fault_of_segment
	mov	$0x1230, %eax
	mov	%eax, %ss
	ret

FUNCTION calls_stranger
	lea	stranger(%rip), %rax
	call	*%rax
	ret

FUNCTION toucher
	mov	data(%rip), %rax
	mov	data + 8(%rip), %rax
	ret

FUNCTION classes
	lock addl $1, data(%rip)
	xchg	%eax, data + 4(%rip)  /* locks too */
	xchg	%eax, %edx            /* does not */
	call	classes_in            /* a return */
	mov	$APIC_PRIORITY, %edi
	movl	$0, (%rdi)            /* a store to a device */
	mov	(%rdi), %eax
	rdtsc
	mov	$0xc0000080, %ecx
	rdmsr
	wrmsr                         /* the same */
	out	%al, $0x80            /* and the same */
	ret

FUNCTION classes_in
	ret

FUNCTION yields
	nop
	call	yields_in
	ret

FUNCTION yields_in
	nop
	pause
	nop
	ret

FUNCTION yields_below
	call	yields
	nop
	ret

/* What two vCPUs do in turn: take a lock, add to what it protects, and release it. */
FUNCTION shares
	xor	%eax, %eax
	mov	$1, %ecx
	lock cmpxchg %ecx, turn_lock(%rip)
	incq	turn_lock + 64(%rip)
	movb	$0, turn_lock(%rip)
	nop
	pause
	nop
	ret

FUNCTION busy
	mov	$1000, %ecx
1:	mov	data(%rip), %rax
	mov	%rax, data + 64(%rip)
	mov	%rax, data + 128(%rip)
	call	inner
	dec	%ecx
	jnz	1b
	ret

FUNCTION _etext /* what is behind it is not of the kernel: a BPF program */
	.balign	64
stranger:
	nop
	nop
	ret

/* ---- data ---- */

	.data
	.balign	16
gdt:
	.quad	0, 0x00209a0000000000, 0x0000920000000000
	.quad	0x00cf9a000000ffff, 0x00cf92000000ffff /* of 32 bits */
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	gdt
	.balign	16
idt_pointer:
	.word	256 * 16 - 1
	.quad	idt + HIGH

	.balign	4096
pml4:
	.quad	pdpt_low + 3
	.fill	510, 8, 0
	.quad	pdpt_high + 3
pdpt_low:
	.quad	pd + 3, pd_lazy + 3, 0, pd_apic + 3
	.fill	508, 8, 0
pdpt_high:
	.fill	510, 8, 0
	.quad	pd + 3, 0
pd:	/* 16 MiB */
	.set	page, 0
	.rept	8
	.quad	page + 0x83
	.set	page, page + 0x200000
	.endr
	.fill	504, 8, 0
pd_apic:
	.fill	503, 8, 0
	.quad	0xfee00093
	.fill	8, 8, 0

	.bss
	.balign	4096
pd_lazy:
	.skip	4096
idt:	.skip	4096
	.balign	16384
stack_a:
	.skip	16384
stack_b:
	.skip	16384
data:	.skip	256
planted_data:
	.skip	4096
rq:	.skip	64 /* when its clock was updated; the task that runs */
task_a:	.skip	64 /* its CPU time; its stack */
task_b:	.skip	64
tick:	.skip	64
report:	.skip	256
second_report:
	.skip	64
started:
	.skip	64 /* by the second vCPU */
done:	.skip	64
turn_lock:
	.skip	128

	.set	lazy, 0x400000 /* what the handler maps, anywhere */
