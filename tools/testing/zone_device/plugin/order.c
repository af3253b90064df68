// SPDX-License-Identifier: GPL-2.0
/*
 * The rules of non-temporal stores: which cache lines hold stores that nothing
 * has drained, and who must not find them so. See ../docs/order.rst.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "api.h"
#include "context.h"
#include "insn.h"
#include "order.h"

#define LINE_SIZE	64
#define SHOWN		8
#define STACK_REACH	0x4000

enum rule {
	PLAIN_STORE,
	FOREIGN_TOUCH,
	AT_COMPOUND,
	AT_PREP_HEAD,
	AT_PAGEBLOCK,
	AT_START,
	AT_RETURN,
	OUTSIDE,
	TWICE,
	PARTIAL_OBJECT,
	PENDING_LOAD,
	PARTIAL_LINE,
	EMPTY_DRAIN,
	NR_RULES
};

const char * const order_rules[] = {
	[PLAIN_STORE]	 = "plain-store-to-pending",
	[FOREIGN_TOUCH]	 = "foreign-cpu-touch",
	[AT_COMPOUND]	 = "undrained-at-compound",
	[AT_PREP_HEAD]	 = "undrained-at-prep-head",
	[AT_PAGEBLOCK]	 = "undrained-at-pageblock",
	[AT_START]	 = "undrained-at-start",
	[AT_RETURN]	 = "undrained-at-return",
	[OUTSIDE]	 = "outside-range",
	[TWICE]		 = "written-twice",
	[PARTIAL_OBJECT] = "partial-page",
	[PENDING_LOAD]	 = "load-from-pending",
	[PARTIAL_LINE]	 = "partial-line",
	[EMPTY_DRAIN]	 = "empty-drain",
	[NR_RULES]	 = NULL
};

/* Stores and offenders that have been shown already, for each rule. */
static struct {
	uint64_t total;
	unsigned int nr_shown;
	uint64_t stores[SHOWN];
	uint64_t offenders[SHOWN];
} found[NR_RULES];

static uint64_t nr_stores, nr_bytes, nr_drains;
/* Of all contexts: while there is none, memory accesses are of no interest. */
static size_t total_pending;

/* @store is at fault for what happens at @pc, about @addr. */
static void report(const struct context *context, enum rule rule, uint64_t store,
		   uint64_t pc, uint64_t addr, unsigned int cpu)
{
	unsigned int i;

	if (!(context->frames[0].watch->rules & 1U << rule))
		return;
	found[rule].total++;
	for (i = 0; i < found[rule].nr_shown; i++) {
		if (found[rule].stores[i] == store && found[rule].offenders[i] == pc)
			return;
	}
	if (i == SHOWN)
		return;
	found[rule].stores[i] = store;
	found[rule].offenders[i] = pc;
	found[rule].nr_shown++;
	fprintf(config.out, "found %s %s %" PRIx64 " %" PRIx64 " %" PRIx64 " %u %u\n",
		order_rules[rule], context->frames[0].watch->name, store, pc, addr,
		context->cpu, cpu);
	fflush(config.out);
}

/* A line is accused of each thing once. */
static void accuse(const struct context *context, struct entry *line, enum rule rule,
		   uint64_t pc, uint64_t addr, unsigned int cpu)
{
	if (line->accused & 1U << rule)
		return;
	line->accused |= 1U << rule;
	report(context, rule, line->pc, pc, addr, cpu);
}

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

static void set_pending(struct context *context, struct entry *line)
{
	if (line->pending)
		return;
	if (context->nr_pending == context->max_pending) {
		context->max_pending = context->max_pending ? 2 * context->max_pending : 64;
		context->pending = realloc(context->pending,
					   context->max_pending * sizeof(*context->pending));
		if (!context->pending)
			abort();
	}
	line->pending = true;
	line->accused = 0;
	context->pending[context->nr_pending++] = line->key;
	__atomic_fetch_add(&total_pending, 1, __ATOMIC_RELAXED);
}

/* The stores go on elsewhere: was the line worth its while? */
static void leave_line(struct context *context, uint64_t pc)
{
	struct entry *line = context->filling ?
			     table_find(&context->lines, context->filling) : NULL;

	if (line && ~line->bytes)
		accuse(context, line, PARTIAL_LINE, pc, line->addr, context->cpu);
	context->filling = 0;
}

static void clear_pending(struct context *context)
{
	size_t i;

	for (i = 0; i < context->nr_pending; i++)
		table_find(&context->lines, context->pending[i])->pending = false;
	__atomic_fetch_sub(&total_pending, context->nr_pending, __ATOMIC_RELAXED);
	context->nr_pending = 0;
}

