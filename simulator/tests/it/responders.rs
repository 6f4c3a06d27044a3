//! People as a state machine.

use simulator::{
    city::{self, Settings},
    incident::Verdict,
    responders::{Action, AlertSummary, Outcome, Responders, Verb},
    roster::Roster,
};

fn roster() -> Roster {
    city::build(&Settings::small(300)).unwrap()
}

fn alert(roster: &Roster, family: &str) -> AlertSummary {
    let unit = &roster.units[0];
    AlertSummary {
        id: "A1".into(),
        family: family.into(),
        state: "raised".into(),
        unit: unit.code.clone(),
        grid: unit.grid.clone(),
        village: unit.grid[..12].into(),
        ..AlertSummary::default()
    }
}

/// The next action and when it was due.
fn next(people: &mut Responders, verdict: Verdict) -> Option<(i64, Action)> {
    for _ in 0..10 {
        let at = people.next_ms()?;
        if let Some(action) = people.due(at, 1, &|_| verdict).pop() {
            return Some((at, action));
        }
    }
    None
}

#[test]
fn a_fire_is_acknowledged_reached_verified_and_closed_in_human_times() {
    let roster = roster();
    let mut people = Responders::new(&roster, 1);
    people.observe(0, &alert(&roster, "fire"), false);
    let mut at = 0;
    for (verb, least_s, most_s) in
        [(Verb::Acknowledge, 1, 1_500), (Verb::Arrive, 60, 900), (Verb::Verify, 10, 600), (Verb::Close, 60, 2_000)]
    {
        let (due, action) = next(&mut people, Verdict::Real).unwrap();
        assert_eq!(action.verb, verb);
        assert_eq!(action.verdict, (verb == Verb::Verify).then_some(Verdict::Real));
        assert!((least_s * 1_000..most_s * 1_000).contains(&(due - at)), "{verb:?} after {} ms", due - at);
        let person = roster.people.iter().find(|p| p.code == action.person).expect("somebody of the roster");
        assert!(alert(&roster, "fire").grid.starts_with(&person.region), "somebody of that place: {person:?}");
        assert!(action.key.len() <= 64);
        people.outcome(due, &action, Outcome::Done);
        at = due;
    }
    assert_eq!(people.open(), 0);
    assert!(next(&mut people, Verdict::Real).is_none());
}

#[test]
fn what_was_not_lit_is_found_false_and_a_fault_is_a_fault() {
    let roster = roster();
    for (family, found, want) in [
        ("fire", Verdict::False, Verdict::False),
        ("warning", Verdict::Test, Verdict::Test),
        ("fault", Verdict::False, Verdict::Real),
    ] {
        let mut people = Responders::new(&roster, 1);
        people.observe(0, &alert(&roster, family), false);
        let verdict = loop {
            let (at, action) = next(&mut people, found).unwrap();
            people.outcome(at, &action, Outcome::Done);
            if let Some(verdict) = action.verdict {
                break verdict;
            }
        };
        assert_eq!(verdict, want, "{family}");
    }
}

#[test]
fn refusals_move_on_failures_try_again_and_a_forbidden_close_waits() {
    let roster = roster();
    let mut people = Responders::new(&roster, 1);
    people.observe(0, &alert(&roster, "fire"), false);
    let (at, acknowledge) = next(&mut people, Verdict::Real).unwrap();
    people.outcome(at, &acknowledge, Outcome::Failed);
    let (later, again) = next(&mut people, Verdict::Real).unwrap();
    assert_eq!((again.verb, &again.key), (Verb::Acknowledge, &acknowledge.key), "the same key for the same step");
    assert!(later > at);
    people.outcome(later, &again, Outcome::Forbidden);
    let (at, arrive) = next(&mut people, Verdict::Real).unwrap();
    assert_eq!(arrive.verb, Verb::Arrive, "somebody else had acknowledged");
    people.outcome(at, &arrive, Outcome::Done);
    let (at, verify) = next(&mut people, Verdict::Real).unwrap();
    people.outcome(at, &verify, Outcome::Done);
    let (at, close) = next(&mut people, Verdict::Real).unwrap();
    people.outcome(at, &close, Outcome::Forbidden);
    let (later, close) = next(&mut people, Verdict::Real).unwrap();
    assert_eq!((close.verb, later - at), (Verb::Close, 60_000));
    people.outcome(later, &close, Outcome::Unknown);
    assert_eq!(people.open(), 0);
}

#[test]
fn nothing_is_posted_twice_while_its_outcome_is_open() {
    let roster = roster();
    let mut people = Responders::new(&roster, 1);
    people.observe(0, &alert(&roster, "fire"), false);
    assert!(next(&mut people, Verdict::Real).is_some());
    people.observe(1, &alert(&roster, "fire"), false);
    assert!(next(&mut people, Verdict::Real).is_none());
}

#[test]
fn an_alert_that_rings_again_is_acknowledged_again_under_another_key() {
    let roster = roster();
    let mut people = Responders::new(&roster, 1);
    people.observe(0, &alert(&roster, "fire"), false);
    let (at, first) = next(&mut people, Verdict::Real).unwrap();
    people.outcome(at, &first, Outcome::Done);
    people.observe(at, &alert(&roster, "fire"), true);
    let (_, second) = next(&mut people, Verdict::Real).unwrap();
    assert_eq!(second.verb, Verb::Acknowledge);
    assert_ne!(first.key, second.key);
}

#[test]
fn alerts_found_at_the_start_are_taken_up_where_they_stand() {
    let roster = roster();
    let base = alert(&roster, "fire");
    let mut people = Responders::new(&roster, 1);
    people.observe(
        0,
        &AlertSummary {
            id: "B".into(),
            state: "acknowledged".into(),
            acknowledged_by: vec!["P".into()],
            ..base.clone()
        },
        false,
    );
    assert_eq!(next(&mut people, Verdict::Real).unwrap().1.verb, Verb::Arrive);
    let mut people = Responders::new(&roster, 1);
    people.observe(
        0,
        &AlertSummary { id: "C".into(), state: "verified".into(), verdict: Some("false".into()), ..base.clone() },
        false,
    );
    assert_eq!(next(&mut people, Verdict::Real).unwrap().1.verb, Verb::Close);
    people.observe(0, &AlertSummary { id: "C".into(), state: "closed".into(), ..base }, false);
    assert_eq!(people.open(), 0);
}
