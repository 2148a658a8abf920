// SPDX-License-Identifier: GPL-2.0
#include "../../../rust/kapi/shim.c"

/* For engines that hash with SHA-3: so that it is there as early as the driver. */
MODULE_SOFTDEP("pre: libsha3");
