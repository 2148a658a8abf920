// SPDX-License-Identifier: GPL-2.0
//! Things that happen later, in order of time and, at the same time, of submission.

use std::collections::BTreeMap;
use std::time::Duration;

/// A queue of `E`, ordered by due time. Times count from the start of the model.
#[derive(Debug)]
pub struct Timeline<E> {
    events: BTreeMap<(Duration, u64), E>,
    next: u64,
}

impl<E> Default for Timeline<E> {
    fn default() -> Self {
        Self {
            events: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<E> Timeline<E> {
    /// Schedules `event` for `at`.
    pub fn push(&mut self, at: Duration, event: E) {
        self.events.insert((at, self.next), event);
        self.next += 1;
    }

    /// When the first event is due.
    pub fn due(&self) -> Option<Duration> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    /// Takes the first event if it is due at `now`.
    pub fn pop(&mut self, now: Duration) -> Option<(Duration, E)> {
        let entry = self.events.first_entry()?;
        let at = entry.key().0;
        (at <= now).then(|| (at, entry.remove()))
    }

    /// Keeps only the events that `keep` accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&E) -> bool) {
        self.events.retain(|_, event| keep(event));
    }

    /// Number of events that wait.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_the_same_time_keep_their_order() {
        let mut line = Timeline::default();
        let at = Duration::from_millis;
        line.push(at(2), 'c');
        line.push(at(1), 'a');
        line.push(at(1), 'b');
        assert_eq!(line.due(), Some(at(1)));
        assert_eq!(line.pop(at(0)), None);
        let order: Vec<char> = std::iter::from_fn(|| line.pop(at(2)))
            .map(|e| e.1)
            .collect();
        assert_eq!(order, ['a', 'b', 'c']);
        assert!(line.is_empty());
    }
}
