// SPDX-License-Identifier: GPL-2.0
//! Contents that say whose they are: a message that was mixed up, cut or changed is seen.

use crate::random::Random;

const MAGIC: u64 = 0x6973_7365_695f_6675;
/// Bytes of the part that is the same in no two messages.
const TAG: usize = 32;

/// What makes a message unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The open file.
    pub(crate) file: u64,
    /// The message of that file.
    pub(crate) number: u32,
    /// Its length.
    pub(crate) length: u32,
}

/// The message of a tag. One that is shorter than the tag has only the beginning of it.
pub(crate) fn contents(tag: Tag) -> Vec<u8> {
    let mut random = Random(tag.file ^ u64::from(tag.number) << 32);
    let mut bytes = MAGIC.to_le_bytes().to_vec();
    bytes.extend(tag.file.to_le_bytes());
    bytes.extend(tag.number.to_le_bytes());
    bytes.extend(tag.length.to_le_bytes());
    bytes.extend(random.next().to_le_bytes());
    let length = tag.length as usize;
    while bytes.len() < length {
        bytes.extend(random.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The tag of a message, if it is long enough to have one.
///
/// # Errors
///
/// The message is not what its tag says.
pub(crate) fn check(message: &[u8]) -> Result<Option<Tag>, ()> {
    let Some(head) = message.first_chunk::<TAG>() else {
        return Ok(None);
    };
    let number = |at: usize| {
        head[at..]
            .iter()
            .take(8)
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let tag = Tag {
        file: number(8),
        number: number(16) as u32,
        length: (number(16) >> 32) as u32,
    };
    let whole = tag.length as usize == message.len() && contents(tag) == message;
    if whole {
        Ok(Some(tag))
    } else {
        Err(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_its_tag_says_and_a_changed_one_is_not() {
        for length in [0, 1, 31, 32, 33, 40, 5000] {
            let tag = Tag {
                file: 7 << 40,
                number: 3,
                length,
            };
            let message = contents(tag);
            assert_eq!(message.len(), length as usize);
            let expected = (length >= 32).then_some(tag);
            assert_eq!(check(&message), Ok(expected));
            for at in 0..message.len().min(64) * usize::from(length >= 32) {
                let mut changed = message.clone();
                changed[at] ^= 1;
                // Nobody looks at the magic number but the comparison.
                assert_eq!(check(&changed), Err(()), "{length} {at}");
            }
            if length > 32 {
                assert_eq!(check(&message[1..]), Err(()));
                assert_eq!(check(&message[..message.len() - 1]), Err(()));
            }
        }
    }
}
