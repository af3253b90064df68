// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest does, as far as the rules of non-temporal stores ask for it:
 * who must not find cache lines pending. See ../docs/order.rst.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "context.h"
#include "handover.h"
#include "insn.h"
#include "order.h"
#include "pending.h"
#include "rules.h"

#define LINE_SIZE	64
#define STACK_REACH	0x4000

static uint64_t nr_stores, nr_bytes, nr_lines, nr_objects, nr_drains;

/*
 * What tells cache lines apart. Shared struct pages are mapped many times over:
 * where the window says which mapping is used, go by physical addresses.
 */
static uint64_t line_key(uint32_t info, uint64_t addr)
{
	struct qemu_plugin_hwaddr *hw = NULL;

	if (config.object_size)
		hw = qemu_plugin_get_hwaddr(info, addr);
	if (hw && !qemu_plugin_hwaddr_is_io(hw))
		addr = qemu_plugin_hwaddr_phys_addr(hw);
	return addr / LINE_SIZE + 1;
}

/* The stores go on elsewhere: was the line worth its while? */
static void leave_line(struct context *context, uint64_t pc)
{
	struct entry *line = context->filling ?
			     table_find(&context->lines, context->filling) : NULL;
	struct entry *pending = line && ~line->bytes ?
				table_find(&context->waiting, line->key) : NULL;

	if (pending)
		pending_accuse(context, pending, PARTIAL_LINE, pc, line->addr, context->cpu);
	context->filling = 0;
}

/* May @context store to @addr at all? */
static bool in_range(struct context *context, uint64_t addr)
{
	const struct note *note;

	if (!within(&config.window, addr))
		return false;
	if (!config.object_size || !context_last_note())
		return true;
	if (!context->note.end) {
		note = context_note(addr);
		if (!note)
			return false;
		context->note = *note;
	}
	return addr >= context->note.start && addr < context->note.end;
}

static void nt_store_object(struct context *context, uint64_t addr, unsigned int size,
			    uint64_t pc)
{
	struct entry *object;

	if (!config.object_size)
		return;
	addr -= config.window.start;
	object = table_add(&context->objects, addr / config.object_size + 1);
	object->bytes += size;
	object->pc = pc;
	object->addr = addr + config.window.start;
}

/* A store of the call that the rules are about. */
static void nt_store(struct context *context, uint64_t key, uint64_t addr, unsigned int size,
		     uint64_t pc)
{
	/* Kernel code aligns such stores: none is split between two lines. */
	uint64_t bits = (size < 64 ? (1ULL << size) - 1 : ~0ULL) << addr % LINE_SIZE;
	struct entry *line = table_add(&context->lines, key);
	const struct breach twice = { line->pc, pc, addr, context->cpu };

	if (line->bytes & bits)
		rules_report(context, context->judged, TWICE, &twice);
	else
		nt_store_object(context, addr, size, pc);
	line->bytes |= bits;
	line->addr = addr;
	line->pc = pc;
}

static void on_nt_store(unsigned int cpu, uint32_t info, uint64_t addr, void *data)
{
	unsigned int size = 1U << qemu_plugin_mem_size_shift(info), i;
	const struct breach breach = { (uint64_t)data, (uint64_t)data, addr, cpu };
	struct context *context = context_active(cpu);
	uint64_t key;

	if (!context || !context->nr_frames || !qemu_plugin_mem_is_store(info))
		return;
	pthread_mutex_lock(&context_lock);
	nr_stores++;
	nr_bytes += size;
	for (i = 0; i < context->nr_frames; i++)
		context->frames[i].streamed = true;
	if (context->call && !in_range(context, addr))
		rules_report(context, context->judged, OUTSIDE, &breach);
	if (!within(&config.window, addr))
		goto out;

	key = line_key(info, addr);
	if (context->filling != key) {
		leave_line(context, breach.pc);
		nr_lines += pending_add(context, key, addr, breach.pc);
		context->filling = key;
	}
	if (context->call)
		nt_store(context, key, addr, size, breach.pc);
out:
	pthread_mutex_unlock(&context_lock);
}

