//! What the desk itself tells people beside alerts: that a silence ends, that many alerts are one incident.

use model::{About, Delivery, DeliveryId, DeliveryState, OrderSummary, PersonId};

use crate::turn::Draft;

/// Owes a person a notice, once in each of their channels; whether they have any. `number` tells this notice from others of
/// the same matter.
pub(crate) fn owe(about: &OrderSummary, whom: &str, person: PersonId, number: u32, draft: &mut Draft<'_>) -> bool {
    let roster = draft.roster;
    let Some(row) = roster.person(person) else { return false };
    for (at, channel) in row.channels.iter().enumerate() {
        if row.channels[..at].contains(channel) {
            continue;
        }
        let id = format!("{}.{number}.{}.{channel}", about.id, person.0);
        draft.owe(Delivery {
            id: DeliveryId::from(id.as_str()),
            matter: about.id.into(),
            about: About::Order(about.clone()),
            whom: whom.into(),
            person,
            person_code: row.code.clone(),
            person_name: row.name.clone(),
            channel: channel.clone(),
            owed_ms: draft.now_ms,
            state: DeliveryState::Owed,
            attempts: Vec::new(),
            attempt_count: 0,
            read_ms: None,
            turn: None,
        });
    }
    !row.channels.is_empty()
}
