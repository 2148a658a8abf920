// SPDX-License-Identifier: GPL-2.0
//! What the faults of the setup, start, clients and message hooks do to what the firmware says.

use super::{Fault, On};
use crate::hw::Hw;
use crate::wire::{clients_response, start_response, ClientRow, Header, Message, SETUP_RESPONSE};

/// Bytes of the clients response before its rows, and of a row.
const CLIENTS_HEADER: usize = 8;
const CLIENT_ROW: usize = 28;

/// The dwords of the setup response with this status.
pub fn setup(hw: &mut Hw, status: u32) -> Vec<u32> {
    let id = hw.fault(Fault::SetupWrongId);
    let status = hw.fault(Fault::SetupStatus).map_or(status, |v| v as u32);
    let mut dwords = vec![id.map_or(SETUP_RESPONSE, |v| v as u32), status];
    if hw.fault(Fault::SetupShort).is_some() {
        dwords.truncate(1);
    }
    if hw.fault(Fault::SetupLong).is_some() {
        dwords.push(0);
    }
    if hw.fault(Fault::SetupOverflow).is_some() {
        dwords.resize(usize::from(hw.regs.firmware_buffer.depth()) + 1, 0);
    }
    if hw.fault(Fault::SetupNever).is_some() {
        dwords.clear();
    }
    dwords
}

/// The start response as it is given: not at all, once or twice.
pub fn start(hw: &mut Hw, firmware: [u16; 4]) -> Vec<Message> {
    let mut payload = start_response(firmware);
    if let Some(command) = hw.fault(Fault::StartWrongCommand) {
        overwrite(&mut payload, 0, &(command as u32).to_le_bytes());
    }
    if let Some(version) = hw.fault(Fault::StartWrongVersion) {
        overwrite(&mut payload, 12, &(version as u16).to_le_bytes());
    }
    if let Some(length) = hw.fault(Fault::StartCapabilities) {
        overwrite(&mut payload, 14, &[length as u8]);
    }
    let short = hw.fault(Fault::StartShort);
    let long = hw.fault(Fault::StartLong);
    resize(&mut payload, short, long);
    let status = hw.fault(Fault::StartStatus).unwrap_or(0);
    let mut message = Message::new(0, 0, status as u32, payload);
    if let Some(flags) = hw.fault(Fault::StartFlags) {
        message.header.flags = flags as u32;
        message.header.reserved = flags as u32;
    }
    said(hw, message, Fault::StartNever, Fault::StartTwice)
}

/// The clients response as it is given: not at all, once or twice.
pub fn clients(hw: &mut Hw, mut rows: Vec<ClientRow>) -> Vec<Message> {
    if hw.fault(Fault::ClientsNone).is_some() {
        rows.clear();
    }
    if let [first, second, ..] = rows.as_mut_slice() {
        if hw.fault(Fault::ClientsDuplicateId).is_some() {
            second.id = first.id;
        }
        if hw.fault(Fault::ClientsDuplicateUuid).is_some() {
            second.uuid = first.uuid;
        }
        if hw.fault(Fault::ClientsZeroId).is_some() {
            second.id = 0;
        }
        if hw.fault(Fault::ClientsZeroMtu).is_some() {
            second.mtu = 0;
        }
        if let Some(mtu) = hw.fault(Fault::ClientsGiantMtu) {
            second.mtu = mtu as u32;
        }
        if let Some(flags) = hw.fault(Fault::ClientsFlags) {
            second.flags = flags as u32;
        }
    }
    let mut payload = clients_response(&rows);
    let mut count = rows.len() as u16;
    if let Some(more) = hw.fault(Fault::ClientsMore) {
        count = count.wrapping_add(more as u16);
    }
    if let Some(fewer) = hw.fault(Fault::ClientsFewer) {
        count = count.wrapping_sub(fewer as u16);
    }
    if hw.fault(Fault::Clients65535).is_some() {
        count = u16::MAX;
    }
    overwrite(&mut payload, 4, &count.to_le_bytes());
    if let Some(command) = hw.fault(Fault::ClientsWrongCommand) {
        overwrite(&mut payload, 0, &(command as u32).to_le_bytes());
    }
    if let Some(value) = hw.fault(Fault::ClientsReserved) {
        overwrite(&mut payload, 6, &[value as u8; 2]);
        for row in (CLIENTS_HEADER..payload.len()).step_by(CLIENT_ROW) {
            overwrite(&mut payload, row + 3, &[value as u8]);
        }
    }
    let short = hw.fault(Fault::ClientsShort);
    let long = hw.fault(Fault::ClientsLong);
    resize(&mut payload, short, long);
    let status = hw.fault(Fault::ClientsStatus).unwrap_or(0);
    let message = Message::new(0, 0, status as u32, payload);
    said(hw, message, Fault::ClientsNever, Fault::ClientsTwice)
}

