//! `fenghuo`: the binary that joins the stages and keeps them running.
//!
//! Before it: a configuration file and the roster folder. After it: a station that listens for devices and serves the
//! command centre. The join is `serve.rs`; everything else here is what the stages ask the outside world for: files,
//! clock, credentials, signals.
//!
//! Invariants
//! - The wall clock is read here alone (`clock.rs`) and enters the stages as `model::Clock`.
//! - A pipeline thread that panics ends the process; the restart replays the journal's tail.
//!
//! Never here: an `if` about fire.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command speaks to the person who typed it

mod access;
mod actions;
mod audit;
mod auditor;
mod case;
mod certificate;
mod clock;
mod commands;
mod config;
mod core;
mod credentials;
mod desk;
mod devices;
mod folder;
mod front;
mod judging;
mod laws;
mod outlets;
mod photos;
mod process;
mod provision;
mod push;
mod refusals;
mod replay;
mod roster_files;
mod rules_gate;
mod rules_keeper;
mod serve;
mod sources;
mod table;
mod telemetry;
mod upkeep;
mod vendors;
mod watch;

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::commands::explain::Explain;
use crate::commands::import::RosterCommand;
use crate::commands::order::{Drill, Order};
use crate::commands::replay::Replay;
use crate::commands::rules::RulesCommand;
use crate::commands::test_rules::TestRules;
use crate::commands::{Accounts, AddClient, AddDevice, AddPerson, AddService, AddToken, AddVendor};
use crate::config::Config;

/// Real-time fire-safety station: devices over MQTT in, alerts carried to the end.
#[derive(Debug, Parser)]
#[command(name = "fenghuo", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the station until SIGINT or SIGTERM.
    Serve(Where),
    /// Checks configuration, rules, policy, roster and credentials, and starts nothing.
    CheckConfig(Where),
    /// Prints every setting with its default, as TOML; `rules` and `policy` print those files.
    Defaults {
        #[arg(value_enum, default_value = "config")]
        of: Defaults,
    },
    /// Replays the whole journal into a fresh ledger and compares it with the station's; the station must not run.
    Audit(Where),
    /// Prints the stored form of a secret read from standard input.
    HashSecret,
    /// Credentials of single devices.
    #[command(subcommand)]
    Device(Accounts<AddDevice>),
    /// Credentials of vendors, which speak for all their devices.
    #[command(subcommand)]
    Vendor(Accounts<AddVendor>),
    /// Credentials of ordinary MQTT clients, for topics that are not the station's.
    #[command(subcommand)]
    Client(Accounts<AddClient>),
    /// Credentials of people, who hear of alerts over MQTT.
    #[command(subcommand)]
    Person(Accounts<AddPerson>),
    /// Credentials of programs that follow the feed over MQTT.
    #[command(subcommand)]
    Service(Accounts<AddService>),
    /// Bearers of the HTTP API.
    #[command(subcommand)]
    Token(Accounts<AddToken>),
    /// The roster as a whole.
    #[command(subcommand)]
    Roster(RosterCommand),
    /// Why something is as it is, and why a rule did not fire: asked of a running station.
    Explain(Explain),
    /// The detection rules of a running station, or in a file.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Runs the tests that a file of rules carries.
    TestRules(TestRules),
    /// Case files of alerts.
    #[command(subcommand)]
    Case(CaseCommand),
    /// Judges the record by other rules, and tells what would have differed.
    Replay(Replay),
    /// What is asked of many: instructions, roll-calls, tests of channels.
    #[command(subcommand)]
    Order(Order),
    /// Holds a drill: alerts that go the real way, marked as exercise.
    Drill(Drill),
}

/// What can be done with a case file.
#[derive(Debug, Subcommand)]
enum CaseCommand {
    /// Checks that the history in it is what was written, without the station; says the first item that is not.
    Verify {
        /// What GET /api/v1/alerts/{id}/case answered.
        file: PathBuf,
    },
}

/// What has defaults.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Defaults {
    Config,
    Rules,
    Policy,
}

