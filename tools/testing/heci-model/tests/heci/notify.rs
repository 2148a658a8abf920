// SPDX-License-Identifier: GPL-2.0
//! When the firmware interrupts: three ways, because what real firmware does is not known.

use heci_model::settings::Notify;

use crate::guest::*;

/// Interrupts at: consumption, response, the doorbell after it, and one for nothing at all.
fn interrupts(notify: Notify) -> [usize; 4] {
    let mut guest = Guest::with(|settings| {
        settings.notify = notify;
        settings.response_latency_us = 10;
    });
    guest.set_up();
    guest.acknowledge();
    guest.interrupts();
    guest.submit(&Message::new(0, 0, &START));
    let consumed = guest.interrupts();
    guest.acknowledge();
    guest.pass_us(10);
    let response = guest.interrupts();
    guest.take().unwrap();
    let after = guest.interrupts();
    guest.acknowledge();
    guest.ring();
    let nothing = guest.interrupts();
    [consumed, response, after, nothing]
}

#[test]
fn response_interrupts_when_a_message_is_published() {
    assert_eq!(interrupts(Notify::Response), [0, 1, 0, 0]);
}

#[test]
fn consumed_interrupts_also_when_a_message_is_taken() {
    assert_eq!(interrupts(Notify::Consumed), [1, 1, 0, 0]);
}

#[test]
fn every_doorbell_interrupts_also_when_there_is_nothing_to_do() {
    assert_eq!(interrupts(Notify::EveryDoorbell), [1, 1, 1, 1]);
}

#[test]
fn a_doorbell_that_answers_an_interrupt_for_nothing_is_answered_for_ever() {
    let mut guest = Guest::with(|settings| settings.notify = Notify::EveryDoorbell);
    guest.bring_up();
    for _ in 0..10 {
        guest.acknowledge();
        guest.ring();
        assert_eq!(guest.interrupts(), 1);
    }
}
