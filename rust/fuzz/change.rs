// SPDX-License-Identifier: GPL-2.0

//! Changes of inputs, for those who look for nothing but luck.

/// One change of an input: what to do, where, with what.
pub(crate) type Change = (u8, u16, u8);

/// Changes an input, perhaps with a part of another.
pub(crate) fn change(input: &mut Vec<u8>, (kind, at, value): Change, other: &[u8]) {
    let at = usize::from(at) % (input.len() + 1);
    match kind % 8 {
        0 => input.truncate(at),
        1 => input.insert(at, value),
        2 => input
            .splice(at.., other.iter().skip(at).copied())
            .for_each(drop),
        3 => input.extend(other.iter().take(value.into())),
        kind => {
            if let Some(byte) = input.get_mut(at) {
                match kind {
                    4 => *byte = value,
                    5 => *byte = byte.wrapping_add(value % 8),
                    6 => *byte ^= 1 << (value % 8),
                    _ => drop(input.remove(at)),
                }
            }
        }
    }
}
