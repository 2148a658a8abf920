// SPDX-License-Identifier: GPL-2.0

//! Bounds of the file.

use kernel::macros::kunit_tests;

#[kunit_tests(issei_spdm_capture)]
mod tests {
    use super::super::*;

    /// What a packet has beside its message.
    const OVERHEAD: usize = PACKET_HEADER + 5;

    fn empty() -> Result<(KBox<Counters>, Ring)> {
        let counters = KBox::init(pin_init::init_zeroed::<Counters>(), GFP_KERNEL)?;
        let ring = Ring {
            bytes: KVVec::new(),
            start: 0,
            length: 0,
        };
        Ok((counters, ring))
    }

    /// The word at `at` of the oldest packet's header.
    fn word(ring: &Ring, at: usize) -> u32 {
        let bytes = array::from_fn(|i| {
            let place = after(ring.start, at + i);
            ring.bytes.get(place).copied().unwrap_or(0)
        });
        u32::from_ne_bytes(bytes)
    }

    #[test]
    fn longest_packet() -> Result {
        let message = KVVec::from_elem(0, SNAPLEN + 1, GFP_KERNEL)?;
        for length in [0, SNAPLEN - 6, SNAPLEN - 5, SNAPLEN - 4, SNAPLEN + 1] {
            let (mut counters, mut ring) = empty()?;
            let message = message.get(..length).ok_or(EINVAL)?;
            ring.push(&mut counters, Direction::Request, message)?;
            let kept = (5 + length).min(SNAPLEN);
            assert_eq!(ring.length, PACKET_HEADER + kept);
            assert_eq!(word(&ring, CAPTURED) as usize, kept);
            assert_eq!(word(&ring, CAPTURED + 4) as usize, 5 + length);
            assert_eq!(counters.dropped, 0);
        }
        Ok(())
    }

    #[test]
    fn full() -> Result {
        let (mut counters, mut ring) = empty()?;
        let message = [0x10; 1024 - OVERHEAD];
        for _ in 0..CAPACITY / 1024 {
            ring.push(&mut counters, Direction::Response, &message)?;
        }
        assert_eq!(ring.length, CAPACITY);
        assert_eq!(counters.dropped, 0);
        // One byte more than the oldest one leaves: two of them go.
        let longer = [0x10; 1024 - OVERHEAD + 1];
        ring.push(&mut counters, Direction::Response, &longer)?;
        assert_eq!(counters.dropped, 2);
        assert_eq!(ring.length, CAPACITY - 1024 + 1);
        ring.push(&mut counters, Direction::Response, &[])?;
        assert_eq!(counters.dropped, 2);
        let (first, second) = ring.parts();
        assert_eq!(first.len() + second.len(), ring.length);
        Ok(())
    }

    #[test]
    fn around_the_end() -> Result {
        let (mut counters, mut ring) = empty()?;
        let message = KVVec::from_elem(0x77, 5000, GFP_KERNEL)?;
        for length in 4000..5000 {
            let message = message.get(..length).ok_or(EINVAL)?;
            ring.push(&mut counters, Direction::Request, message)?;
            assert!(ring.length <= CAPACITY);
        }
        // What is left is whole packets.
        while ring.length > 0 {
            let captured = word(&ring, CAPTURED) as usize;
            assert_eq!(word(&ring, CAPTURED + 4) as usize, captured);
            assert!((4005..5005).contains(&captured));
            ring.pop();
        }
        assert_eq!(ring.length, 0);
        Ok(())
    }

    #[test]
    fn counters() -> Result {
        let (mut counters, _) = empty()?;
        for short in [&[][..], &[0x13], &[0x13, 0x84]] {
            counters.count(Direction::Request, short);
        }
        counters.count(Direction::Request, &[0x13, 0xff, 0]);
        counters.count(Direction::Response, &[0x13, 0x80, 0]);
        counters.count(Direction::Response, &[0x13, Code::ERROR.0, 0xff]);
        assert_eq!(counters.messages.iter().sum::<u64>(), 2);
        assert_eq!(counters.messages[0xff], 1);
        assert_eq!(counters.misdirected, 1);
        assert_eq!(counters.errors[0xff], 1);
        Ok(())
    }

    #[test]
    fn failures() -> Result {
        let capture = KBox::pin_init(Capture::new(), GFP_KERNEL)?;
        let last = capture.state.lock().counters.failures.len() as i32 - 1;
        for number in [1, last, last + 1, 4095] {
            capture.error(Error::from_errno(-number));
        }
        let state = capture.state.lock();
        assert_eq!(state.counters.failures[0], 2);
        assert_eq!(state.counters.failures[1], 1);
        assert_eq!(state.counters.failures[last as usize], 1);
        Ok(())
    }
}
