// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/issei<N>`: state, counters, the last message headers, and a reset knob.
//!
//! Nothing here is an interface: it shows what the driver thinks.

use kernel::{
    debugfs::Scope,
    device,
    fmt::Formatter,
    prelude::*,
    sync::aref::ARef,
    uaccess::UserSliceReader, //
};

use crate::{
    clients::FwClient,
    device::Issei,
    kapi::chardev::ClassDevice,
    stats::{
        Direction,
        Traced, //
    }, //
};

type Device = ARef<ClassDevice<Issei>>;

/// The directory; it disappears when this is dropped.
pub(crate) type Directory = Scope<Device>;

/// Creates the directory, which keeps a reference to the device.
pub(crate) fn create(dev: &ClassDevice<Issei>) -> impl PinInit<Directory> + '_ {
    let name = AsRef::<device::Device>::as_ref(dev).name();
    Scope::dir(Device::from(dev), name, |dev, dir| {
        dir.read_callback_file(c"state", dev, &state);
        dir.read_callback_file(c"statistics", dev, &statistics);
        dir.read_callback_file(c"clients", dev, &clients);
        dir.read_callback_file(c"messages", dev, &messages);
        dir.write_only_callback_file(c"reset", dev, &reset);
    })
}

fn state(dev: &Device, out: &mut Formatter<'_>) -> kernel::fmt::Result {
    let (state, failures, generation, fault, protocol, files, owed) = {
        let link = dev.link.lock();
        (
            link.state_name(),
            link.machine().failures(),
            link.generation(),
            link.machine().fault(),
            link.protocol_version,
            link.clients.files(),
            link.clients.owed(),
        )
    };
    writeln!(out, "link {state}")?;
    writeln!(out, "failed_bring_ups {failures}")?;
    writeln!(out, "generation {generation}")?;
    if let Some(fault) = fault {
        writeln!(out, "last_fault {fault}")?;
    }
    writeln!(out, "protocol_version {protocol}")?;
    writeln!(out, "open_files {files}")?;
    writeln!(out, "owed_answers {owed}")
}

fn statistics(dev: &Device, out: &mut Formatter<'_>) -> kernel::fmt::Result {
    let (counters, undelivered) = {
        let link = dev.link.lock();
        (link.statistics.counters, link.clients.undelivered)
    };
    writeln!(out, "interrupts {}", counters.interrupts)?;
    writeln!(out, "sent {}", counters.sent)?;
    writeln!(out, "received {}", counters.received)?;
    writeln!(out, "resets {}", counters.resets)?;
    writeln!(out, "rescued {}", counters.rescued)?;
    writeln!(out, "stale {}", undelivered.stale)?;
    writeln!(out, "dropped_status {}", undelivered.status)?;
    writeln!(out, "dropped_too_long {}", undelivered.too_long)?;
    writeln!(out, "dropped_unread {}", undelivered.unread)?;
    writeln!(out, "dropped_no_memory {}", undelivered.no_memory)
}

fn clients(dev: &Device, out: &mut Formatter<'_>) -> kernel::fmt::Result {
    writeln!(out, "id connected sent received")?;
    for at in 0.. {
        // One at a time: the table is as long as the firmware likes, and the lock is not for long.
        let Some((id, connected, sent, received)) =
            dev.link
                .lock()
                .clients
                .table()
                .get(at)
                .map(|client: &FwClient| {
                    (
                        client.properties.id,
                        client.is_connected(),
                        client.sent,
                        client.received,
                    )
                })
        else {
            break;
        };
        writeln!(out, "{id} {} {sent} {received}", u32::from(connected))?;
    }
    Ok(())
}

fn messages(dev: &Device, out: &mut Formatter<'_>) -> kernel::fmt::Result {
    writeln!(out, "nanoseconds direction fw_id host_id length status")?;
    for at in 0.. {
        let traced: Option<Traced> = dev.link.lock().statistics.last_messages().nth(at).copied();
        let Some(Traced {
            at,
            direction,
            header,
        }) = traced
        else {
            break;
        };
        let direction = match direction {
            Direction::ToFirmware => "h2f",
            Direction::FromFirmware => "f2h",
        };
        writeln!(
            out,
            "{at} {direction} {} {} {} {:#x}",
            header.fw_id, header.host_id, header.length, header.status
        )?;
    }
    Ok(())
}

fn reset(dev: &Device, from: &mut UserSliceReader) -> Result {
    let mut text = [0; 2];
    let length = from.len();
    let text = text.get_mut(..length).ok_or(EINVAL)?;
    from.read_slice(text)?;
    match text.trim_ascii() {
        b"1" => dev.request_reset(),
        _ => Err(EINVAL),
    }
}
