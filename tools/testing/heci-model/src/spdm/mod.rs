// SPDX-License-Identifier: GPL-2.0
//! The engine's SPDM responder (DSP0274 1.0 to 1.4, without sessions).
//!
//! [`Engine`] is identity ([`chain`], [`key`], `certificate`) and [`measurements`]; a
//! [`Connection`] is what a requester speaks to: it negotiates (`negotiate`), authenticates
//! (`authenticate`, `signature`) and measures (`measure`), in one piece or in chunks (`chunk`).
//! [`Settings`] say what is offered, [`crate::faults`] what goes wrong. [`socket`] connects it, or
//! the guest, to other implementations.

pub mod algorithms;
mod authenticate;
mod certificate;
pub mod chain;
mod chunk;
mod connection;
mod engine;
mod faults;
pub mod identity;
pub mod key;
mod measure;
pub mod measurements;
mod negotiate;
mod response;
pub mod settings;
mod signature;
pub mod socket;
mod wire;

pub use connection::Connection;
pub use engine::Engine;
pub use response::Response;
pub use settings::Settings;

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
