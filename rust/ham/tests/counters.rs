// SPDX-License-Identifier: GPL-2.0

//! The control block: every difference of two counters near each other, and around 2^32.

use crate::counters::Counters;
use crate::fault::Fault;

/// Counters before, at and after the places where a wrong width or a missing wrap would show.
const PLACES: [u32; 11] = [
    0,
    1,
    2,
    0xff,
    0x100,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
];

#[test]
fn a_section_is_free_when_all_is_consumed_and_full_when_one_is_not() {
    for wr in PLACES {
        for behind in -300_i32..=300 {
            let rd = wr.wrapping_add_signed(-behind);
            let free = Counters::at(wr, 77).h2f_is_free(rd);
            match behind {
                0 => assert_eq!(free, Ok(true)),
                1 => assert_eq!(free, Ok(false)),
                _ => assert_eq!(free, Err(Fault::HostToFirmwareCounter { wr, rd })),
            }
        }
    }
}

#[test]
fn a_section_holds_a_message_when_the_firmware_is_one_ahead() {
    for rd in PLACES {
        for ahead in -300_i32..=300 {
            let wr = rd.wrapping_add_signed(ahead);
            let message = Counters::at(77, rd).f2h_has_message(wr);
            match ahead {
                0 => assert_eq!(message, Ok(false)),
                1 => assert_eq!(message, Ok(true)),
                _ => assert_eq!(message, Err(Fault::FirmwareToHostCounter { wr, rd })),
            }
        }
    }
}

#[test]
fn any_two_places_that_are_not_neighbours_are_a_fault() {
    for a in PLACES {
        for b in PLACES {
            let (free, message) = (
                Counters::at(a, 0).h2f_is_free(b),
                Counters::at(0, a).f2h_has_message(b),
            );
            assert_eq!(free.is_ok(), a == b || a == b.wrapping_add(1), "{a} {b}");
            assert_eq!(message.is_ok(), a == b || b == a.wrapping_add(1), "{a} {b}");
        }
    }
}

#[test]
fn sending_and_consuming_count_apart_and_wrap() {
    let mut counters = Counters::at(0xffff_fffe, 0xffff_ffff);
    assert_eq!(counters.sent(), 0xffff_ffff);
    assert_eq!(counters, Counters::at(0xffff_ffff, 0xffff_ffff));
    assert_eq!(counters.sent(), 0);
    assert_eq!(counters, Counters::at(0, 0xffff_ffff));
    assert_eq!(counters.consumed(), 0);
    assert_eq!(counters, Counters::at(0, 0));
    assert_eq!(counters.consumed(), 1);
    assert_eq!(counters, Counters::at(0, 1));
    assert_eq!(counters.sent(), 1);
    assert_eq!(counters, Counters::at(1, 1));
}

#[test]
fn after_a_reset_both_sections_are_empty() {
    for counters in [Counters::new(), Counters::default()] {
        assert_eq!(counters, Counters::at(0, 0));
        assert_eq!(counters.h2f_is_free(0), Ok(true));
        assert_eq!(counters.f2h_has_message(0), Ok(false));
    }
}

#[test]
fn a_long_exchange_across_the_wrap_alternates() {
    let mut counters = Counters::at(0xffff_ff80, 0xffff_ff00);
    let (mut h2f_rd, mut f2h_wr) = (0xffff_ff80_u32, 0xffff_ff00_u32);
    for _ in 0..1_000 {
        assert_eq!(counters.h2f_is_free(h2f_rd), Ok(true));
        let h2f_wr = counters.sent();
        assert_eq!(counters.h2f_is_free(h2f_rd), Ok(false));
        h2f_rd = h2f_wr;

        assert_eq!(counters.f2h_has_message(f2h_wr), Ok(false));
        f2h_wr = f2h_wr.wrapping_add(1);
        assert_eq!(counters.f2h_has_message(f2h_wr), Ok(true));
        assert_eq!(counters.consumed(), f2h_wr);
    }
}
