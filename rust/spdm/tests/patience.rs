// SPDX-License-Identifier: GPL-2.0

//! Responders that are busy, not ready, out of step, or never done; and how long anybody waits.

use super::support::responder::Responder;
use super::support::wire::{config, requester, run, whole, Wire, MEASURE};
use crate::code::Code;
use crate::error::Reason;
use crate::transport::{Dialogue, Failure, Step};
use crate::version::Version;

#[test]
fn a_busy_responder_is_asked_again() {
    for size in [0x1000, 42] {
        let mut responder = Responder::new(0x12);
        responder.busy = 3;
        responder.data_transfer_size = size;
        let mut config = config();
        config.data_transfer_size = size;
        config.timing.limit = u64::MAX;
        config.timing.retries = 5_000;
        let (_, wire, result) = run(config, Wire::new(responder));
        result.expect("it answers in the end");
        assert_eq!(wire.log.len(), wire.waits.len() / 3 * 4);
        assert!(wire.waits.iter().all(|wait| *wait == 50_000));
        let again = wire.log.chunks(4);
        assert!(again
            .into_iter()
            .all(|lines| lines[0].request == lines[3].request));
    }
}

#[test]
fn busy_for_ever_ends() {
    let mut config = config();
    config.timing.retries = 5;
    let mut responder = Responder::new(0x12);
    responder.busy = u32::MAX;
    let (_, wire, result) = run(config, Wire::new(responder.clone()));
    let text = result.expect_err("it never answers").to_string();
    assert_eq!(text, "GET_VERSION: not answered after 5 retries");
    assert_eq!(wire.log.len(), 6);

    config.timing.retries = u32::MAX;
    config.timing.limit = 1_000_000;
    let (_, wire, result) = run(config, Wire::new(responder.clone()));
    let failure = result.expect_err("it never answers");
    let Failure::Protocol(error) = failure else {
        panic!("{failure}");
    };
    assert!(matches!(
        error.reason,
        Reason::Late {
            limit: 1_000_000,
            ..
        }
    ));
    assert!(error.could_not_check());
    assert!(wire.now <= 2_000_000);

    // Not even until the very end of the time: nothing could be exchanged then.
    for (limit, waits) in [(50_100, 0), (50_101, 1)] {
        config.timing.limit = limit;
        let (_, wire, result) = run(config, Wire::new(responder.clone()));
        assert!(result.is_err());
        assert_eq!(wire.waits.len(), waits);
    }
}

#[test]
fn a_request_in_flight_is_repeated() {
    let mut first = true;
    let wire = Wire::edited(Responder::new(0x12), |request, response| {
        if request[1] == Code::GET_DIGESTS.0 && std::mem::take(&mut first) {
            *response = vec![0x12, 0x7f, 0x08, 0];
        }
    });
    let (_, wire, result) = run(config(), wire);
    result.expect("it answers in the end");
    assert_eq!(wire.waits, [50_000]);
}

#[test]
fn a_responder_that_is_not_ready() {
    for version in Version::ALL {
        for times in 1..4 {
            let mut responder = Responder::new(version.byte());
            responder.not_ready = Some((times, 14, 4));
            let (_, wire, result) = run(config(), Wire::new(responder));
            result.expect("it is ready in the end");
            assert_eq!(wire.waits, vec![1 << 14; 2 * times as usize]);
            let asked = wire.log.iter().filter(|line| line.request[1] == 0xff);
            assert_eq!(asked.count(), 2 * times as usize);
        }
    }
}

#[test]
fn not_ready_and_in_chunks() {
    for (version, size) in [(0x12, 42), (0x14, 42), (0x13, 64), (0x12, 200)] {
        let mut responder = Responder::new(version);
        responder.not_ready = Some((2, 10, 2));
        responder.busy = 1;
        responder.data_transfer_size = size;
        let mut config = config();
        config.data_transfer_size = size;
        config.timing.round_trip = 0;
        config.timing.busy_delay = 100;
        config.timing.retries = 1_000;
        let (_, _, result) = run(config, Wire::new(responder));
        if let Err(failure) = result {
            panic!("{version:#x}, {size}: {failure}");
        }
    }
}

#[test]
fn not_ready_for_ever_ends() {
    let mut responder = Responder::new(0x12);
    responder.not_ready = Some((u32::MAX, 0, 0xff));
    let (_, wire, result) = run(config(), Wire::new(responder.clone()));
    let text = result.expect_err("it is never ready").to_string();
    assert_eq!(text, "CHALLENGE: not answered after 20 retries");
    assert_eq!(wire.waits.len(), 20);

    // 2^24 us is more than anybody waits.
    responder.not_ready = Some((1, 24, 2));
    let (_, wire, result) = run(config(), Wire::new(responder));
    let text = result.expect_err("it takes too long").to_string();
    assert_eq!(
        text,
        "CHALLENGE: would take 16777316 us, the limit is 10000000 us"
    );
    assert!(wire.waits.is_empty());
}

