//! What the client answers to messages with QoS 1 and 2.

use smallvec::SmallVec;

use super::Session;
use super::outgoing::Stage;
use crate::layout;
use crate::link::Done;
use crate::lock;
use crate::outbound::Outbound;
use crate::wire::Fault;
use crate::wire::encode::{self, AckKind};

/// What to do about a PUBREC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// PUBREL with this reason.
    Release(u8),
    /// When what was noted is on the disk, call [`Session::release_sent`].
    Later,
    /// Nothing.
    Nothing,
}

/// Packet identifier not found.
const NOT_FOUND: u8 = 0x92;
/// MQTT 5 section 4.3: each QoS has its own acknowledgements.
const OUT_OF_TURN: Fault = Fault::protocol("an acknowledgement of another QoS than the message was sent with");

impl Session {
    /// PUBACK, or a PUBREC that refuses: the message, sent with this QoS, is done with.
    ///
    /// # Errors
    /// The message was sent with another QoS.
    pub(crate) fn acknowledged(&self, packet_id: u16, qos: u8, accepted: bool) -> Result<(), Fault> {
        let late_refusal = qos == 2; // after it was received, which changes nothing
        self.settle(packet_id, accepted, late_refusal, |stage| match stage {
            Stage::Sent(message) => message.qos == qos,
            _ => false,
        })
    }

    /// PUBCOMP.
    ///
    /// # Errors
    /// The message was not acknowledged with PUBREC before.
    pub(crate) fn completed(&self, packet_id: u16) -> Result<(), Fault> {
        self.settle(packet_id, true, false, |stage| !matches!(stage, Stage::Sent(_)))
    }

    fn settle(
        &self,
        packet_id: u16,
        accepted: bool,
        forgiving: bool,
        at_stage: impl Fn(&Stage) -> bool,
    ) -> Result<(), Fault> {
        let mut state = lock(&self.state);
        let out = &mut state.outgoing;
        let Some(index) = out.find(packet_id) else {
            return Ok(()); // acknowledged before, or never sent: harmless
        };
        match &out.in_flight[index].stage {
            stage if at_stage(stage) => {}
            Stage::Releasing | Stage::Released if forgiving => return Ok(()),
            _ => return Err(OUT_OF_TURN),
        }
        let sent = out.in_flight.len() - out.resend;
        if index >= sent {
            out.resend -= 1;
        }
        let flight = out.in_flight.remove(index).expect("the position was just found");
        if let Stage::Sent(message) = &flight.stage {
            out.weight -= message.weight();
        }
        self.take_stock(out);
        self.forget(&state, flight.sequence);
        drop(state);
        if let (true, Stage::Sent(Outbound { receipt: Some(receipt), .. })) = (accepted, flight.stage) {
            let _full = receipt.try_send(()); // then an earlier receipt says the same
        }
        Ok(())
    }

    /// PUBREC that accepts.
    ///
    /// # Errors
    /// The message was sent with QoS 1.
    pub(crate) fn received_by_client(&self, packet_id: u16) -> Result<Receipt, Fault> {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let Some(index) = state.outgoing.find(packet_id) else { return Ok(Receipt::Release(NOT_FOUND)) };
        let flight = &mut state.outgoing.in_flight[index];
        match &flight.stage {
            Stage::Released => return Ok(Receipt::Release(0)),
            Stage::Releasing => return Ok(Receipt::Nothing),
            Stage::Sent(message) if message.qos < 2 => return Err(OUT_OF_TURN),
            Stage::Sent(message) => {
                if let Some(receipt) = &message.receipt {
                    let _full = receipt.try_send(());
                }
            }
        }
        let sequence = flight.sequence;
        let next = if state.durable { Stage::Releasing } else { Stage::Released };
        if let Stage::Sent(message) = std::mem::replace(&mut flight.stage, next) {
            state.outgoing.weight -= message.weight();
        }
        self.take_stock(&mut state.outgoing);
        if !state.durable {
            return Ok(Receipt::Release(0));
        }
        self.keeper.note([layout::keep_released(self.number, sequence)]);
        Ok(Receipt::Later)
    }

    /// That the client has these messages is on the disk: PUBREL may leave.
    pub(crate) fn release_sent(&self, packet_ids: &[u16]) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let sent = state.outgoing.in_flight.len() - state.outgoing.resend;
        let mut ready: SmallVec<[u16; 16]> = SmallVec::new();
        for id in packet_ids {
            let Some(index) = state.outgoing.find(*id) else { continue };
            let flight = &mut state.outgoing.in_flight[index];
            if matches!(flight.stage, Stage::Releasing) {
                flight.stage = Stage::Released;
                if index < sent {
                    ready.push(*id); // the others are sent again in their turn
                }
            }
        }
        let Some(link) = &state.link else { return };
        link.acknowledge(|out| {
            for id in &ready {
                encode::ack(out, AckKind::Pubrel, *id, 0);
            }
            Done::default()
        });
    }
}