static void accuse_all(struct context *context, enum rule rule, uint64_t pc)
{
	struct entry *line;
	size_t i;

	for (i = 0; i < context->nr_pending; i++) {
		line = table_find(&context->lines, context->pending[i]);
		accuse(context, line, rule, pc, line->addr, context->cpu);
	}
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

static void on_nt_store(unsigned int cpu, uint32_t info, uint64_t addr, void *data)
{
	unsigned int size = 1U << qemu_plugin_mem_size_shift(info);
	struct context *context = context_active(cpu);
	uint64_t pc = (uint64_t)data, bits;
	struct entry *line;

	if (!context || !qemu_plugin_mem_is_store(info))
		return;
	pthread_mutex_lock(&context_lock);
	nr_stores++;
	nr_bytes += size;
	if (!in_range(context, addr))
		report(context, OUTSIDE, pc, pc, addr, cpu);
	if (!within(&config.window, addr))
		goto out;

	/* Kernel code aligns such stores: none is split between two lines. */
	line = table_add(&context->lines, line_key(info, addr));
	bits = (size < 64 ? (1ULL << size) - 1 : ~0ULL) << addr % LINE_SIZE;
	if (context->filling != line->key) {
		leave_line(context, pc);
		context->filling = line->key;
	}
	if (line->bytes & bits)
		report(context, TWICE, line->pc, pc, addr, cpu);
	else
		nt_store_object(context, addr, size, pc);
	line->bytes |= bits;
	line->addr = addr;
	line->pc = pc;
	set_pending(context, line);
out:
	pthread_mutex_unlock(&context_lock);
}

static void on_drain(unsigned int cpu, uint64_t pc, bool fence)
{
	struct context *context = context_active(cpu);

	if (!context)
		return;
	if (!context->nr_pending && !fence)
		return;
	pthread_mutex_lock(&context_lock);
	nr_drains++;
	if (!context->nr_pending)
		report(context, EMPTY_DRAIN, pc, pc, 0, cpu);
	leave_line(context, pc);
	clear_pending(context);
	if (context->frames[0].watch->rewrites) {
		table_clear(&context->lines);
		table_clear(&context->objects);
	}
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
	struct entry *line = table_find(&context->lines, key);

	if (!line || !line->pending)
		return;
	if (context == context_active(cpu))
		accuse(context, line, store ? PLAIN_STORE : PENDING_LOAD, pc, addr, cpu);
	else if (context->cpu != cpu)
		accuse(context, line, FOREIGN_TOUCH, pc, addr, cpu);
}

/* Any load or plain store, of anybody. */
static void on_access(unsigned int cpu, uint32_t info, uint64_t addr, void *data)
{
	unsigned int size = 1U << qemu_plugin_mem_size_shift(info);
	bool store = qemu_plugin_mem_is_store(info);
	struct context *context;
	uint64_t key;

	if (!__atomic_load_n(&total_pending, __ATOMIC_RELAXED) ||
	    !within(&config.window, addr))
		return;
	pthread_mutex_lock(&context_lock);
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

static void check_point(unsigned int cpu, const struct site *site)
{
	struct context *context = context_active(cpu);
	const struct point *point = site->point;
	uint64_t bit = 1ULL << point->index % 64;

	if (!context)
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
	if (!context->nr_pending)
		return;
	pthread_mutex_lock(&context_lock);
	accuse_all(context, point->rule, site->pc);
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

/** order_leave() - the function that @context is about returns, at @pc */
void order_leave(struct context *context, uint64_t pc)
{
	struct entry *object = NULL;

	accuse_all(context, AT_RETURN, pc);
	leave_line(context, pc);
	clear_pending(context);
	while ((object = table_next(&context->objects, object))) {
		if (object->bytes != config.object_size)
			report(context, PARTIAL_OBJECT, object->pc, pc, object->addr,
			       context->cpu);
	}
	table_clear(&context->lines);
	table_clear(&context->objects);
	free(context->pending);
}

/** order_report() - sum up, when the guest has ended */
void order_report(void)
{
	int i;

	for (i = 0; i < NR_RULES; i++)
		fprintf(config.out, "total %s %" PRIu64 "\n", order_rules[i], found[i].total);
	fprintf(config.out, "stores %" PRIu64 "\nbytes %" PRIu64 "\ndrains %" PRIu64 "\n",
		nr_stores, nr_bytes, nr_drains);
}
