// SPDX-License-Identifier: GPL-2.0

//! The transcripts that signatures are over, hashed as they grow.
//!
//! - A (VCA): GET_VERSION to ALGORITHMS. Kept, because what follows begins with it.
//! - M1: A, then B (digests and certificates since the last GET_DIGESTS), then C (the challenge).
//! - L1: all GET_MEASUREMENTS and MEASUREMENTS in a row; from 1.2 on after A.
//!
//! Requests that were answered with ERROR, the wrappers of chunks and RESPOND_IF_READY are in none.
//! An ERROR that is the answer to GET_MEASUREMENTS (not one that asks for patience or for chunks)
//! makes L1 begin anew, as do all other requests. Source: DSP0274, "Transcript hash calculation
//! rules", and for the ERROR the recorded exchanges of an independent implementation.

#![forbid(unsafe_code)]

use core::ops::DerefMut;

use super::algorithms::HashAlgorithm;
use super::code::Code;
use super::crypto::{Context, Digest, Hash, Refusal};
use super::error::{Error, Field, Reason};
use super::signing::Purpose;
use super::version::Version;
use super::wire::copy;

/// Longest A, in bytes: VERSION with 255 entries, both capabilities and both algorithms.
pub const VCA_MAX: usize = 1024;

/// Takes the bytes of transcripts, for whoever wants to keep them as evidence.
pub trait Sink {
    /// A transcript begins: what was taken for this purpose before is void.
    fn begin(&mut self, purpose: Purpose);

    /// The transcript goes on.
    fn append(&mut self, purpose: Purpose, bytes: &[u8]);
}

/// Takes nothing.
impl Sink for () {
    fn begin(&mut self, _: Purpose) {}

    fn append(&mut self, _: Purpose, _: &[u8]) {}
}

/// The transcripts of one connection.
pub(super) struct Transcripts<B, X, S> {
    buffer: B,
    vca: usize,
    challenge: Option<X>,
    measurements: Option<X>,
    sink: S,
}

impl<B: DerefMut<Target = [u8]>, X: Context, S: Sink> Transcripts<B, X, S> {
    /// Empty transcripts; A is kept in `buffer`.
    pub(super) fn new(buffer: B, sink: S) -> Self {
        Self {
            buffer,
            vca: 0,
            challenge: None,
            measurements: None,
            sink,
        }
    }

    /// A connection begins.
    pub(super) fn clear(&mut self) {
        self.vca = 0;
        self.challenge = None;
        self.measurements = None;
    }

    /// Appends to A.
    pub(super) fn append_vca(&mut self, message: Code, bytes: &[u8]) -> Result<(), Error> {
        let end = self.vca.saturating_add(bytes.len());
        let room = self.buffer.len();
        let part = self.buffer.get_mut(self.vca..end).ok_or(Error::new(
            message,
            Field::Message,
            Reason::Room { needed: end, room },
        ))?;
        copy(part, bytes);
        self.vca = end;
        Ok(())
    }

    /// A, as far as it has come.
    pub(super) fn vca(&self) -> &[u8] {
        self.buffer.get(..self.vca).unwrap_or_default()
    }

    /// The sink.
    pub(super) fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Forgets what was collected for a purpose. Returns whether there was anything.
    pub(super) fn reset(&mut self, purpose: Purpose) -> bool {
        self.slot(purpose).take().is_some()
    }

    fn slot(&mut self, purpose: Purpose) -> &mut Option<X> {
        match purpose {
            Purpose::Challenge => &mut self.challenge,
            Purpose::Measurements => &mut self.measurements,
        }
    }

    /// Appends to M1 or L1, which begins with A where it has to.
    pub(super) fn append<H: Hash<Context = X>>(
        &mut self,
        hash: &H,
        algorithm: HashAlgorithm,
        version: Version,
        purpose: Purpose,
        messages: [&[u8]; 2],
    ) -> Result<(), Refusal> {
        let mut context = match self.slot(purpose).take() {
            Some(context) => context,
            None => {
                let mut context = hash.start(algorithm)?;
                self.sink.begin(purpose);
                if purpose == Purpose::Challenge || version >= Version::V12 {
                    let vca = self.buffer.get(..self.vca).unwrap_or_default();
                    context.update(vca);
                    self.sink.append(purpose, vca);
                }
                context
            }
        };
        for message in messages {
            context.update(message);
            self.sink.append(purpose, message);
        }
        *self.slot(purpose) = Some(context);
        Ok(())
    }

    /// Ends M1 or L1: its digest, and it is empty again. `None` if it was empty.
    pub(super) fn finish(&mut self, purpose: Purpose) -> Option<Digest> {
        self.slot(purpose).take().map(Context::finish)
    }
}
