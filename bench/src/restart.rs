//! kill -9, and how long until the station is ready again with what the earlier phases left behind.

use anyhow::Result;

use crate::report::Section;
use crate::rig::Rig;

/// Restarts; the middle one is told.
const TIMES: usize = 5;

pub async fn run(rig: &mut Rig) -> Result<Section> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        times.push(rig.kill_and_restart().await?.as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let mut section = Section::new("Restart after kill -9");
    section.line(format!(
        "{} devices on the roster; first start on an empty folder, roster import included: {:.2} s",
        rig.devices.len(),
        rig.first_start.as_secs_f64()
    ));
    section.line(format!(
        "**ready again after {:.2} s** (median of {TIMES}, longest {:.2} s)",
        times[TIMES / 2],
        times[TIMES - 1]
    ));
    Ok(section)
}
