// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/issei<N>`: state, counters, the last message headers, and a reset knob.
//!
//! Nothing here is an interface: it shows what the driver thinks.

use kernel::{
    fmt::{
        Result as Shown,
        Write, //
    },
    prelude::*, //
};

use crate::{
    clients::FwClient,
    device::Issei,
    kapi::debugfs::{
        File,
        Files,
        Output, //
    },
    stats::{
        Direction,
        Traced, //
    }, //
};

impl Files for Issei {
    const FILES: &'static [File<Self>] = &[
        File::ro(c"state", state),
        File::ro(c"statistics", statistics),
        File::ro(c"clients", clients),
        File::ro(c"messages", messages),
        File::ro(c"spdm.pcap", |dev, out| dev.spdm.capture.pcap(out)),
        File::ro(c"spdm_statistics", |dev, out| {
            dev.spdm.capture.statistics(out)
        }),
        File::wo(c"reset", |dev, text| match text.trim_ascii() {
            b"1" => dev.request_reset(),
            _ => Err(EINVAL),
        }),
    ];
}

fn state(dev: &Issei, out: &mut Output<'_>) -> Shown {
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

fn statistics(dev: &Issei, out: &mut Output<'_>) -> Shown {
    let (counters, undelivered) = {
        let link = dev.link.lock();
        (link.statistics.counters, link.clients.undelivered)
    };
    writeln!(out, "interrupts {}", counters.interrupts)?;
    writeln!(out, "sent {}", counters.sent)?;
    writeln!(out, "received {}", counters.received)?;
    writeln!(out, "resets {}", counters.resets)?;
    writeln!(out, "rescued {}", counters.rescued)?;
    writeln!(out, "rescued_after_us {}", counters.rescued_after / 1000)?;
    writeln!(out, "stale {}", undelivered.stale)?;
    writeln!(out, "dropped_status {}", undelivered.status)?;
    writeln!(out, "dropped_too_long {}", undelivered.too_long)?;
    writeln!(out, "dropped_unread {}", undelivered.unread)?;
    writeln!(out, "dropped_no_memory {}", undelivered.no_memory)
}

fn clients(dev: &Issei, out: &mut Output<'_>) -> Shown {
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

fn messages(dev: &Issei, out: &mut Output<'_>) -> Shown {
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
