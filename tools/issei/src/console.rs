// SPDX-License-Identifier: GPL-2.0

//! What a run says: text for people, one JSON object for programs.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{json, Map, Value};

use crate::check::{Check, Outcome};
use crate::exit::{Exit, Failure};

/// The form of the JSON objects: `schema/isseictl-1.schema.json`.
pub const SCHEMA: &str = "isseictl/1";

/// What a command has to say.
#[derive(Debug)]
pub struct Output {
    /// How the run ends.
    pub exit: Exit,
    /// For people.
    pub text: Text,
    /// For programs: the members besides those that all commands have.
    pub json: Map<String, Value>,
}

impl Output {
    /// Something to say at the end of a run that went well. `json` is an object.
    pub fn new(text: Text, json: Value) -> Self {
        let json = match json {
            Value::Object(json) => json,
            _ => Map::new(),
        };
        Self {
            exit: Exit::Ok,
            text,
            json,
        }
    }
}

/// Text that grows, with colours that go where they are not wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(String);

/// Makes text of a stranger fit for a terminal.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        // Controls, and what turns the direction of writing.
        if letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    plain
}

impl Text {
    /// A line.
    pub fn line(&mut self, line: impl fmt::Display) {
        self.0.push_str(&plain(&line.to_string()));
        self.0.push('\n');
    }

    /// Text that is not made of lines of strangers, as it is.
    pub fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// Names and values, one below the other. A value without a name goes on with the one before.
    pub fn fields(&mut self, indent: usize, fields: &[(&str, String)]) {
        let width = fields.iter().map(|(name, _)| name.len()).max();
        let width = width.unwrap_or_default() + 1;
        for (name, value) in fields {
            let name = match *name {
                "" => String::new(),
                name => format!("{name}:"),
            };
            self.line(format!("{:indent$}{name:width$} {value}", "").trim_end());
        }
    }

    /// A table. The last column is not padded.
    pub fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) {
        let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
        let width = |column: usize| {
            let rows = rows.iter().chain([&heads]);
            let cells = rows.filter_map(|row| row.get(column));
            cells.map(|cell| plain(cell).chars().count()).max()
        };
        let widths: Vec<usize> = (0..heads.len()).filter_map(width).collect();
        for row in [&heads].into_iter().chain(rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let cell = plain(cell);
                // Writing to a string does not fail.
                let _ = write!(line, "{cell:width$}  ");
            }
            self.line(line.trim_end());
        }
    }

    /// Checks, one a line.
    pub fn checks(&mut self, checks: &[Check]) {
        let width = checks.iter().map(|check| check.name.len()).max();
        let width = width.unwrap_or_default();
        for Check {
            name,
            result,
            reason,
        } in checks
        {
            let style = style(*result);
            let word = result.word();
            let reason = plain(reason);
            let _ = writeln!(self.0, "{style}{word:11}{style:#}  {name:width$}  {reason}");
        }
    }

    /// The text, with colours.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn style(outcome: Outcome) -> Style {
    let colour = match outcome {
        Outcome::Pass => AnsiColor::Green,
        Outcome::Fail => AnsiColor::Red,
        Outcome::NotChecked(_) => AnsiColor::Yellow,
    };
    Style::new().bold().fg_color(Some(colour.into()))
}

/// The JSON object of a run.
pub fn object(command: &str, result: Result<&Output, &Failure>) -> Value {
    let (exit, rest) = match result {
        Ok(output) => (output.exit, output.json.clone()),
        Err(failure) => {
            let error = json!({"message": failure.message, "advice": failure.advice});
            (failure.exit, Map::from_iter([("error".into(), error)]))
        }
    };
    let mut object = Map::new();
    object.insert("schema".into(), SCHEMA.into());
    object.insert("command".into(), command.into());
    object.insert("exit_code".into(), (exit as u8).into());
    object.extend(rest);
    object.into()
}

/// How a run says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text.
    Text,
    /// One JSON object.
    Json,
    /// Errors only.
    Quiet,
}

/// Says it, and returns the exit status. Somebody who does not want to hear the rest, as at the
/// end of a pipe, is no error.
pub fn say(command: &str, result: &Result<Output, Failure>, form: Form) -> Exit {
    let exit = match result {
        Ok(output) => output.exit,
        Err(failure) => failure.exit,
    };
    let written = match (form, result) {
        (Form::Json, _) => writeln!(io::stdout(), "{:#}", object(command, result.as_ref())),
        (Form::Text, Ok(output)) => anstream::stdout().write_all(output.text.as_str().as_bytes()),
        _ => Ok(()),
    };
    if let Err(failure) = result {
        complain(failure);
    }
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&Failure::new(
                Exit::Usage,
                format!("standard output: {error}"),
            ));
            Exit::Usage
        }
        _ => exit,
    }
}

fn complain(failure: &Failure) {
    let mut text = format!("isseictl: {}\n", plain(&failure.message));
    if let Some(advice) = &failure.advice {
        let _ = writeln!(text, "isseictl: {}", plain(advice));
    }
    // There is nobody else to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_write_to_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(plain("Müller: 'x'"), "Müller: 'x'");
        let mut text = Text::default();
        text.table(&["a"], &[vec!["x\ny".into()]]);
        text.checks(&[Check::fail("c", "x\ny")]);
        assert_eq!(text.as_str().lines().count(), 3);
    }

    #[test]
    fn columns_are_aligned() {
        let mut text = Text::default();
        text.table(
            &["no", "what"],
            &[
                vec!["1".into(), "one".into()],
                vec!["22".into(), "two".into()],
            ],
        );
        text.fields(
            2,
            &[("a", "1".into()), ("bcd", "2".into()), ("", "3".into())],
        );
        let expected = "no  what\n1   one\n22  two\n  a:   1\n  bcd: 2\n       3\n";
        assert_eq!(text.as_str(), expected);
    }

    #[test]
    fn errors_are_objects_too() {
        let failure = Failure::new(Exit::Busy, "busy").advise("wait");
        let object = object("attest", Err(&failure));
        let expected = json!({
            "schema": "isseictl/1",
            "command": "attest",
            "exit_code": 5,
            "error": {"message": "busy", "advice": "wait"},
        });
        assert_eq!(object, expected);
    }
}
