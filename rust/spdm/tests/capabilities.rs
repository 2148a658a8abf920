// SPDX-License-Identifier: GPL-2.0

//! Capability flags, one by one.

use crate::capabilities::Flags;
use crate::config::Config;

/// DSP0274 1.3, "Flag fields definitions for the Responder".
#[test]
fn bits_of_capabilities() {
    for (flags, expected) in [
        (Flags::CERT, 0x2),
        (Flags::CHAL, 0x4),
        (Flags::MEAS_NO_SIG, 0x8),
        (Flags::MEAS_SIG, 0x10),
        (Flags::MEAS_FRESH, 0x20),
        (Flags::MUT_AUTH, 0x100),
        (Flags::KEY_EX, 0x200),
        (Flags::PUB_KEY_ID, 0x1_0000),
        (Flags::CHUNK, 0x2_0000),
        (Flags::ALIAS_CERT, 0x4_0000),
        (Flags::SET_CERT, 0x8_0000),
        (Flags::CSR, 0x10_0000),
        (Flags::EP_INFO_SIG, 0x80_0000),
        (Flags::MULTI_KEY_ONLY, 0x400_0000),
    ] {
        assert_eq!(flags, Flags(expected));
    }
}

#[test]
fn capabilities_with_a_private_key() {
    let signing = [
        Flags::CERT,
        Flags::CHAL,
        Flags::MEAS_SIG,
        Flags::KEY_EX,
        Flags::PUB_KEY_ID,
        Flags::EP_INFO_SIG,
    ];
    for bit in 0..32 {
        let flags = Flags(1 << bit);
        assert_eq!(flags.signs(), signing.contains(&flags), "bit {bit}");
    }
    assert!(!Flags::default().signs());
    assert!(Flags(u32::MAX).signs());
}

/// DSP0274 1.3, "CAPABILITIES response message format" and its table of flags.
#[test]
fn capabilities_that_agree() {
    for (flags, agree) in [
        (0, true),
        (0x2, true),
        (0x8, true),
        (0x2 | 0x10, true),
        (0x2 | 0x10 | 0x20, true),
        (0x8 | 0x20, true),
        (0x2 | 0x4, true),
        (0x2 | 0x100, true),
        (0x2 | 0x200, true),
        (0x2 | 0x4_0000, true),
        (0x2 | 0x8_0000, true),
        (0x2 | 0x400_0000, true),
        (0x2 | 0x80_0000, true),
        (0x40_0000, true),
        (0x1_0000, true),
        (0x1_0000 | 0x4, true),
        // Two capabilities where there is one at most.
        (0x2 | 0x18, false),
        (0xc00, false),
        (0x2 | 0xc0_0000, false),
        (0x2 | 0xc00_0000, false),
        // Fresh measurements, but none.
        (0x2 | 0x20, false),
        // Certificates and a key in place of them.
        (0x2 | 0x1_0000, false),
        // Signatures without a key to check them with.
        (0x4, false),
        (0x10, false),
        (0x100, false),
        (0x200, false),
        (0x80_0000, false),
        // More of certificates, but none.
        (0x4_0000, false),
        (0x8_0000, false),
        (0x1_0000 | 0x4_0000, false),
        // A key in place of certificates, and several.
        (0x1_0000 | 0x400_0000, false),
    ] {
        assert_eq!(Flags(flags).agree(), agree, "{flags:#x}");
    }
    for (flags, only) in [(0, false), (0x400_0000, true), (0x800_0000, false)] {
        assert_eq!(Flags(flags).is_multi_key(), only, "{flags:#x}");
    }
}

#[test]
fn what_the_requester_says_that_it_can_do() {
    let mut config = Config::new(4096, 8192);
    config.chunks = true;
    assert_eq!(config.flags(), Flags(0x2_0006));
    assert_eq!(config.longest(), 8192);
    config.chunks = false;
    assert_eq!(config.flags(), Flags(0x6));
    assert_eq!(config.longest(), 4096);
}
