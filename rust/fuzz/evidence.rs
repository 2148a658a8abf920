// SPDX-License-Identifier: GPL-2.0

//! Evidence: transcripts that somebody else kept.

use spdm::evidence::{read_vca, Exchanges};
use spdm::version::Version;

/// A transcript of measurements, with the part from GET_VERSION to ALGORITHMS before it in every
/// version.
pub(crate) fn evidence(input: &[u8]) {
    let Ok((connection, length)) = read_vca(input) else {
        return;
    };
    assert!(Version::ALL.contains(&connection.version));
    let (vca, rest) = input.split_at(length);
    assert!(read_vca(vca).is_ok_and(|(again, _)| again == connection));
    assert!(read_vca(&vca[..length - 1]).is_err());

    let mut exchanges = 0;
    let mut failed = false;
    let mut signed = false;
    for exchange in Exchanges::new(&connection, rest) {
        assert!(!failed && !signed, "something follows the end");
        match exchange {
            Ok((request, response)) => {
                signed = request.signed.is_some();
                assert!(response.signature.is_empty());
                assert!(response.record.answers(request.operation).is_ok());
            }
            Err(error) => {
                failed = true;
                assert!(!error.to_string().is_empty());
            }
        }
        exchanges += 1;
    }
    assert_eq!(exchanges == 0, rest.is_empty());
}
