// SPDX-License-Identifier: GPL-2.0
/*
 * Follows tasks into watched functions and out of them. No register can be
 * read, but addresses of loads and stores are seen: a call stores its return
 * address, and the ret that loads it from there is the return, whatever
 * happened in between and by whichever tail call.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "context.h"
#include "insn.h"

/* RIP, CS, RFLAGS, RSP and SS. */
#define IRET_FRAME	40

/* Two slots closer than this are on one stack. */
#define STACK_SIZE	0x4000

struct cpu cpus[MAX_CPUS];
struct context *contexts;
pthread_mutex_t context_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned int nr_parked;
static uint64_t nr_entered, nr_lost;

/* The newest is notes[(nr_notes - 1) % MAX_NOTES]. */
static struct note notes[MAX_NOTES];
static uint64_t nr_notes;

/* Forget the calls that have returned if @slot is in use now. */
static void forget_calls(struct cpu *cpu, uint64_t slot)
{
	while (cpu->nr_calls && slot - cpu->calls[cpu->nr_calls - 1] < STACK_SIZE)
		cpu->nr_calls--;
}

/*
 * QEMU 7.2 also credits the last instruction of a block with what the CPU loads
 * and stores to deliver an interrupt behind it. So only the first access after
 * the instruction was executed is its own.
 */
static void on_transfer(unsigned int nr, void *data)
{
	(void)data;
	cpus[nr].transfers = true;
	cpus[nr].resumed = 0;
}

static bool own_access(struct cpu *cpu, uint32_t info, bool store)
{
	if (!cpu->transfers || qemu_plugin_mem_is_store(info) != store)
		return false;
	cpu->transfers = false;
	return true;
}

static void on_call(unsigned int nr, uint32_t info, uint64_t slot, void *data)
{
	struct cpu *cpu = &cpus[nr];

	(void)data;
	if (!own_access(cpu, info, true))
		return;
	forget_calls(cpu, slot);
	if (cpu->nr_calls == MAX_CALLS) {
		memmove(cpu->calls, cpu->calls + MAX_CALLS / 2, sizeof(cpu->calls) / 2);
		cpu->nr_calls /= 2;
	}
	cpu->calls[cpu->nr_calls++] = slot;
}

/*
 * Where the return address of the function is that @cpu just jumped to.
 *
 * After an interrupt between the call and the function, and with it maybe other
 * tasks or another CPU, what is known of calls may be another's. But the iret
 * took its frame from just below the stack pointer, aligned to 16.
 */
static struct slot return_slot(const struct cpu *cpu)
{
	struct slot slot = { .addr = cpu->nr_calls ? cpu->calls[cpu->nr_calls - 1] : 0 };

	if (!cpu->resumed || slot.addr == cpu->resumed || slot.addr == cpu->resumed + 8)
		return slot;
	return (struct slot){ .addr = cpu->resumed, .or_above = true };
}

static bool is_slot(const struct slot *slot, uint64_t addr)
{
	return addr == slot->addr || (slot->or_above && addr == slot->addr + 8);
}

static void on_watch(unsigned int nr, void *data)
{
	struct cpu *cpu = &cpus[nr];
	struct context *context = cpu->context;
	struct slot slot = return_slot(cpu);
	struct frame *frame;

	if (context && (context->interrupts || context->nr_frames == MAX_FRAMES))
		return;
	if (!slot.addr) {
		__atomic_fetch_add(&nr_lost, 1, __ATOMIC_RELAXED);
		return;
	}
	pthread_mutex_lock(&context_lock);
	if (!context) {
		context = calloc(1, sizeof(*context));
		if (!context)
			abort();
		context->cpu = nr;
		context->next = contexts;
		contexts = context;
		cpu->context = context;
	}
	frame = &context->frames[context->nr_frames++];
	memset(frame, 0, sizeof(*frame));
	frame->watch = data;
	frame->first = context->nr_pending;
	frame->slot = slot;
	memcpy(frame->counts, context->counts, sizeof(frame->counts));
	if (!context->call) {
		context->judged = data;
		if (!frame->watch->outer)
			context->call = frame;
		if (context->nr_frames == 1)
			context->around = frame->watch->outer ? data : NULL;
	}
	nr_entered++;
	pthread_mutex_unlock(&context_lock);
}

/* Does anybody wait for a return from @slot? It goes on here. */
static void unpark(unsigned int nr, uint64_t slot)
{
	struct context *context;

	pthread_mutex_lock(&context_lock);
	for (context = contexts; context; context = context->next) {
		if (!context->parked.addr || !is_slot(&context->parked, slot))
			continue;
		context->parked.addr = 0;
		context->cpu = nr;
		cpus[nr].context = context;
		__atomic_fetch_sub(&nr_parked, 1, __ATOMIC_RELAXED);
		break;
	}
	pthread_mutex_unlock(&context_lock);
}

/**
 * context_ret() - CPU @nr accesses @slot by a ret
 *
 * Returns: the context that thereby returns from the watched function that it
 * entered last, or NULL. The caller is to call context_leave() then.
 */
struct context *context_ret(unsigned int nr, uint32_t info, uint64_t slot)
{
	struct cpu *cpu = &cpus[nr];
	struct context *context;

	if (!own_access(cpu, info, false))
		return NULL;
	forget_calls(cpu, slot);
	if (__atomic_load_n(&nr_parked, __ATOMIC_RELAXED) && !cpu->context)
		unpark(nr, slot);
	context = context_active(nr);
	if (context && context->nr_frames &&
	    is_slot(&context->frames[context->nr_frames - 1].slot, slot))
		return context;
	return NULL;
}

