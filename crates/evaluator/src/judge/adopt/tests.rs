//! Rules that change midway.

use model::roster::DeviceClass;
use model::{Colour, Entry, Evaluated, Finding, UnitId};

use crate::testing::{Bench, line, town};

fn bench(rules: &str) -> Bench {
    let devices = [("a", DeviceClass::Smoke, 0, 600), ("b", DeviceClass::Smoke, 0, 600)];
    let mut bench = Bench::new(rules, town(1, &devices));
    bench.word(0, "a smoke_db_m=0.02");
    bench.word(0, "b smoke_db_m=0.02");
    bench
}

fn change(bench: &mut Bench, at_s: u64, rules: &str) -> Evaluated {
    bench.commit(at_s, vec![Entry::Rules(rules.into())], Vec::new())
}

fn found(out: &Evaluated) -> Vec<String> {
    let of_fire = |finding: &&Finding| finding.rule != "lost_contact";
    out.findings.iter().filter(of_fire).map(line).collect()
}

fn colour(bench: &mut Bench, at_s: u64) -> Option<Colour> {
    bench.word(at_s, "a tick");
    bench.judge.state().units.get(UnitId(0).index())?.colour
}

const AT_ONCE: &str = "[smoke]\nconfirm_samples = 1\nconfirm_s = 0\nclear_s = 0\n";

#[test]
fn a_lower_threshold_fires_at_the_next_sample_and_a_higher_one_ends_at_it() {
    let mut bench = bench(AT_ONCE);
    assert_eq!(found(&bench.word(10, "a smoke_db_m=0.12")), [""; 0]);
    assert_eq!(
        found(&change(
            &mut bench,
            11,
            &format!("{AT_ONCE}clear_db_m = 0.04\nthreshold_db_m = 0.09\nprealarm_db_m = 0.03\nzero_max_db_m = 0.04\n")
        )),
        [""; 0]
    );
    assert_eq!(found(&bench.word(20, "a smoke_db_m=0.12")), ["began smoke orange"]);
    assert_eq!(found(&change(&mut bench, 21, &format!("{AT_ONCE}clear_db_m = 0.2\nthreshold_db_m = 0.3\n"))), [""; 0]);
    assert_eq!(colour(&mut bench, 22), Some(Colour::Orange), "what holds goes on until a sample ends it");
    assert_eq!(found(&bench.word(30, "a smoke_db_m=0.12")), ["ended smoke orange"]);
    assert_eq!(colour(&mut bench, 31), Some(Colour::Orange), "nobody has verified it");
}

#[test]
fn samples_counted_before_count_after() {
    let mut bench = bench("");
    bench.word(10, "a smoke_db_m=0.4");
    bench.word(15, "a smoke_db_m=0.4");
    change(&mut bench, 16, "[smoke]\nconfirm_samples = 3\nconfirm_s = 8\n");
    assert_eq!(found(&bench.word(18, "a smoke_db_m=0.4")), ["began smoke orange"]);
}

#[test]
fn what_is_waited_for_may_be_due_earlier_or_later() {
    // a lone sample, and then silence: it counts when nothing contradicts it in time
    let wait = |lone_s: u32| {
        let mut bench = bench("");
        bench.word(10, "a smoke_db_m=0.3");
        change(&mut bench, 12, &format!("[smoke]\nlone_s = {lone_s}\n"));
        let began = (13..200).find(|at_s| !found(&bench.word(*at_s, "a tick")).is_empty());
        began.expect("it counts in the end")
    };
    let (early, as_before, late) = (wait(5), wait(30), wait(90));
    assert!(early < as_before && as_before < late, "{early} {as_before} {late}");
}

#[test]
fn a_promise_is_counted_by_the_new_rules() {
    let lost_at_s = |rules: &str| {
        let mut bench = bench("");
        change(&mut bench, 1, rules);
        let lost = |out: &Evaluated| out.findings.iter().any(|finding| finding.rule == "lost_contact");
        (2..4000).step_by(10).find(|at_s| lost(&bench.word(*at_s, "a tick"))).expect("lost in the end")
    };
    let (strict, usual) = (lost_at_s("[lost_contact]\nfactor_pct = 110\n"), lost_at_s("[smoke]\nlone_s = 31\n"));
    assert!((600..=800).contains(&strict) && usual > 1500, "{strict} {usual}");
}

#[test]
fn rules_that_cannot_be_read_change_nothing() {
    let mut bench = bench(AT_ONCE);
    bench.word(5, "a smoke_db_m=0.4");
    let before = bench.judge.state().rules.clone();
    change(&mut bench, 6, "[smoke]\nthreshold_db_m = -1\n");
    assert_eq!((bench.judge.state().rules.as_str(), bench.judge.state().rules_epoch), (before.as_str(), 0));
    change(&mut bench, 7, "[smoke]\nconfirm_samples = 2\n");
    assert_eq!(bench.judge.state().rules_epoch, bench.epoch());
}

#[test]
fn the_same_rules_again_are_no_news() {
    let mut bench = bench(AT_ONCE);
    change(&mut bench, 5, "");
    let state = |bench: &Bench| {
        let state = bench.judge.state();
        (
            state.rules_epoch,
            state.sweep.generation,
            state.devices.iter().map(|device| device.armed_ms).collect::<Vec<_>>(),
        )
    };
    bench.word(6, "a tick");
    let before = state(&bench);
    change(&mut bench, 7, "");
    assert_eq!(state(&bench), before, "a start that journals its rules anew asks nobody");
    change(&mut bench, 8, AT_ONCE);
    assert_ne!(state(&bench), before);
}

#[test]
fn a_device_that_leaves_takes_along_what_it_showed_of_a_fire() {
    let devices = ["a", "b", "c"].map(|name| (name, DeviceClass::Combined, 0, 60));
    let mut bench = Bench::new("", town(1, &devices));
    let told = |bench: &mut Bench, at_s: u64, words: &[&str]| -> Vec<String> {
        let outs: Vec<Evaluated> = words.iter().map(|word| bench.word(at_s, word)).collect();
        let findings = outs.iter().flat_map(|out| &out.findings);
        findings.filter(|finding| finding.rule == "fusion_unit").map(line).collect()
    };
    for at_s in [0, 10, 20] {
        told(&mut bench, at_s, &["a temperature_c=20", "b smoke_db_m=0.01", "c smoke_db_m=0.01"]);
    }
    told(&mut bench, 30, &["a temperature_c=24", "b smoke_db_m=0.06"]);
    assert_eq!(told(&mut bench, 40, &["a temperature_c=27", "b smoke_db_m=0.12"]), ["began fusion_unit orange"]);
    // b says nothing any longer, and is taken away before its sign is old
    for at_s in (50..400).step_by(10) {
        assert_eq!(told(&mut bench, at_s, &["a temperature_c=20", "c smoke_db_m=0.01"]), [""; 0]);
    }
    let mut change = model::RosterChange::default();
    let mut slot = bench.roster.devices()[1].clone();
    slot.current = false;
    change.devices.push((model::DeviceId(1), slot));
    bench.roster = std::sync::Arc::new(bench.roster.after(&change, 99));
    assert_eq!(told(&mut bench, 400, &["a tick"]), ["ended fusion_unit orange"]);
    told(&mut bench, 410, &["a temperature_c=24", "c smoke_db_m=0.06"]);
    let again = told(&mut bench, 420, &["a temperature_c=27", "c smoke_db_m=0.12"]);
    assert_eq!(again, ["began fusion_unit orange"], "the next fire rings");
}
