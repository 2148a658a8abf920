// SPDX-License-Identifier: GPL-2.0

//! Responders that say anything at all: nothing panics, everything ends, nothing wrong is accepted.

use proptest::collection::vec;
use proptest::prelude::*;

use super::cases;
use super::support::responder::{Responder, MULTI_KEY};
use super::support::wire::{config, run, Wire};
use crate::version::Version;

/// One change of a response: what to do, where, with what.
type Change = (u8, usize, u8);

fn change(response: &mut Vec<u8>, (kind, at, value): Change) {
    let at = at.checked_rem(response.len()).unwrap_or(0);
    match kind % 6 {
        0 => response.truncate(at),
        1 => response.insert(at, value),
        2 if !response.is_empty() => response[at] = value,
        3 if !response.is_empty() => response[at] ^= 1 << (value % 8),
        4 => *response = vec![response.first().copied().unwrap_or(0x12), 0x7f, value, 0],
        _ => {
            *response = vec![
                0x12,
                0x7f,
                0x42,
                0,
                value % 33,
                response.get(1).map_or(0, |code| code | 0x80),
                1,
                value,
            ]
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn some_changes(
        version in prop::sample::select(Version::ALL.to_vec()),
        small: bool,
        multi_key: bool,
        changes in vec((0_usize..60, any::<(u8, usize, u8)>()), 1..4),
    ) {
        let mut config = config();
        config.supported_algorithms = true;
        let mut responder = Responder::new(version.byte());
        if small && version >= Version::V12 {
            config.data_transfer_size = 0x100;
            responder.data_transfer_size = 42;
        }
        if multi_key && version >= Version::V13 {
            responder.flags |= MULTI_KEY;
        }
        let mut exchanges = 0;
        let mut changed = false;
        let mut wire = Wire::edited(responder, |_, response| {
            for (at, one) in &changes {
                if *at == exchanges {
                    let before = response.clone();
                    change(response, *one);
                    changed |= *response != before;
                }
            }
            exchanges += 1;
            assert!(exchanges < 5_000, "this does not end");
        });
        wire.forgiving = true;
        let result = run(config, wire).2;
        // Without a change it has to succeed; with one it may, as when it made a request wait.
        prop_assert!(changed || result.is_ok());
    }

    #[test]
    fn only_noise(
        responses in vec(vec(any::<u8>(), 0..100), 1..20),
        version in prop::sample::select(Version::ALL.to_vec()),
    ) {
        let mut next = 0;
        let mut wire = Wire::edited(Responder::new(version.byte()), |request, response| {
            // Right until somewhere, then noise with the right header.
            next += 1;
            if next > responses.len() / 2 {
                let noise = &responses[next % responses.len()];
                *response = [&[request[0], request[1] & 0x7f], &noise[..]].concat();
            }
            assert!(next < 5_000, "this does not end");
        });
        wire.forgiving = true;
        let result = run(config(), wire).2;
        prop_assert!(result.is_err() || responses.len() > 15);
    }
}
