// SPDX-License-Identifier: GPL-2.0

//! The longest sentence.

use kernel::macros::kunit_tests;

#[kunit_tests(issei_spdm_text)]
mod tests {
    use super::super::*;

    #[test]
    fn longest() {
        for length in [0, 1, LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST] {
            let sentence = Sentence::of(format_args!("{:1$}", "", length));
            assert_eq!(sentence.as_str().len(), length.min(LONGEST));
            assert_eq!(sentence.as_c_str().to_bytes(), sentence.as_str().as_bytes());
        }
    }

    #[test]
    fn what_cannot_be_printed() {
        assert_eq!(Sentence::of("a\0b\n\u{7f}\u{e9} ~").as_str(), "a?b???? ~");
    }
}