#[test]
fn not_ready_with_wrong_data() {
    let above = "ERROR: ExtendedErrorData: 32 is above 31";
    let below = "ERROR: ExtendedErrorData: 1 is below 2";
    let other = "ERROR: ExtendedErrorData: 0x84 is not allowed";
    let short = "ERROR: ExtendedErrorData: message of 7 bytes ends before byte 8";
    let long = "ERROR: 9 bytes instead of 8";
    for (data, expected) in [
        (&[32, 0x83, 1, 2][..], above),
        (&[10, 0x83, 1, 1], below),
        (&[10, 0x84, 1, 2], other),
        (&[10, 0x83, 1], short),
        (&[10, 0x83, 1, 2, 0], long),
    ] {
        let wire = Wire::edited(Responder::new(0x12), |request, response| {
            if request[1] == Code::CHALLENGE.0 {
                *response = [&[0x12, 0x7f, 0x42, 0], data].concat();
            }
        });
        let text = run(config(), wire).2.expect_err("it is wrong").to_string();
        assert_eq!(text, expected);
    }
}

#[test]
fn nobody_waits_while_connecting() {
    for code in [
        Code::GET_VERSION,
        Code::GET_CAPABILITIES,
        Code::NEGOTIATE_ALGORITHMS,
    ] {
        let version = if code == Code::GET_VERSION {
            0x10
        } else {
            0x12
        };
        let wire = Wire::edited(Responder::new(0x12), |request, response| {
            if request[1] == code.0 {
                *response = vec![version, 0x7f, 0x42, 0, 10, code.0, 1, 2];
            }
        });
        let text = run(config(), wire).2.expect_err("it is wrong").to_string();
        let expected = format!("{code}: the responder answered ResponseNotReady (data 0x00)");
        assert_eq!(text, expected);
    }
}

/// Gets measurements of a responder that is not ready once, and polls again so long after it said
/// so. Returns the codes of the requests.
fn late(not_ready: (u8, u8), round_trip: u64, after: u64) -> Vec<u8> {
    let mut config = config();
    config.timing.round_trip = round_trip;
    let mut requester = requester(config);
    let mut responder = Responder::new(0x12);
    responder.not_ready = Some((1, not_ready.0, not_ready.1));
    let mut wire = Wire::new(responder);
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    dialogue.connect().expect("it works");
    dialogue.get_digests().expect("it works");
    dialogue.get_certificate(0).expect("it works");
    requester.get_measurements(MEASURE).expect("it begins");
    let mut now = 0;
    let mut requests = Vec::new();
    loop {
        match requester.poll(now).expect("nothing is wrong") {
            Step::Exchange {
                request, response, ..
            } => {
                requests.push(request[1]);
                let answer = wire.responder.answer(request);
                response[..answer.len()].copy_from_slice(&answer);
                requester.received(answer.len(), now).expect("it is well");
            }
            Step::Wait { until } => {
                assert_eq!(until, now + (1 << not_ready.0));
                now += after;
            }
            Step::Done => break,
        }
    }
    assert!(requester.measurements().is_some());
    requests
}

#[test]
fn a_response_that_was_dropped_is_asked_for_anew() {
    let (asks, repeats) = ([0xe0, 0xff], [0xe0, 0xe0]);
    for (not_ready, round_trip, after, expected) in [
        // RDT 1,024 us, kept for 4,096 us less the way there and back.
        ((10, 4), 1_000, 1_024, asks),
        ((10, 4), 1_000, 3_096, asks),
        ((10, 4), 1_000, 3_097, repeats),
        // But never for less than RDT.
        ((10, 2), 1_500, 1_024, asks),
        ((10, 2), 1_500, 1_025, repeats),
        ((10, 2), 1_000_000, 1_024, asks),
        ((10, 2), 1_000_000, 2_000_000, repeats),
        // Never longer than there is time at all.
        ((20, 255), 0, 9_999_999, asks),
    ] {
        let requests = late(not_ready, round_trip, after);
        assert_eq!(requests, expected, "{not_ready:?} {round_trip} {after}");
    }
}

#[test]
fn nothing_is_exchanged_without_time() {
    // Each chunk comes in time, but all of them do not.
    let mut config = config();
    config.data_transfer_size = 42;
    let mut wire = Wire::new(Responder::new(0x12));
    wire.latency = 1_000_000;
    let (_, wire, result) = run(config, wire);
    let text = result.expect_err("it takes too long").to_string();
    assert_eq!(
        text,
        "GET_CERTIFICATE: would take 10000000 us, the limit is 10000000 us"
    );
    let chunks = wire
        .log
        .iter()
        .rev()
        .take_while(|line| line.request[1] == 0x86);
    assert_eq!(chunks.count(), 9);
}

