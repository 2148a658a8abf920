// SPDX-License-Identifier: GPL-2.0

//! What is shown of a machine, and what is said where there is nothing to show.

use clap::Parser;
use isseictl::args::{Cli, Command};
use isseictl::commands::{self, Context};
use isseictl::console::{object, Output};
use isseictl::exit::{Exit, Failure};

use crate::machine::{remove, Machine};
use crate::schema::valid;

/// Runs a command line on a machine; what it says as JSON has to be of its schema.
pub(crate) fn run(machine: &Machine, line: &str) -> Result<Output, Failure> {
    let cli = Cli::try_parse_from(["isseictl"].into_iter().chain(line.split(' ')));
    let cli = cli.expect("a command line");
    let context = machine.context(cli.device.as_deref());
    run_command(&context, &cli.command)
}

fn run_command(context: &Context, command: &Command) -> Result<Output, Failure> {
    let result = commands::run(context, command);
    valid(&object(command.name(), result.as_ref()));
    result
}

fn failure(machine: &Machine, line: &str) -> Failure {
    run(machine, line).expect_err("it cannot be done")
}

#[test]
fn no_engine_no_driver_and_other_drivers_are_told_apart() {
    for (machine, message, advice) in [
        (Machine::new(), "there is no engine", "lspci"),
        (
            Machine::with_function("8086", "7fff", None),
            "there is no engine",
            "8086:7fff at 0000:00:02.0",
        ),
        (
            Machine::with_function("8086", "7fff", Some("mei_me")),
            "there is no engine",
            "lspci",
        ),
        (
            Machine::with_function("1af4", "a85d", None),
            "there is no engine",
            "lspci",
        ),
        (
            Machine::with_function("8086", "a85d", None),
            "8086:a85d (Lunar Lake) at 0000:00:02.0 has no driver",
            "modprobe issei_rust",
        ),
        (
            Machine::with_function("8086", "4d5d", Some("vfio-pci")),
            "(Wildcat Lake) at 0000:00:02.0 is taken by the driver vfio-pci",
            "unload vfio-pci",
        ),
        (
            Machine::with_function("8086", "d470", Some("issei_rust")),
            "has a driver, but no device",
            "dmesg",
        ),
    ] {
        for line in ["info", "clients", "certs", "log", "measurements"] {
            let failure = failure(&machine, line);
            assert_eq!(failure.exit, Exit::NoDevice, "{failure}");
            assert!(failure.message.contains(message), "{failure}");
            let given = failure.advice.expect("advice");
            assert!(given.contains(advice), "{given}");
        }
    }
    let machine = Machine::with_function("8086", "e35d", None);
    machine.write("module/issei_rust/refcnt", "0\n");
    let failure = failure(&machine, "info");
    assert!(failure.advice.expect("advice").contains("kernel log"));
}

#[test]
fn the_device_that_is_named() {
    let machine = Machine::with_agent();
    for line in ["info", "-d issei0 info", "info -d /dev/issei0"] {
        assert_eq!(run(&machine, line).expect("it is there").exit, Exit::Ok);
    }
    let failure = failure(&machine, "info -d issei1");
    assert_eq!(failure.exit, Exit::NoDevice);
    assert_eq!(failure.advice.as_deref(), Some("there is: issei0"));

    machine.write("class/issei/issei10/fw_ver", "1\n");
    machine.write("class/issei/issei2/fw_ver", "1\n");
    let devices = machine.sysfs().devices().expect("devices");
    assert_eq!(devices, ["issei0", "issei2", "issei10"]);
}

#[test]
fn everything_about_a_device() {
    let machine = Machine::with_agent();
    let output = run(&machine, "info").expect("it is there");
    let text = output.text.as_str();
    for line in [
        "8086:a85d (Lunar Lake) at 0000:00:02.0",
        "driver:       issei_rust",
        "link:         up",
        "clients:      2",
        "SPDM: authenticated",
        "anchored:   no: no key of .issei signed it",
        "pinned:     not checked: nothing is pinned",
        "0 entries, 0 dropped",
        "5000 of 1048576 bytes",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let spdm = &output.json["spdm"];
    assert_eq!(spdm["pinned"]["verdict"], "not_checked");
    assert_eq!(spdm["anchored"]["reason"], "no key of .issei signed it");
    assert_eq!(spdm["generation"], 3);

    // Before anything was negotiated.
    machine.spdm("state", "failed: CERTIFICATE: Digest: differs\n");
    for name in ["version", "algorithms", "digest"] {
        remove(&machine.path(&format!("class/issei/issei0/spdm/{name}")));
    }
    let output = run(&machine, "info").expect("it is there");
    assert_eq!(output.json["spdm"]["state"]["word"], "failed");
    assert_eq!(
        output.json["spdm"]["state"]["reason"],
        "CERTIFICATE: Digest: differs"
    );
    assert_eq!(output.json["spdm"]["version"], serde_json::Value::Null);
}

#[test]
fn a_driver_that_shows_less() {
    let machine = Machine::with_device("issei_heci");
    let output = run(&machine, "info").expect("it is there");
    assert!(output
        .text
        .as_str()
        .contains("link:         not shown by this driver"));
    assert_eq!(output.json["spdm"], serde_json::Value::Null);
    for line in ["certs", "log", "log --verify"] {
        let failure = failure(&machine, line);
        assert_eq!(failure.exit, Exit::Unsupported, "{failure}");
        assert!(
            failure.message.contains("issei_heci does not speak SPDM"),
            "{failure}"
        );
    }
}

#[test]
fn clients_in_their_order() {
    let machine = Machine::with_device("issei_rust");
    machine.write("class/issei/issei0/fw_clients/1/flags", "5\n");
    let output = run(&machine, "clients").expect("it is there");
    let clients = output.json["clients"].as_array().expect("a list");
    assert_eq!(clients[0]["name"], "SPDM");
    assert_eq!(clients[0]["flags"], 5);
    assert_eq!(clients[1]["id"], 2);
    assert_eq!(clients[1]["name"], serde_json::Value::Null);
    assert_eq!(output.text.as_str().lines().count(), 3);

    let machine = Machine::with_agent();
    std::fs::remove_dir_all(machine.path("class/issei/issei0/fw_clients")).expect("removed");
    machine.write("class/issei/issei0/link_state", "back-off\n");
    let output = run(&machine, "clients").expect("it is there");
    assert_eq!(
        output.text.as_str(),
        "issei0: no clients; the link is back-off\n"
    );
}

#[test]
fn attributes_that_are_no_numbers() {
    let machine = Machine::with_agent();
    machine.spdm("generation", "many\n");
    let failure = failure(&machine, "info");
    assert_eq!(failure.exit, Exit::Protocol);
    assert!(
        failure.message.contains("\"many\" is not a number"),
        "{failure}"
    );
}
