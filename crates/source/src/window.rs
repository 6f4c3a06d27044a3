//! What was taken from a broker and not yet acknowledged to it.

use std::collections::VecDeque;

/// The acknowledgement that one message needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) packet_id: u16,
    pub(crate) qos: u8,
}

/// Acknowledgements in the order in which their messages came, whatever the order of the answers.
#[derive(Debug, Default)]
pub(crate) struct Window {
    slots: VecDeque<(Ack, bool)>,
    first: u64,
}

impl Window {
    /// Takes a message in; its number for [`Window::answered`].
    pub(crate) fn take(&mut self, ack: Ack) -> u64 {
        self.slots.push_back((ack, false));
        self.first + self.slots.len() as u64 - 1
    }

    /// The consumer has answered for a message.
    pub(crate) fn answered(&mut self, number: u64) {
        let slot = number.checked_sub(self.first).and_then(|at| self.slots.get_mut(usize::try_from(at).ok()?));
        if let Some((_, answered)) = slot {
            *answered = true;
        }
    }

    /// The next acknowledgement that may leave.
    pub(crate) fn next(&mut self) -> Option<Ack> {
        let (ack, _) = *self.slots.front().filter(|(_, answered)| *answered)?;
        self.slots.pop_front();
        self.first += 1;
        Some(ack)
    }

    /// Messages taken in and not acknowledged.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_leave_in_the_order_of_arrival() {
        let mut window = Window::default();
        let ack = |packet_id| Ack { packet_id, qos: 1 };
        let numbers: Vec<u64> = (1..=4).map(|id| window.take(ack(id))).collect();
        assert_eq!(window.next(), None);
        window.answered(numbers[1]);
        window.answered(numbers[3]);
        assert_eq!(window.next(), None, "the first has no answer yet");
        window.answered(numbers[0]);
        assert_eq!((window.next(), window.next(), window.next()), (Some(ack(1)), Some(ack(2)), None));
        assert_eq!(window.len(), 2);
        window.answered(numbers[0]);
        window.answered(numbers[2]);
        assert_eq!((window.next(), window.next(), window.next()), (Some(ack(3)), Some(ack(4)), None));
        assert_eq!(window.take(ack(5)), 4);
    }
}
