//! The roster of the storm: one township whose units have two smoke detectors each, and six people for every one of them,
//! reached over one webhook.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};

use super::ChainOptions;
use crate::mqtt::Login;
use crate::rig::Rig;

/// People told of each ring: owner, grid worker, micro station, chief of the village, of the township, commander.
pub const TOLD: usize = 6;
const UNITS_A_GRID: usize = 100;
const GRIDS_A_VILLAGE: usize = 10;

/// Its size.
#[derive(Debug, Clone, Copy)]
pub struct Township {
    pub units: usize,
    /// The first so many become red.
    pub red: usize,
}

impl Township {
    /// A station with this roster, ready.
    pub async fn rig(&self, options: &ChainOptions, receiver: SocketAddr) -> Result<Rig> {
        let prepare = |roster: &Path, vendor: &str| -> Result<String> {
            self.write(roster, vendor)?;
            let policy = roster.join("policy.toml");
            let tell = r#"["owner", "grid_worker", "micro_station", "village_chief", "township_chief", "commander"]"#;
            std::fs::write(&policy, format!("[fire.ladder]\norange = [{{ after_s = 0, tell = {tell} }}]\n"))?;
            let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
            Ok(format!(
                "[station]\npolicy = {policy:?}\n\
                 [[dispatcher.webhook]]\nname = \"storm\"\nurl = \"http://{receiver}/\"\nallow_private = true\nsecrets = [\"{secret}\"]\n"
            ))
        };
        Rig::prepared(options.fenghuo.as_deref(), options.simulator.as_deref(), prepare).await
    }

    /// The vendor of its devices, with its login.
    pub fn vendor<'r>(&self, rig: &'r Rig) -> Result<(&'r str, &'r Login)> {
        let device = rig.devices.first().context("the township has no device")?;
        Ok((&device.vendor, rig.logins.get(&device.vendor).context("no login for the vendor")?))
    }

    pub fn topic(&self, vendor: &str, unit: usize, device: usize) -> String {
        format!("fire/v1/{vendor}/d{unit}-{device}/alarm")
    }

    fn write(&self, roster: &Path, vendor: &str) -> Result<()> {
        // of the tiny city, the credentials stay
        for entry in std::fs::read_dir(roster)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !matches!(name.as_str(), "credentials.csv" | "secrets.csv") {
                std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            }
        }
        let grids = self.units.div_ceil(UNITS_A_GRID);
        let villages = grids.div_ceil(GRIDS_A_VILLAGE);
        let village = |at: usize| format!("331083001{:03}", at + 1);
        let grid = |at: usize| format!("{}{:03}", village(at / GRIDS_A_VILLAGE), at % GRIDS_A_VILLAGE + 1);
        let mut regions = String::from("code,name,parent\n331083,玉环市,\n331083001,玉城街道,331083\n");
        let mut people = String::from("code,name,phone,post,region,channels\n");
        let mut person = |code: String, post: &str, region: &str| {
            let _ = writeln!(people, "{code},{code},,{post},{region},webhook:storm");
        };
        person("C".into(), "commander", "331083");
        person("T".into(), "township_chief", "331083001");
        let mut stations = String::from("code,name,region,x,y,members\n");
        for at in 0..villages {
            let _ = writeln!(regions, "{},{}村,331083001", village(at), at + 1);
            person(format!("V{at}"), "village_chief", &village(at));
            person(format!("M{at}"), "micro_station", &village(at));
            let _ = writeln!(stations, "S{at},{at}站,{},,,M{at}", village(at));
        }
        for at in 0..grids {
            let _ = writeln!(regions, "{},{}网格,{}", grid(at), at + 1, village(at / GRIDS_A_VILLAGE));
            person(format!("G{at}"), "grid_worker", &grid(at));
        }
        let mut units = String::from("code,name,category,address,grid,owner,x,y\n");
        let mut devices = String::from("vendor,device,unit,class,location,report_every_s,gateway\n");
        for at in 0..self.units {
            let grid = grid(at / UNITS_A_GRID);
            person(format!("O{at}"), "owner", &grid);
            let _ = writeln!(units, "U{at},{at}号店,商铺,城中路{at}号,{grid},O{at},,");
            for device in 0..2 {
                let _ = writeln!(devices, "{vendor},d{at}-{device},U{at},smoke,前厅,86400,");
            }
        }
        for (file, text) in [
            ("regions.csv", regions),
            ("people.csv", people),
            ("stations.csv", stations),
            ("units.csv", units),
            ("devices.csv", devices),
            ("cameras.csv", "code,unit,location,stream\n".into()),
        ] {
            std::fs::write(roster.join(file), text)?;
        }
        Ok(())
    }
}
