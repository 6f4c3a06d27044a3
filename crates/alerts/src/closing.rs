//! Which closings are taken. Unit colours depend on it, so that whoever judges colours repeats this rule; what it says of
//! people, both ask [`Actor::may_close`].

use model::alert::Actor;
use model::{Alert, Command, Family};

/// Why an open alert may not be closed by this command; `None` when it may.
pub(crate) fn refusal(alert: &Alert, command: &Command) -> Option<String> {
    if alert.family() == Family::Fire && alert.verdict.is_none() {
        return Some(format!(
            "fire {} is {} and not verified: verify it as real, false or test, then close it",
            alert.id,
            alert.state.word()
        ));
    }
    if Actor::of(command).may_close(alert.conditions.is_empty(), did(alert)) {
        return None;
    }
    let holds = match alert.conditions.as_slice() {
        [one] => format!("{} still holds", one.rule),
        many => format!("{} and {} more conditions still hold", many[0].rule, many.len() - 1),
    };
    let who = &command.person;
    let why = if did(alert).next().is_none() {
        format!(
            "{holds}, and nobody has verified {} or worked on it: have one person verify it and another close it, or wait \
             until its sensors are back to normal",
            alert.id
        )
    } else {
        format!(
            "{holds}, and {who} verified {} or worked on it (or entered that): have another person close it, or wait until \
             its sensors are back to normal",
            alert.id
        )
    };
    Some(why)
}

/// Who gave the verdict in force, and who worked on it in any ring.
fn did(alert: &Alert) -> impl Iterator<Item = Actor> {
    let verified = alert.verdict.iter().map(|(_, mark)| mark.actor());
    verified.chain(alert.work.iter().map(|work| work.mark.actor()))
}