static void on_drain(unsigned int cpu, uint64_t pc, bool fence)
{
	const struct breach breach = { pc, pc, 0, cpu };
	struct context *context = context_active(cpu);

	if (!context || (!context->nr_pending && !(fence && context->call)))
		return;
	pthread_mutex_lock(&context_lock);
	if (context->call) {
		nr_drains++;
		if (!context->nr_pending)
			rules_report(context, context->judged, EMPTY_DRAIN, &breach);
	}
	leave_line(context, pc);
	pending_drained(context, pc);
	if (context->call && context->judged->rewrites) {
		table_clear(&context->lines);
		table_clear(&context->objects);
	}
	handover_drained(context);
	if (!context->nr_frames)
		context_end(cpu);
	pthread_mutex_unlock(&context_lock);
}

static void on_fence(unsigned int cpu, void *data)
{
	on_drain(cpu, (uint64_t)data, true);
}

static void on_other_drain(unsigned int cpu, void *data)
{
	on_drain(cpu, (uint64_t)data, false);
}

static void access_line(struct context *context, unsigned int cpu, uint64_t key,
			bool store, uint64_t addr, uint64_t pc)
{
	struct entry *line = table_find(&context->waiting, key);

	if (!line)
		return;
	if (context == context_active(cpu)) {
		/* What an earlier call left, or who comes behind it, is not its fault. */
		if (context->call && pending_of(context->call, line))
			pending_accuse(context, line, store ? PLAIN_STORE : PENDING_LOAD, pc, addr,
				       cpu);
	} else if (context->cpu != cpu) {
		bool handed = context->around && context->around->hands_over;

		pending_accuse(context, line, handed ? HANDED_OVER : FOREIGN_TOUCH, pc, addr, cpu);
		pending_touched(context, pc);
	}
}

/* Any load or plain store, of anybody. */
static void on_access(unsigned int cpu, uint32_t info, uint64_t addr, void *data)
{
	unsigned int size = 1U << qemu_plugin_mem_size_shift(info);
	bool store = qemu_plugin_mem_is_store(info);
	struct context *context;
	uint64_t key;

	if ((!__atomic_load_n(&pending_total, __ATOMIC_RELAXED) && !handover_waits) ||
	    !within(&config.window, addr))
		return;
	pthread_mutex_lock(&context_lock);
	handover_touch(cpu, addr);
	key = line_key(info, addr);
	for (context = contexts; context; context = context->next) {
		access_line(context, cpu, key, store, addr, (uint64_t)data);
		if (addr % LINE_SIZE + size > LINE_SIZE)
			access_line(context, cpu, key + 1, store, addr, (uint64_t)data);
	}
	pthread_mutex_unlock(&context_lock);
}

/* One instruction of the code that a point is about. */
struct site {
	const struct point *point;
	uint64_t pc;
};

/*
 * A point was reached, and something was @pending or not. An inlined function
 * that is known by its accesses to memory alone was reached once in a call,
 * however many those are.
 */
static void come_by(struct context *context, const struct point *point, bool pending)
{
	uint32_t bit = 1U << point->rule;
	struct frame *call = context->call;
	bool again = point->kind == POINT_TOUCH && call->touched & bit;

	if (!again)
		rules_seen(point->rule, !pending, 1);
	else if (pending && !(call->spoilt & bit))
		rules_seen(point->rule, -1, 0);
	call->touched |= bit;
	if (pending)
		call->spoilt |= bit;
}

static void check_point(unsigned int cpu, const struct site *site)
{
	struct context *context = context_active(cpu);
	const struct point *point = site->point;
	uint64_t bit = 1ULL << point->index % 64;

	if (!context || !context->call)
		return;
	if (point->kind == POINT_ENTER) {
		bool was_in = context->was_in & bit;

		if (within(&point->code, site->pc))
			context->was_in |= bit;
		else
			context->was_in &= ~bit;
		if (was_in || !(context->was_in & bit))
			return;
	}
	if (!context->call->streamed)
		return;
	pthread_mutex_lock(&context_lock);
	come_by(context, point, pending_in(context, context->call));
	pending_accuse_all(context, context->call, point->rule, site->pc);
	pthread_mutex_unlock(&context_lock);
}