/// A client's message as it is published: not at all, once or twice. `mtu` is the client's,
/// `room` the largest payload of the section.
pub fn message(hw: &mut Hw, mut message: Message, mtu: u32, room: u32) -> Vec<Message> {
    let on = On::Client(message.header.fw_id);
    let mut fault = |fault| hw.fault_on(fault, on);
    if fault(Fault::MessageEmpty).is_some() {
        message.payload.clear();
        message.header.length = 0;
    }
    if fault(Fault::MessageOverMtu).is_some() {
        let length = mtu.saturating_add(1).min(room);
        message.payload.resize(length as usize, 0);
        message.header.length = length;
    }
    let header = &mut message.header;
    if fault(Fault::MessageLengthOver).is_some() {
        header.length = room + 1;
    }
    if let Some(length) = fault(Fault::MessageLengthMax) {
        header.length = length as u32;
    }
    if let Some(id) = fault(Fault::MessageWrongHost) {
        header.host_id = id as u16;
    }
    if let Some(id) = fault(Fault::MessageWrongFirmware) {
        header.fw_id = id as u16;
    }
    if fault(Fault::MessageZeroHost).is_some() {
        header.host_id = 0;
    }
    if fault(Fault::MessageZeroFirmware).is_some() {
        header.fw_id = 0;
    }
    if let Some(status) = fault(Fault::MessageStatus) {
        header.status = status as u32;
    }
    if let Some(flags) = fault(Fault::MessageFlags) {
        header.flags = flags as u32;
        header.reserved = flags as u32;
    }
    if fault(Fault::MessageBus).is_some() {
        message = Message::new(0, 0, 0, b"no bus message".to_vec());
    }
    if fault(Fault::MessageSwallowed).is_some() {
        return Vec::new();
    }
    if fault(Fault::MessageDuplicated).is_some() {
        return vec![message.clone(), message];
    }
    vec![message]
}

/// By how much `f2h_wr` advances.
pub fn publish_step(hw: &mut Hw, on: On) -> u32 {
    if hw.fault_on(Fault::CounterF2hBack, on).is_some() {
        return u32::MAX;
    }
    if hw.fault_on(Fault::CounterF2hStuck, on).is_some() {
        return 0;
    }
    hw.fault_on(Fault::CounterF2hJump, on)
        .map_or(1, |step| step as u32)
}

/// By how much `h2f_rd` advances.
pub fn consume_step(hw: &mut Hw, on: On) -> u32 {
    if hw.fault_on(Fault::CounterH2fBack, on).is_some() {
        return u32::MAX;
    }
    hw.fault_on(Fault::CounterH2fJump, on)
        .map_or(1, |step| step as u32)
}

/// The two lengths between which a header changes after its publication.
pub fn header_lengths(header: &Header) -> [u32; 2] {
    [u32::MAX, header.length]
}

fn said(hw: &mut Hw, message: Message, never: Fault, twice: Fault) -> Vec<Message> {
    if hw.fault(never).is_some() {
        return Vec::new();
    }
    let count = if hw.fault(twice).is_some() { 2 } else { 1 };
    vec![message; count]
}

fn overwrite(payload: &mut [u8], offset: usize, bytes: &[u8]) {
    let to = payload.iter_mut().skip(offset);
    to.zip(bytes).for_each(|(to, from)| *to = *from);
}

fn resize(payload: &mut Vec<u8>, short: Option<u64>, long: Option<u64>) {
    let cut = short.unwrap_or(0).min(payload.len() as u64);
    let grow = long.unwrap_or(0).min(4096);
    payload.resize(payload.len() - cut as usize + grow as usize, 0);
}
