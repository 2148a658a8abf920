// SPDX-License-Identifier: GPL-2.0
//! The MEI personality as its driver sees it: bring-up, host bus messages, connections, the
//! circular buffers, the DMA ring, D0i3.

#[path = "../machine/mod.rs"]
mod machine;

mod bring_up;
mod chaos;
mod connections;
mod guest;
mod messages;
mod power;
