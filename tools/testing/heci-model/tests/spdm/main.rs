// SPDX-License-Identifier: GPL-2.0
//! The SPDM responder as a requester sees it. The requester here is a small one of its own: it
//! takes nothing from the model but bytes.

mod authentication;
mod chaos;
mod chunks;
mod crypto;
mod faults;
mod measurements;
mod negotiation;
mod openssl;
mod requester;
mod vectors;