#[test]
fn a_sequence_begins_again_when_the_responder_asks_for_it() {
    for code in [0x41, 0x43, 0x10, 0x04] {
        let mut left = 2;
        let mut requester = requester(config());
        let mut wire = Wire::edited(Responder::new(0x12), |request, response| {
            if request[1] == Code::CHALLENGE.0 && left > 0 {
                left -= 1;
                // Whoever complains of a version does so in its own.
                let version = if code == 0x41 { 0x10 } else { 0x12 };
                *response = vec![version, 0x7f, code, 0];
            }
        });
        let mut dialogue = Dialogue {
            requester: &mut requester,
            transport: &mut wire,
        };
        let failure = dialogue.sequence(1, whole).expect_err("one is not enough");
        assert!(failure.asks_for_restart(), "{failure}");
        assert!(dialogue.requester.connection().is_none());
        dialogue
            .sequence(1, whole)
            .expect("the responder is content");
    }
    let mut wire = Wire::edited(Responder::new(0x12), |request, response| {
        if request[1] == Code::CHALLENGE.0 {
            *response = vec![0x12, 0x7f, 0x07, 0];
        }
    });
    let mut requester = requester(config());
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    let failure = dialogue.sequence(1, whole).expect_err("it is refused");
    assert!(!failure.asks_for_restart());
    let begun = wire.log.iter().filter(|line| line.request[1] == 0x84);
    assert_eq!(begun.count(), 1, "nobody asked to begin again");
    assert!(
        requester.connection().is_some(),
        "a refusal spares the connection"
    );
}

#[test]
fn other_errors_end_the_operation() {
    for (error, expected) in [
        (&[0x01, 0][..], "InvalidRequest (data 0x00)"),
        (&[0x05, 7], "Unspecified (data 0x07)"),
        (&[0x0c, 3], "ResetRequired (data 0x03)"),
        (&[0x0d, 0, 1, 2, 3, 4], "ResponseTooLarge (data 0x00)"),
        (&[0xff, 0, 1, 2], "VendorDefined (data 0x00)"),
        (&[0x99, 0], "error 0x99 (data 0x00)"),
    ] {
        let wire = Wire::edited(Responder::new(0x12), |request, response| {
            if request[1] == Code::GET_DIGESTS.0 {
                *response = [&[0x12, 0x7f], error].concat();
            }
        });
        let text = run(config(), wire)
            .2
            .expect_err("it is refused")
            .to_string();
        assert_eq!(
            text,
            format!("GET_DIGESTS: the responder answered {expected}")
        );
    }
    // Only who complains of the version may use another one.
    let wire = Wire::edited(Responder::new(0x12), |request, response| {
        if request[1] == Code::GET_DIGESTS.0 {
            *response = vec![0x11, 0x7f, 0x01, 0];
        }
    });
    let text = run(config(), wire).2.expect_err("it is wrong").to_string();
    assert_eq!(text, "ERROR: SPDMVersion: 0x11 is not allowed");
    let wire = Wire::edited(Responder::new(0x12), |_, response| {
        *response = [&[0x10, 0x7f, 0xff, 0][..], &[0; 33]].concat();
    });
    let text = run(config(), wire)
        .2
        .expect_err("it is too long")
        .to_string();
    assert_eq!(text, "ERROR: ExtendedErrorData: 33 is above 32");
}

#[test]
fn deadlines() {
    // Deadlines of all exchanges, from the time of each, with a CTExponent.
    let deadlines = |exponent, limit| {
        let mut config = config();
        config.timing.round_trip = 1_000;
        config.timing.limit = limit;
        let mut responder = Responder::new(0x12);
        responder.ct_exponent = exponent;
        let mut requester = requester(config);
        requester.connect().expect("it begins");
        let mut deadlines = Vec::new();
        loop {
            match requester.poll(0).expect("nothing is wrong") {
                Step::Exchange {
                    request,
                    response,
                    deadline,
                } => {
                    deadlines.push(deadline);
                    let answer = responder.answer(request);
                    response[..answer.len()].copy_from_slice(&answer);
                    requester.received(answer.len(), 0).expect("it is well");
                }
                Step::Wait { .. } => panic!("nothing to wait for"),
                Step::Done if deadlines.len() == 3 => {
                    requester.get_digests().expect("it begins");
                }
                Step::Done => return deadlines,
            }
        }
    };
    let long = 10_000_000;
    assert_eq!(deadlines(0, long), [101_000, 101_000, 101_000, 101_000]);
    assert_eq!(deadlines(20, long), [101_000, 101_000, 101_000, 1_049_576]);
    assert_eq!(deadlines(31, long), [101_000, 101_000, 101_000, long]);
    assert_eq!(deadlines(31, 50), [50, 50, 50, 50]);
}

#[test]
fn a_transport_that_fails_ends_the_connection() {
    let mut requester = requester(config());
    let mut wire = Wire::edited(Responder::new(0x12), |request, response| {
        if request[1] == Code::GET_DIGESTS.0 {
            // More than there is room for.
            response.resize(0x1001, 0);
        }
    });
    let mut dialogue = Dialogue {
        requester: &mut requester,
        transport: &mut wire,
    };
    let failure = whole(&mut dialogue).expect_err("it fails");
    assert_eq!(failure.to_string(), "GET_DIGESTS: broken");
    assert!(requester.connection().is_none());

    // A transport that lies about a length.
    requester.connect().expect("it begins");
    assert!(matches!(requester.poll(0), Ok(Step::Exchange { .. })));
    let error = requester.received(0x1001, 0).expect_err("it is too long");
    assert_eq!(error.to_string(), "VERSION: 4097 is above 4096");
}
