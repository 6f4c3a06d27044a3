//! `fenghuo test-rules`: the tests that a file of rules carries.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use evaluator::scenario::{Moment, Outcome};

#[derive(Debug, Args)]
pub struct TestRules {
    /// File of rules, with its [[test]] tables.
    rules: PathBuf,
    /// Answers as JSON.
    #[arg(long)]
    json: bool,
}

/// Plays them and prints how each went.
///
/// # Errors
/// A file that cannot be used; a test that fails.
pub fn run(command: &TestRules) -> Result<()> {
    let path = command.rules.display();
    let text = std::fs::read_to_string(&command.rules).with_context(|| format!("reading {path}"))?;
    let outcomes = evaluator::Rules::parse(&text).with_context(|| path.to_string())?.run_tests();
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    if command.json {
        println!("{}", serde_json::to_string_pretty(&outcomes)?);
    } else {
        outcomes.iter().for_each(show);
        println!("{} 项测试，{failed} 项未通过 / {} tests, {failed} failed", outcomes.len(), outcomes.len());
    }
    if failed > 0 {
        bail!("{failed} of {} tests of {path} fail", outcomes.len());
    }
    Ok(())
}

fn show(outcome: &Outcome) {
    println!("{}  {}", if outcome.passed { "通过 pass" } else { "未过 FAIL" }, outcome.name);
    for moment in outcome.moments.iter().filter(|moment| !moment.passed) {
        tell(moment);
    }
}

fn tell(moment: &Moment) {
    let list = |words: &[String]| if words.is_empty() { "—".to_owned() } else { words.join(", ") };
    match moment.line.as_str() {
        "" => println!("    {} s (tick)", moment.at_s),
        line => println!("    {line}"),
    }
    println!("      应见 expected  {}", list(&moment.expected));
    println!("      实见 found     {}", list(&moment.found));
    for (zh, en) in &moment.evidence {
        println!("        {zh} / {en}");
    }
}