static void on_point(unsigned int cpu, void *data)
{
	check_point(cpu, data);
}

static void on_point_access(unsigned int cpu, uint32_t info, uint64_t addr, void *data)
{
	const struct site *site = data;
	const struct context *context = context_active(cpu);

	if (!context || (site->point->kind == POINT_WRITE && !qemu_plugin_mem_is_store(info)))
		return;
	/* The compiler may move what it keeps on the stack across a fence. */
	if (site->point->kind == POINT_WRITE ? !within(&config.window, addr) :
	    addr - context->frames[0].slot.addr + STACK_REACH < 2 * STACK_REACH)
		return;
	check_point(cpu, site);
}

static void translate_point(struct qemu_plugin_insn *insn, const struct point *point,
			    uint64_t pc, unsigned int flags)
{
	const struct range *code = point->kind == POINT_ENTER ? &point->around : &point->code;
	struct site *site;

	if (!within(code, pc) || (point->kind == POINT_START && pc != code->start))
		return;
	site = malloc(sizeof(*site));
	if (!site)
		abort();
	site->point = point;
	site->pc = pc;
	if (point->kind == POINT_START || (flags & INSN_CALL && point->kind != POINT_WRITE))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_point, QEMU_PLUGIN_CB_NO_REGS,
						       site);
	if (point->kind != POINT_START)
		qemu_plugin_register_vcpu_mem_cb(insn, on_point_access,
						 QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
						 site);
}

/** order_translate() - see to it that the rules hear of @insn */
void order_translate(struct qemu_plugin_insn *insn, uint64_t pc, unsigned int flags)
{
	/* It ends an interrupt, and what that does is none of the code's own. */
	bool resumes = flags & INSN_IRET && within(&config.entry, pc);
	size_t i;

	if (flags & INSN_DRAIN && !resumes)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, flags & INSN_FENCE ? on_fence :
						       on_other_drain,
						       QEMU_PLUGIN_CB_NO_REGS, (void *)pc);
	for (i = 0; i < config.nr_points; i++)
		translate_point(insn, &config.points[i], pc, flags);
	if (flags & INSN_NT_STORE)
		qemu_plugin_register_vcpu_mem_cb(insn, on_nt_store, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW, (void *)pc);
	else
		qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW, (void *)pc);
}

/* The call that the rules are about is over. */
static void leave_call(struct context *context, uint64_t pc)
{
	struct entry *object = NULL;

	leave_line(context, pc);
	while ((object = table_next(&context->objects, object))) {
		const struct breach breach = { object->pc, pc, object->addr, context->cpu };

		nr_objects++;
		if (object->bytes != config.object_size)
			rules_report(context, context->judged, PARTIAL_OBJECT, &breach);
	}
	if (context->call->streamed && context->around && context->around->hands_over)
		handover_begin(context);
	table_clear(&context->lines);
	table_clear(&context->objects);
	memset(&context->note, 0, sizeof(context->note));
	context->was_in = 0;
}

/** order_leave() - the function that @context entered last returns, at @pc */
void order_leave(struct context *context, uint64_t pc)
{
	struct frame *frame = &context->frames[context->nr_frames - 1];
	enum rule rule = frame->watch->outer ? AT_REMAP : AT_RETURN;

	/* One that was called by a watched one is a part of that. */
	if (frame != context->call && !frame->watch->outer)
		return;
	if (frame->streamed) {
		rules_seen(rule, !pending_in(context, frame), 1);
		pending_accuse_all(context, frame, rule, pc);
		pending_leave(context, frame);
	}
	if (frame == context->call)
		leave_call(context, pc);
}

/** order_report() - sum up, when the guest has ended */
void order_report(void)
{
	rules_sum_up();
	pending_sum_up();
	fprintf(config.out, "stores %" PRIu64 "\nbytes %" PRIu64 "\nlines %" PRIu64 "\n"
		"pages %" PRIu64 "\ndrains %" PRIu64 "\n",
		nr_stores, nr_bytes, nr_lines, nr_objects, nr_drains);
}
