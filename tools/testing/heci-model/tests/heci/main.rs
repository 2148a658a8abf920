// SPDX-License-Identifier: GPL-2.0
//! The model as a host sees it, one test for each sentence of the protocol's description. All of
//! them go through the interface that the vfio-user server uses.

#[path = "../machine/mod.rs"]
mod machine;

mod bring_up;
mod bus;
mod chaos;
mod control;
mod faults;
mod fuzz;
mod guest;
mod messages;
mod notify;
mod posted;
mod registers;
mod setup;
mod shared_memory;
mod spdm;
