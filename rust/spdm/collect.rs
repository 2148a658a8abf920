// SPDX-License-Identifier: GPL-2.0

//! All measurements, in one message or, where that would be too long, one by one. These are the two
//! forms of DMTF's standard measurement transcripts (libspdm, doc/standard_measurement_transcripts.md).

#![forbid(unsafe_code)]

use core::ops::DerefMut;

use super::capabilities::Flags;
use super::code::{Code, ErrorCode};
use super::crypto::{Context, Hash, Verify};
use super::error::{Error, Field, Reason};
use super::measurements::{ContentChanged, GetMeasurements, Operation};
use super::transcript::Sink;
use super::transport::{Dialogue, Failure, Transport};

/// Which indices may have a measurement, by index.
type Indices = [bool; u8::MAX as usize];

impl<C, B, S, T> Dialogue<'_, C, B, S, T>
where
    C: Hash + Verify,
    B: DerefMut<Target = [u8]>,
    S: Sink,
    T: Transport,
{
    /// Reads all measurements, whatever operation the request says: in one message, or, if the
    /// responder answers ResponseTooLarge, one by one: first their number, then one after the other
    /// in ascending order, with the signature on the last.
    ///
    /// Which indices there are, nobody says. Where there are gaps, they are found by trying, and
    /// because each ERROR makes the transcript begin anew, all is read once more without them, after
    /// GET_DIGESTS. This takes at most 512 exchanges, and ends with one transcript of all
    /// measurements. The sink took it; [`super::evidence::Exchanges`] reads it again.
    /// [`super::requester::Requester::measurements`] is but the last message.
    ///
    /// # Errors
    ///
    /// As [`Self::run`], and the connection is lost:
    ///
    /// - [`Reason::Missing`]: not as many measurements as their number says.
    /// - [`Reason::Changed`]: they changed while they were read.
    /// - [`Reason::Differs`]: they are not what the last challenge summed up, as in
    ///   [`super::requester::Requester::get_measurements`].
    pub fn get_all_measurements(
        &mut self,
        request: GetMeasurements,
    ) -> Result<(), Failure<T::Error>> {
        match self.read(&request, Operation::All) {
            Err(failure) if is_refused(&failure, ErrorCode::RESPONSE_TOO_LARGE) => {}
            result => {
                result?;
                return self.check_unchanged();
            }
        }
        let total = self.count(&request)?;
        let mut indices = [true; u8::MAX as usize];
        if !self.read_each(&request, total, &mut indices)? {
            self.forget()?;
            let again = self.count(&request)?;
            if again != total || !self.read_each(&request, total, &mut indices)? {
                return Err(self.give_up(Field::NumberOfBlocks, Reason::Changed));
            }
        }
        self.check_unchanged()
    }

    fn read(
        &mut self,
        request: &GetMeasurements,
        operation: Operation,
    ) -> Result<(), Failure<T::Error>> {
        self.get_measurements(GetMeasurements {
            operation,
            ..*request
        })
    }

    fn count(&mut self, request: &GetMeasurements) -> Result<u8, Failure<T::Error>> {
        let unsigned = GetMeasurements {
            signed: None,
            ..*request
        };
        self.read(&unsigned, Operation::Count)?;
        let total = self.requester.measurements().and_then(|read| read.total);
        match total {
            Some(total @ 1..) => Ok(total),
            _ => Err(self.give_up(Field::MeasurementIndex, Reason::Missing)),
        }
    }

    /// Reads `total` measurements of these indices, and takes out those that have none. Returns
    /// whether there was no such index, so that all of them are in one transcript.
    fn read_each(
        &mut self,
        request: &GetMeasurements,
        total: u8,
        indices: &mut Indices,
    ) -> Result<bool, Failure<T::Error>> {
        let unsigned = GetMeasurements {
            signed: None,
            ..*request
        };
        let mut summary = self.requester.begin_summary(request)?;
        let mut left = total;
        let mut complete = true;
        for index in 1..u8::MAX {
            let place = indices.get_mut(usize::from(index));
            let Some(exists) = place.filter(|exists| **exists) else {
                continue;
            };
            if left == 0 {
                *exists = false;
                continue;
            }
            let request = if left == 1 && complete {
                request
            } else {
                &unsigned
            };
            match self.read(request, Operation::One(index)) {
                Ok(()) => left = left.saturating_sub(1),
                Err(failure) if is_refused(&failure, ErrorCode::INVALID_REQUEST) => {
                    *exists = false;
                    complete = false;
                    continue;
                }
                Err(failure) => return Err(failure),
            }
            if let (Some(summary), Some(read)) = (&mut summary, self.requester.measurements()) {
                summary.update(read.record.bytes());
            }
        }
        if left > 0 {
            return Err(self.give_up(Field::NumberOfBlocks, Reason::Missing));
        }
        let summary = summary.map(Context::finish);
        if summary.is_some() && summary.as_ref() != self.requester.summary() {
            return Err(self.give_up(Field::MeasurementSummaryHash, Reason::Differs));
        }
        Ok(complete)
    }

    /// Makes both sides begin the transcript anew, as any other request does. A responder without
    /// certificates signs none.
    fn forget(&mut self) -> Result<(), Failure<T::Error>> {
        let connection = self.requester.connection();
        if connection.is_some_and(|found| found.capabilities.flags.has(Flags::CERT)) {
            return self.get_digests();
        }
        self.requester.forget_measurements();
        Ok(())
    }

    fn check_unchanged(&mut self) -> Result<(), Failure<T::Error>> {
        match self.requester.measurements() {
            Some(read) if read.changed == ContentChanged::Changed => {
                Err(self.give_up(Field::ContentChanged, Reason::Changed))
            }
            _ => Ok(()),
        }
    }

    fn give_up(&mut self, field: Field, reason: Reason) -> Failure<T::Error> {
        self.requester.cancel();
        Error::new(Code::MEASUREMENTS, field, reason).into()
    }
}

fn is_refused<E>(failure: &Failure<E>, with: ErrorCode) -> bool {
    matches!(failure, Failure::Protocol(Error { reason: Reason::Refused { code, .. }, .. })
        if *code == with)
}
