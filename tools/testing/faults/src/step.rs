// SPDX-License-Identifier: GPL-2.0
//! What is done in a row, step by step: one line of words each.
//!
//! `? ` before a step means that its result is recorded, as the next of the row's calls; otherwise
//! the step must succeed. A letter and a colon name the program that makes a call; without, it is
//! the program `a`.

use anyhow::{anyhow, bail, ensure, Context, Error, Result};
use guest::Client;
use serde::Deserialize;
use serde_json::{json, Map, Value};

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Step {
    /// Whether the result is recorded.
    pub(crate) recorded: bool,
    pub(crate) action: Action,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A program makes a call.
    Call(char, Call),
    /// A program begins a call that sleeps.
    Begin(char, Call),
    /// The call that a program has begun ends.
    End(char),
    /// A program closes its file.
    Close(char),
    /// A command for the model.
    Model(Value),
    /// Until the model's firmware is in this phase.
    Until(String),
    /// Until every armed fault has fired as often as it shall.
    Fired,
    Sleep(u64),
    /// Something that the machine does.
    Machine(Deed),
    /// Until the SPDM agent is through: its state.
    Spdm,
}

/// A call on `/dev/issei<N>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Open,
    Connect(Client),
    Disconnect,
    Write(usize),
    Read,
    /// Write and read.
    Echo(usize),
    Poll,
    /// Evidence with a new nonce.
    Evidence,
}

/// What the machine does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Unbind,
    Bind,
    /// Removal of the PCI function, in software.
    Remove,
    Rescan,
    /// A reset of the link.
    Reset,
    /// A reset of the PCI function.
    FunctionReset,
    /// Error recovery of the PCI function, whose channel is in this state.
    Recovery(Channel),
    /// The slot of the device is emptied, and the kernel hears of it.
    Unplug,
    /// Sleep to this depth, as `pm_test` has it.
    Sleep(String),
    /// The SPDM agent begins.
    Authenticate,
    /// Every allocation of the call fails in turn.
    Failing(Failing),
}

/// The state of the channel to a function after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Normal,
    Frozen,
    Dead,
}

/// In what each allocation fails in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    Probe,
    Open,
    Connect,
    Write,
    Read,
    Disconnect,
    /// Those of the SPDM agent.
    Authenticate,
    /// Those of the SPDM agent and of who asked.
    Evidence,
}

impl TryFrom<String> for Step {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let (recorded, line) = match text.strip_prefix("? ") {
            Some(line) => (true, line),
            None => (false, text.as_str()),
        };
        let action = action(line).with_context(|| format!("the step '{text}'"))?;
        Ok(Self { recorded, action })
    }
}

fn action(line: &str) -> Result<Action> {
    let (program, line) = match line.split_once(": ") {
        Some((name, line)) => (name.parse().context("a letter")?, line),
        None => ('a', line),
    };
    let words: Vec<&str> = line.split(' ').collect();
    let words: &[&str] = &words;
    Ok(match *words {
        ["fault", name, ref more @ ..] => {
            let mut command = fields(more)?;
            command.insert("cmd".to_owned(), json!("fault"));
            command.insert("name".to_owned(), json!(name));
            Action::Model(Value::Object(command))
        }
        ["model", name, ref more @ ..] => {
            let mut command = fields(more)?;
            command.insert("cmd".to_owned(), json!(name));
            Action::Model(Value::Object(command))
        }
        ["until", phase] => Action::Until(phase.to_owned()),
        ["fired"] => Action::Fired,
        ["wait", ms] => Action::Sleep(ms.parse()?),
        ["spdm"] => Action::Spdm,
        ["begin", ref call @ ..] => Action::Begin(program, self::call(call)?),
        ["end"] => Action::End(program),
        ["close"] => Action::Close(program),
        ["unbind"] => Action::Machine(Deed::Unbind),
        ["bind"] => Action::Machine(Deed::Bind),
        ["remove"] => Action::Machine(Deed::Remove),
        ["rescan"] => Action::Machine(Deed::Rescan),
        ["reset"] => Action::Machine(Deed::Reset),
        ["function-reset"] => Action::Machine(Deed::FunctionReset),
        ["recovery", channel] => Action::Machine(Deed::Recovery(match channel {
            "normal" => Channel::Normal,
            "frozen" => Channel::Frozen,
            "dead" => Channel::Dead,
            _ => bail!("no channel is {channel}"),
        })),
        ["unplug"] => Action::Machine(Deed::Unplug),
        ["sleep", level] => Action::Machine(Deed::Sleep(level.to_owned())),
        ["authenticate"] => Action::Machine(Deed::Authenticate),
        ["failing", what] => Action::Machine(Deed::Failing(match what {
            "probe" => Failing::Probe,
            "open" => Failing::Open,
            "connect" => Failing::Connect,
            "write" => Failing::Write,
            "read" => Failing::Read,
            "disconnect" => Failing::Disconnect,
            "authenticate" => Failing::Authenticate,
            "evidence" => Failing::Evidence,
            _ => bail!("nothing fails in {what}"),
        })),
        _ => Action::Call(program, call(words)?),
    })
}

fn call(words: &[&str]) -> Result<Call> {
    Ok(match *words {
        ["open"] => Call::Open,
        ["connect", name] => Call::Connect(client(name)?),
        ["disconnect"] => Call::Disconnect,
        ["write", length] => Call::Write(length.parse()?),
        ["read"] => Call::Read,
        ["echo", length] => Call::Echo(length.parse()?),
        ["poll"] => Call::Poll,
        ["evidence"] => Call::Evidence,
        _ => bail!("nobody knows how to do that"),
    })
}

fn client(name: &str) -> Result<Client> {
    Ok(match name {
        "spdm" => Client::Spdm,
        "echo-a" => Client::EchoA,
        "echo-b" => Client::EchoB,
        "bulk" => Client::Bulk,
        "late" => Client::Late,
        _ => bail!("there is no client {name}"),
    })
}

/// Fields of a command: `name=value`, where the value is JSON or else a string.
fn fields(words: &[&str]) -> Result<Map<String, Value>> {
    let mut fields = Map::new();
    for word in words {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| anyhow!("'{word}' is not name=value"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        ensure!(
            fields.insert(name.to_owned(), value).is_none(),
            "{name}: twice"
        );
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str) -> Result<Step> {
        Step::try_from(text.to_owned())
    }

    #[test]
    fn steps_are_read() {
        let fault = step("fault message-status on=3 value=8").unwrap();
        let command = json!({"cmd": "fault", "name": "message-status", "on": 3, "value": 8});
        assert_eq!(fault.action, Action::Model(command));
        let echo = step("? b: echo 100").unwrap();
        assert!(echo.recorded);
        assert_eq!(echo.action, Action::Call('b', Call::Echo(100)));
        let begin = step("begin connect late").unwrap();
        assert_eq!(
            begin.action,
            Action::Begin('a', Call::Connect(Client::Late))
        );
    }

    #[test]
    fn mistakes_are_errors() {
        for text in [
            "",
            "ech 1",
            "echo",
            "echo x",
            "connect nobody",
            "fault x 1",
            "ab: read",
        ] {
            assert!(step(text).is_err(), "{text}");
        }
    }
}
