// SPDX-License-Identifier: GPL-2.0
/*
 * Adds up the counters of the driver whenever it is unloaded, after its last line has run.
 * debugfs/issei_coverage has the sum of each, in the order in which they lie in the module.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

static DEFINE_MUTEX(lock);
static struct dentry *file;
static u64 *sums;
static size_t count;

/* The value of a symbol that the linker has made, or NULL. */
static const u64 *find(struct module *mod, const char *name)
{
	struct mod_kallsyms *symbols;

	guard(rcu)();
	symbols = rcu_dereference(mod->kallsyms);
	for (unsigned int i = 0; i < symbols->num_symtab; i++) {
		const Elf_Sym *symbol = &symbols->symtab[i];

		if (!strcmp(symbols->strtab + symbol->st_name, name))
			return (const u64 *)symbol->st_value;
	}
	return NULL;
}

static int notify(struct notifier_block *block, unsigned long state, void *data)
{
	const u64 *begin, *end;

	if (state != MODULE_STATE_GOING || strcmp(module_name(data), "issei_rust"))
		return NOTIFY_DONE;
	begin = find(data, "issei_counters_begin");
	end = find(data, "issei_counters_end");
	if (!begin || !end)
		return NOTIFY_DONE;

	guard(mutex)(&lock);
	if (!sums) {
		count = end - begin;
		sums = kvcalloc(count, sizeof(*sums), GFP_KERNEL);
		if (!sums) {
			count = 0;
			return NOTIFY_DONE;
		}
	}
	for (size_t i = 0; i < min(count, (size_t)(end - begin)); i++)
		sums[i] += begin[i];
	return NOTIFY_DONE;
}

static int issei_coverage_show(struct seq_file *seq, void *unused)
{
	guard(mutex)(&lock);
	for (size_t i = 0; i < count; i++)
		seq_printf(seq, "%llu ", sums[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(issei_coverage);

static struct notifier_block block = { .notifier_call = notify };

static int __init coverage_init(void)
{
	file = debugfs_create_file("issei_coverage", 0400, NULL, NULL, &issei_coverage_fops);
	return register_module_notifier(&block);
}
module_init(coverage_init);

static void __exit coverage_exit(void)
{
	unregister_module_notifier(&block);
	debugfs_remove(file);
	kvfree(sums);
}
module_exit(coverage_exit);

MODULE_DESCRIPTION("Which lines of issei_rust have run");
MODULE_LICENSE("GPL");