/** context_leave() - CPU @nr returns, see context_ret(); hold context_lock */
void context_leave(unsigned int nr)
{
	struct context *context = cpus[nr].context;

	if (context->call == &context->frames[--context->nr_frames])
		context->call = NULL;
	if (!context->nr_frames && !context->nr_pending)
		context_end(nr);
}

/** context_end() - nothing is left to follow on CPU @nr; hold context_lock */
void context_end(unsigned int nr)
{
	struct context *context = cpus[nr].context, **link;

	for (link = &contexts; *link != context; link = &(*link)->next)
		;
	*link = context->next;
	free(context->pending);
	free(context);
	cpus[nr].context = NULL;
}

/* Whatever runs here from now on until that function returns is another's. */
static void on_suspend(unsigned int nr, void *data)
{
	struct cpu *cpu = &cpus[nr];
	struct slot slot = return_slot(cpu);

	(void)data;
	if (!cpu->context || !slot.addr)
		return;
	cpu->context->parked = slot;
	cpu->context = NULL;
	__atomic_fetch_add(&nr_parked, 1, __ATOMIC_RELAXED);
}

static void on_interrupt(unsigned int nr, void *data)
{
	(void)data;
	if (cpus[nr].context)
		cpus[nr].context->interrupts++;
}

static void on_iret(unsigned int nr, void *data)
{
	struct context *context = cpus[nr].context;

	(void)data;
	cpus[nr].transfers = true;
	if (context && context->interrupts)
		context->interrupts--;
}

/*
 * The way into an interrupt has calls that are not returned from, or from
 * elsewhere. Forget those below what the iret takes from the stack.
 */
static void on_iret_frame(unsigned int nr, uint32_t info, uint64_t addr, void *data)
{
	struct cpu *cpu = &cpus[nr];

	(void)data;
	/* Next to its frame it loads descriptors; the frame comes first. */
	if (!own_access(cpu, info, false))
		return;
	cpu->resumed = addr + IRET_FRAME;
	forget_calls(cpu, cpu->resumed - 8);
}

/* A byte is told by the place that it is read from. */
static void on_note(unsigned int nr, uint32_t info, uint64_t addr, void *data)
{
	struct cpu *cpu = &cpus[nr];
	struct note *note;

	(void)data;
	if (qemu_plugin_mem_is_store(info) || addr - config.mailbox > 0xff)
		return;
	if (!cpu->nr_note)
		memset(cpu->note, 0, sizeof(cpu->note));
	cpu->note[cpu->nr_note / 8] |= (addr - config.mailbox) << cpu->nr_note % 8 * 8;
	if (++cpu->nr_note < sizeof(cpu->note))
		return;
	cpu->nr_note = 0;
	pthread_mutex_lock(&context_lock);
	note = &notes[nr_notes++ % MAX_NOTES];
	note->id = cpu->note[0];
	note->start = cpu->note[1];
	note->end = cpu->note[2];
	note->nr = cpu->note[3];
	pthread_mutex_unlock(&context_lock);
}

/**
 * context_note() - what was said about a call that writes to an address
 * @addr: the address
 *
 * Returns: the newest note that covers it, or NULL.
 */
const struct note *context_note(uint64_t addr)
{
	uint64_t i, nr = nr_notes < MAX_NOTES ? nr_notes : MAX_NOTES;

	for (i = 1; i <= nr; i++) {
		const struct note *note = &notes[(nr_notes - i) % MAX_NOTES];

		if (addr >= note->start && addr < note->end)
			return note;
	}
	return NULL;
}

/** context_last_note() - the newest note, or NULL */
const struct note *context_last_note(void)
{
	return nr_notes ? &notes[(nr_notes - 1) % MAX_NOTES] : NULL;
}

/**
 * context_translate() - see to it that @insn is followed
 *
 * But what a ret loads is for the caller to pass to context_ret().
 */
void context_translate(struct qemu_plugin_insn *insn, uint64_t pc, unsigned int flags)
{
	size_t i;

	for (i = 0; i < config.nr_stubs && within(&config.entry, pc); i++) {
		if (pc == config.stubs[i])
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_interrupt,
							       QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
	for (i = 0; i < config.nr_suspends; i++) {
		if (pc == config.suspends[i])
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_suspend,
							       QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
	for (i = 0; i < config.nr_watches; i++) {
		if (pc == config.watches[i].addr)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_watch,
							       QEMU_PLUGIN_CB_NO_REGS,
							       &config.watches[i]);
	}
	if (within(&config.note, pc))
		qemu_plugin_register_vcpu_mem_cb(insn, on_note, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW, NULL);
	if (flags & INSN_IRET && within(&config.entry, pc)) {
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_iret, QEMU_PLUGIN_CB_NO_REGS,
						       NULL);
		qemu_plugin_register_vcpu_mem_cb(insn, on_iret_frame, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW, NULL);
	}
	if (flags & (INSN_CALL | INSN_RET))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_transfer,
						       QEMU_PLUGIN_CB_NO_REGS, NULL);
	if (flags & INSN_CALL)
		qemu_plugin_register_vcpu_mem_cb(insn, on_call, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW, NULL);
}

/** context_report() - say what was followed, and what was lost */
void context_report(void)
{
	fprintf(config.out, "entered %" PRIu64 "\nlost %" PRIu64 "\nnotes %" PRIu64 "\n",
		nr_entered, nr_lost, nr_notes);
}
