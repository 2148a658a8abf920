// SPDX-License-Identifier: GPL-2.0
/*
 * Takes a PCI function through error recovery, as Documentation/PCI/pci-error-recovery.rst has it, without an error: QEMU lets
 * errors happen only to functions that can report them.
 *
 *	echo 0000:01:00.0 CHANNEL >/sys/module/pci_recovery/parameters/error
 *
 * CHANNEL is normal, frozen (then the bus behind its port is reset) or dead. The write fails with EOPNOTSUPP if the driver has
 * no handlers, and with EIO if it gives the function up, or does not ask for a reset of a frozen one.
 */
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/string.h>

static const char * const names[] = { "normal", "frozen", "dead" };
static const pci_channel_state_t channels[] = {
	pci_channel_io_normal, pci_channel_io_frozen, pci_channel_io_perm_failure
};

static int reset(struct pci_dev *pdev, const struct pci_error_handlers *handlers)
{
	int error;

	if (!pdev->bus->self || !handlers->slot_reset)
		return -EOPNOTSUPP;
	error = pci_bridge_secondary_bus_reset(pdev->bus->self);
	/* QEMU's port never says that its link is up again. */
	if (error && error != -ENOTTY)
		return error;
	pdev->error_state = pci_channel_io_normal;
	return handlers->slot_reset(pdev) == PCI_ERS_RESULT_RECOVERED ? 0 : -EIO;
}

static int recover(struct pci_dev *pdev, pci_channel_state_t channel)
{
	const struct pci_error_handlers *handlers;
	pci_ers_result_t verdict;
	int error;

	guard(device)(&pdev->dev);
	handlers = pdev->driver ? pdev->driver->err_handler : NULL;
	if (!handlers || !handlers->error_detected || !handlers->resume)
		return -EOPNOTSUPP;
	pdev->error_state = channel;
	verdict = handlers->error_detected(pdev, channel);
	if (channel == pci_channel_io_perm_failure)
		return 0;
	if (channel == pci_channel_io_frozen) {
		if (verdict != PCI_ERS_RESULT_NEED_RESET)
			return -EIO;
		error = reset(pdev, handlers);
		if (error)
			return error;
	} else if (verdict != PCI_ERS_RESULT_CAN_RECOVER) {
		return -EIO;
	}
	handlers->resume(pdev);
	return 0;
}

static int error_set(const char *text, const struct kernel_param *param)
{
	struct pci_dev *pdev __free(pci_dev_put) = NULL;
	unsigned int domain, bus, slot, function;
	char channel[8];
	int which;

	if (sscanf(text, "%x:%x:%x.%x %7s", &domain, &bus, &slot, &function, channel) != 5)
		return -EINVAL;
	which = match_string(names, ARRAY_SIZE(names), channel);
	if (which < 0)
		return which;
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	return pdev ? recover(pdev, channels[which]) : -ENODEV;
}

static const struct kernel_param_ops error_ops = { .set = error_set };
module_param_cb(error, &error_ops, NULL, 0200);
MODULE_PARM_DESC(error, "A function and the state of its channel");

MODULE_DESCRIPTION("PCI error recovery on request");
MODULE_LICENSE("GPL");