/// The configuration, and what the command line puts over it.
#[derive(Debug, Args)]
struct Where {
    /// Configuration file; without one every setting has its default.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Folder of the store.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder of the roster's CSV files.
    #[arg(long)]
    roster: Option<PathBuf>,
    /// Address of the MQTT listener.
    #[arg(long)]
    mqtt: Option<SocketAddr>,
    /// Address of API and screen.
    #[arg(long)]
    http: Option<SocketAddr>,
}

impl Where {
    fn config(&self) -> Result<Config> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        if let Some(data) = &self.data {
            config.station.data.clone_from(data);
        }
        if let Some(roster) = &self.roster {
            config.station.roster.clone_from(roster);
        }
        config.mqtt.listen = self.mqtt.unwrap_or(config.mqtt.listen);
        config.http.listen = self.http.unwrap_or(config.http.listen);
        Ok(config)
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fenghuo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Serve(at) => {
            let config = at.config()?;
            telemetry::start(&config.station)?;
            serve::run(config)
        }
        Command::CheckConfig(at) => check(&at.config()?),
        Command::Defaults { of } => {
            match of {
                Defaults::Config => print!("{}", toml::to_string(&Config::default())?),
                Defaults::Rules => print!("{}", evaluator::Rules::default().to_toml()),
                Defaults::Policy => print!("{}", alerts::DEFAULT_POLICY),
            }
            Ok(())
        }
        Command::Audit(at) => audit::run(&at.config()?),
        Command::Device(command) => commands::run("device", &command),
        Command::Vendor(command) => commands::run("vendor", &command),
        Command::Client(command) => commands::run("client", &command),
        Command::Person(command) => commands::run("person", &command),
        Command::Service(command) => commands::run("service", &command),
        Command::Token(command) => commands::run("token", &command),
        Command::Roster(command) => commands::import::run(&command),
        Command::Explain(command) => commands::explain::run(&command),
        Command::Rules(command) => commands::rules::run(&command),
        Command::TestRules(command) => commands::test_rules::run(&command),
        Command::Case(CaseCommand::Verify { file }) => {
            let case::Sound { alert, items, trimmed, seal } = case::verify(&file)?;
            println!(
                "{alert}: {items} items are as they were written, {trimmed} older ones were not kept; seal {seal}"
            );
            Ok(())
        }
        Command::Replay(command) => commands::replay::run(&command),
        Command::Order(command) => commands::order::run(&command),
        Command::Drill(command) => commands::order::drill(&command),
        Command::HashSecret => {
            let mut secret = String::new();
            std::io::stdin().read_to_string(&mut secret).context("reading the secret from standard input")?;
            let secret = secret.trim_end_matches(['\r', '\n']);
            if secret.is_empty() {
                bail!("no secret on standard input: echo one in, e.g. `openssl rand -hex 16 | fenghuo hash-secret`");
            }
            println!("{}", credentials::hash_secret(&credentials::fresh_salt()?, secret.as_bytes()));
            Ok(())
        }
    }
}

/// Everything that a start would refuse, told without starting.
fn check(config: &Config) -> Result<()> {
    let laws = laws::Laws::read(&config.station)?;
    println!("rules: {} bytes, policy: {} bytes: both can be used", laws.rules.len(), laws.policy.len());
    let rows = serve::read_roster(&config.station.roster)?;
    let change = model::Roster::default().change_to(&rows).map_err(|faults| serve::told(&faults))?;
    let credentials = credentials::Credentials::read(&config.station.roster)?;
    access::check_anonymous(&credentials, config.mqtt_access.anonymous.as_deref()).map_err(anyhow::Error::msg)?;
    println!(
        "roster: {} regions, {} units, {} devices, {} people, {} shifts, {} absences; {} credentials",
        change.regions.len(),
        change.units.len(),
        change.devices.len(),
        change.people.len(),
        change.shifts.as_ref().map_or(0, Vec::len),
        change.absences.as_ref().map_or(0, Vec::len),
        credentials.len()
    );
    println!("configuration is good");
    Ok(())
}
