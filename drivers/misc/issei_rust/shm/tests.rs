// SPDX-License-Identifier: GPL-2.0

//! What the firmware says, at the bounds of a section.

use kernel::macros::kunit_tests;

#[kunit_tests(issei_shm)]
mod tests {
    use super::super::*;
    use crate::ham::wire::{
        ClientsResponse,
        StartResponse,
        START_RESPONSE_MAX, //
    };

    /// Bytes of a clients response beside its entries, and of an entry.
    const FIXED: usize = 8;
    const ENTRY: usize = 28;

    fn length(length: u32) -> Result<usize, Fault> {
        let header = Header {
            length,
            ..Header::default()
        };
        header.payload_length(SECTION_SIZE)
    }

    #[test]
    fn payload() {
        // CAST: The constants fit into 32 bits.
        let most = PAYLOAD_MAX as u32;
        for good in [0, 1, most - 1, most] {
            assert_eq!(length(good), Ok(good as usize));
        }
        for bad in [most + 1, SECTION_SIZE as u32, 1 << 31, u32::MAX] {
            assert_eq!(length(bad), Err(Fault::MessageLength { length: bad }));
        }
    }

    #[test]
    fn most_clients() -> Result {
        let most = (PAYLOAD_MAX - FIXED) / ENTRY;
        let mut payload = KVVec::from_elem(0xff, PAYLOAD_MAX, GFP_KERNEL)?;
        for (count, room, fits) in [
            (0, FIXED, true),
            (0, FIXED - 1, false),
            (0, FIXED + 1, false),
            (most, FIXED + most * ENTRY, true),
            (most, FIXED + most * ENTRY + 1, false),
            (most + 1, PAYLOAD_MAX, false),
            (usize::from(u16::MAX), PAYLOAD_MAX, false),
        ] {
            // CAST: A count has 16 bits.
            let [low, high] = (count as u16).to_le_bytes();
            let head = payload.get_mut(..FIXED).ok_or(EINVAL)?;
            head.copy_from_slice(&[0x81, 0, 0, 0, low, high, 0, 0]);
            let response = ClientsResponse::parse(payload.get(..room).ok_or(EINVAL)?);
            assert_eq!(response.is_ok(), fits);
            if let Ok(response) = response {
                assert_eq!(response.count(), count);
                assert_eq!(response.clients().count(), count);
            }
        }
        Ok(())
    }

    #[test]
    fn longest_start_response() {
        let mut payload = [0; START_RESPONSE_MAX + 1];
        payload[0] = 0x80;
        payload[12] = 1;
        payload[14] = u8::MAX;
        for (length, fits) in [
            (START_RESPONSE_MAX - 1, false),
            (START_RESPONSE_MAX, true),
            (START_RESPONSE_MAX + 1, false),
        ] {
            assert_eq!(StartResponse::parse(&payload[..length]).is_ok(), fits);
        }
        payload[14] = 0;
        assert!(StartResponse::parse(&payload[..15]).is_ok());
        assert!(StartResponse::parse(&payload[..14]).is_err());
        assert!(StartResponse::parse(&payload[..16]).is_err());
    }
}
