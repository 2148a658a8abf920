// SPDX-License-Identifier: GPL-2.0

//! `log`.

use serde_json::json;

use super::Context;
use crate::args;
use crate::check::Check;
use crate::console::{Output, Text};
use crate::exit::{Exit, Failure};
use crate::log::verify::{verify, Report};
use crate::log::{read, Entry, Log, Seen};

/// Shows or checks the log.
pub(super) fn log(context: &Context, args: &args::Log) -> Result<Output, Failure> {
    let device = context.sysfs.device(context.device.as_deref())?;
    let log = read(&device)?;
    if let Some(number) = args.number {
        if !log.entries.iter().any(|entry| entry.number == number) {
            let message = format!("{}: there is no entry {number}", device.name);
            return Err(Failure::new(Exit::Usage, message).advise(kept(&log)));
        }
    }
    let check = args.verify || args.seen.is_some();
    Ok(show(&device.name, &log, args.number, check, args.seen))
}

fn kept(log: &Log) -> String {
    let (count, dropped) = (log.state.count, log.state.dropped);
    format!("{count} entries were made, the first {dropped} were dropped")
}

/// Shows a log or one entry of it, after it was checked if that is wanted.
pub fn show(
    device: &str,
    log: &Log,
    number: Option<u64>,
    check: bool,
    seen: Option<Seen>,
) -> Output {
    let report = check.then(|| verify(log, seen));
    let wanted = |entry: &&Entry| number.is_none_or(|number| entry.number == number);
    let entries: Vec<_> = log.entries.iter().filter(wanted).collect();
    let mut text = Text::default();
    match (&report, number) {
        (None, Some(_)) => entries.iter().for_each(|entry| detail(&mut text, entry)),
        (None, None) => table(&mut text, log),
        (Some(report), _) => checks(&mut text, log, report, number),
    }
    let summaries: Vec<_> = entries.iter().map(|entry| entry.summary()).collect();
    let mut json = json!({"device": device, "log": log.state, "entries": summaries});
    if let (Some(report), Some(object)) = (&report, json.as_object_mut()) {
        object.insert("checks".into(), json!(report.log));
        object.insert("entry_checks".into(), json!(report.entries));
    }
    let mut output = Output::new(text, json);
    output.exit = report.map_or(Exit::Ok, |report| report.exit());
    output
}

fn table(text: &mut Text, log: &Log) {
    let row = |entry: &Entry| {
        let nonce = hex::encode(&entry.requester_nonce);
        let nonce = match nonce.get(..16) {
            Some(begin) => format!("{begin}..."),
            None => "-".to_owned(),
        };
        vec![
            entry.number.to_string(),
            entry.kind.clone(),
            match entry.hash_algorithm.as_str() {
                "" => "-".to_owned(),
                name => name.to_owned(),
            },
            entry.transcript.len().to_string(),
            nonce,
        ]
    };
    let rows: Vec<_> = log.entries.iter().map(row).collect();
    text.table(&["entry", "type", "hash", "bytes", "nonce"], &rows);
    text.line(kept(log));
    if let Some(last) = log.entries.last() {
        text.line(format!("head {}:{}", last.number, hex::encode(last.head)));
    }
}

fn detail(text: &mut Text, entry: &Entry) {
    let fields = [
        ("entry", entry.number.to_string()),
        ("type", entry.kind.clone()),
        ("hash", entry.hash_algorithm.clone()),
        ("prefix", hex::encode(&entry.prefix)),
        ("nonce of the driver", hex::encode(&entry.requester_nonce)),
        ("nonce of the engine", hex::encode(&entry.responder_nonce)),
        ("transcript", hex::encode(&entry.transcript)),
        ("signature", hex::encode(&entry.signature)),
        (
            "certificates",
            format!("{} bytes", entry.certificate_chain.len()),
        ),
        ("head", hex::encode(entry.head)),
    ];
    text.fields(0, &fields);
}

fn checks(text: &mut Text, log: &Log, report: &Report, number: Option<u64>) {
    for entry in &report.entries {
        if number.is_none_or(|number| number == entry.number) {
            text.line(format!("entry {}", entry.number));
            text.checks(&entry.checks);
        }
    }
    text.line("log");
    let all: Vec<Check> = report.log.clone();
    text.checks(&all);
    if let Some(last) = log.entries.last() {
        text.line(format!("head {}:{}", last.number, hex::encode(last.head)));
    }
}
