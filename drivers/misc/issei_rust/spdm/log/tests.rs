// SPDX-License-Identifier: GPL-2.0

//! Bounds of the memory.

use kernel::macros::kunit_tests;

#[kunit_tests(issei_spdm_log)]
mod tests {
    use super::super::*;

    /// An entry without files.
    fn entry(transcript: usize, certificates: &Part) -> Result<Entry> {
        let none = Octets::copy(&[])?;
        let transcript = KVVec::from_elem(0, transcript, GFP_KERNEL)?;
        Ok(Entry {
            fields: Fields {
                kind: EPOCH,
                hash: "",
                prefix: none.clone(),
                transcript: Octets::copy(&[&transcript])?,
                signature: none.clone(),
                certificates: certificates.clone(),
                requester_nonce: none.clone(),
                responder_nonce: none,
            },
            _files: KVec::new(),
        })
    }

    /// A log of entries with transcripts of these lengths, and a chain of so many bytes that they share.
    fn log(transcripts: &[usize], chain: usize) -> Result<Log> {
        let chain = KVVec::from_elem(0, chain, GFP_KERNEL)?;
        let chain = Part::from(Octets::copy(&[&chain])?);
        let mut log = Log::new();
        for &transcript in transcripts {
            log.entries.push(entry(transcript, &chain)?, GFP_KERNEL)?;
        }
        Ok(log)
    }

    #[test]
    fn limit() -> Result {
        let mut log = log(&[1000, 2000, 3000], 0)?;
        let all = 3 * ENTRY_OVERHEAD + 6000;
        assert_eq!(log.memory(), all);
        for enough in [all, all + 1, usize::MAX] {
            log.shrink(enough);
            assert_eq!(log.dropped(), 0);
        }
        log.shrink(all - 1);
        assert_eq!(log.dropped(), 1);
        assert_eq!(log.memory(), 2 * ENTRY_OVERHEAD + 5000);
        assert_eq!(log.count(), 3);
        Ok(())
    }

    #[test]
    fn the_newest_stays() -> Result {
        let mut log = log(&[1000, 2000, 3000], 0)?;
        for limit in [ENTRY_OVERHEAD + 3000, ENTRY_OVERHEAD + 2999, 0] {
            log.shrink(limit);
            assert_eq!(log.dropped(), 2);
            assert_eq!(log.memory(), ENTRY_OVERHEAD + 3000);
            assert_eq!(log.count(), 3);
        }
        Ok(())
    }

    #[test]
    fn a_chain_that_is_shared_counts_once() -> Result {
        let mut log = log(&[0, 0, 0], 5000)?;
        assert_eq!(log.memory(), 3 * ENTRY_OVERHEAD + 5000);
        // It is the next entry's when the first has gone.
        log.shrink(3 * ENTRY_OVERHEAD + 4999);
        assert_eq!(log.dropped(), 1);
        assert_eq!(log.memory(), 2 * ENTRY_OVERHEAD + 5000);
        Ok(())
    }
}
