// SPDX-License-Identifier: GPL-2.0
//! The control socket: one JSON object per line in, one per line out. See README.md.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{json, Map, Value};

use crate::faults::{Fault, On};
use crate::fuzz;
use crate::server::Shared;
use crate::settings::Change;
use crate::spdm::algorithms::Asym;
use crate::wire::Message;

/// Longest line that is read, in bytes.
const LINE_MAX: u64 = 1 << 20;

/// A command.
#[derive(Debug, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    State {},
    Counters {
        #[serde(default)]
        clear: bool,
    },
    ResetFirmware {
        #[serde(default = "ten")]
        down_ms: u64,
    },
    Set(Change),
    Fault {
        name: String,
        #[serde(default = "one")]
        start: u64,
        #[serde(default = "one")]
        count: u64,
        value: Option<u64>,
        on: Option<On>,
    },
    Faults {},
    ClearFaults {},
    Fuzz {
        #[serde(default)]
        seed: u64,
        #[serde(default = "one_in")]
        one_in: u64,
    },
    Interrupt {},
    Send {
        fw_id: u16,
        host_id: u16,
        #[serde(default)]
        status: u32,
        #[serde(default)]
        data: String,
    },
    Spdm {
        #[serde(default)]
        slot: u8,
        asym: Option<Asym>,
    },
    SpdmSet(Map<String, Value>),
    SpdmMeasurement {
        index: u8,
        r#type: Option<u8>,
        data: Option<String>,
    },
    Quit {},
}

fn one() -> u64 {
    1
}

fn one_in() -> u64 {
    fuzz::ONE_IN
}

fn ten() -> u64 {
    10
}

/// What to do after an answer was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read on.
    Continue,
    /// End the process at once.
    Quit,
}

/// Answers one line.
pub fn answer(shared: &Shared, line: &str) -> (Value, Next) {
    let command = match serde_json::from_str(line) {
        Ok(command) => command,
        Err(error) => {
            let text = format!("not a command: {error}");
            return (json!({"ok": false, "error": text}), Next::Continue);
        }
    };
    let next = match command {
        Command::Quit {} => Next::Quit,
        _ => Next::Continue,
    };
    let answer = match run(shared, command) {
        Ok(mut answer) => {
            answer.insert("ok".into(), true.into());
            Value::Object(answer)
        }
        Err(error) => json!({"ok": false, "error": error}),
    };
    (answer, next)
}

fn run(shared: &Shared, command: Command) -> Result<Map<String, Value>, String> {
    match command {
        Command::State {} => object(shared.with(|device, now| device.state(now))),
        Command::Counters { clear } => object(shared.with(|device, now| {
            device.advance(now);
            let value = device.describe_counters();
            if clear {
                device.clear_counters();
            }
            value
        })),
        Command::ResetFirmware { down_ms } => {
            let down = Duration::from_millis(down_ms);
            shared.with(|device, now| device.reset_firmware(now, down));
            Ok(Map::new())
        }
        Command::Set(change) => {
            shared.with(|device, now| device.set(now, &change));
            Ok(Map::new())
        }
        Command::Fault {
            name,
            start,
            count,
            value,
            on,
        } => {
            let fault = Fault::named(&name)
                .ok_or_else(|| format!("no fault is called {name}; faults lists them"))?;
            shared.with(|device, _| device.faults().arm(fault, start, count, value, on))?;
            Ok(Map::new())
        }
        Command::Faults {} => object(json!({"faults": shared.with(|device, _| {
            let row = |fault: &Fault| {
                let mut row = json!(fault.info());
                row["armed"] = json!(device.faults().armed(*fault));
                row
            };
            Fault::ALL.iter().map(row).collect::<Vec<Value>>()
        })})),
        Command::ClearFaults {} => {
            shared.with(|device, _| device.faults().clear());
            Ok(Map::new())
        }
        Command::Fuzz { seed, one_in } => {
            shared.with(|device, _| device.fuzz().restart(seed, one_in));
            Ok(Map::new())
        }
        Command::Interrupt {} => {
            shared.with(|device, now| device.interrupt(now));
            Ok(Map::new())
        }
        Command::Send {
            fw_id,
            host_id,
            status,
            data,
        } => {
            let payload = hexadecimal(&data)?;
            let message = Message::new(fw_id, host_id, status, payload);
            shared.with(|device, now| device.send(now, message))?;
            Ok(Map::new())
        }
        Command::Spdm { slot, asym } => {
            object(shared.with(|device, _| device.describe_spdm(slot, asym))?)
        }
        Command::SpdmSet(change) => {
            shared.with(|device, _| {
                let settings = device.spdm_settings();
                *settings = settings.changed(change)?;
                Ok::<_, String>(())
            })?;
            Ok(Map::new())
        }
        Command::SpdmMeasurement {
            index,
            r#type,
            data,
        } => {
            let value = data.as_deref().map(hexadecimal).transpose()?;
            let value = value.as_deref();
            shared.with(|device, _| device.engine().measurements.set(index, r#type, value))?;
            Ok(Map::new())
        }
        Command::Quit {} => Ok(Map::new()),
    }
}

fn hexadecimal(data: &str) -> Result<Vec<u8>, String> {
    bytes(data).ok_or_else(|| "data is not a string of hexadecimal bytes".into())
}

fn object(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(map) => Ok(map),
        other => Err(format!("the answer {other} is not an object")),
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |c: &u8| char::from(*c).to_digit(16);
    hex.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

/// Serves connections for ever, each in a thread of its own. `quit` ends the process.
///
/// # Errors
///
/// A connection cannot be accepted.
pub fn serve(listener: &UnixListener, shared: &Arc<Shared>, quit: fn()) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A connection that breaks concerns only its other end.
            if let Err(error) = converse(stream, &shared, quit) {
                log::info!("control connection: {error}");
            }
        });
    }
}

fn converse(stream: UnixStream, shared: &Shared, quit: fn()) -> io::Result<()> {
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        input.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let (answer, next) = answer(shared, &String::from_utf8_lossy(&line));
        output.write_all(format!("{answer}\n").as_bytes())?;
        if next == Next::Quit {
            quit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_data_is_judged() {
        assert_eq!(bytes(""), Some(vec![]));
        assert_eq!(bytes("00fFa5"), Some(vec![0, 0xff, 0xa5]));
        assert_eq!(bytes("0"), None);
        assert_eq!(bytes("0x"), None);
        assert_eq!(bytes("é"), None);
    }
}
