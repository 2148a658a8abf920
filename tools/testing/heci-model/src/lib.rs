// SPDX-License-Identifier: GPL-2.0
//! An emulated HECI PCI function with the firmware of a Silicon Security Engine behind it, as a
//! vfio-user server.
//!
//! From the bus inwards: [`server`] speaks vfio-user, [`device`] is the function, [`config`] and
//! [`csr`] are its registers, [`hw`] is what the firmware stands on, [`firmware`] is the firmware
//! with the shared memory of [`ham`], the layouts of [`wire`] and the [`clients`], of which
//! [`spdm`] is one.
//! [`control`], [`faults`] and [`fuzz`] are for tests. Facts about the hardware come from the Linux driver
//! (`drivers/misc/issei`) and its documentation (`Documentation/driver-api/issei`).

#![forbid(unsafe_code)]

pub mod boot;
pub mod clients;
pub mod config;
pub mod control;
pub mod counters;
pub mod csr;
pub mod device;
pub mod faults;
pub mod firmware;
pub mod fuzz;
pub mod ham;
pub mod hw;
pub mod mei;
pub mod memory;
pub mod personality;
pub mod server;
pub mod settings;
pub mod spdm;
pub mod timeline;
pub mod trace;
pub mod wire;
