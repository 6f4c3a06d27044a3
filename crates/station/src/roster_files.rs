//! The roster folder: CSV files as the operator keeps them, read into rows with their line numbers.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::str::FromStr;

use csv::StringRecord;
use model::roster::{
    AbsenceRow, CameraRow, Contact, DeviceClass, DeviceRow, HydrantRow, PersonRow, Post, RosterFault, RosterRows,
    ShiftRow, StationRow, UnitProfile, UnitRow, UtcOffset,
};
use model::{Level, RegionCode};

/// Faults told of one import; what is wrong in ten thousand rows is mostly wrong in the same way.
pub const FAULTS_TOLD_MAX: usize = 50;

/// Reads regions.csv, units.csv, devices.csv and people.csv, and, where they are, stations.csv, cameras.csv, shifts.csv,
/// absences.csv and hydrants.csv.
///
/// # Errors
/// Every fault of every file, with its line: missing files and columns, numbers that are none, unknown words.
pub fn read(folder: &Path) -> Result<RosterRows, Vec<RosterFault>> {
    let mut reader = Reader { folder, faults: Vec::new() };
    let regions = reader.table("regions.csv", true, region);
    let utc_offset = regions.iter().find_map(|(_, (.., offset))| *offset).unwrap_or_default();
    let rows = RosterRows {
        regions: regions.into_iter().map(|(line, (code, name, _))| (line, code, name)).collect(),
        utc_offset,
        units: reader.table("units.csv", true, unit),
        devices: reader.table("devices.csv", true, device),
        people: reader.table("people.csv", true, person),
        stations: reader.table("stations.csv", false, station),
        cameras: reader.table("cameras.csv", false, camera),
        shifts: reader.table("shifts.csv", false, shift),
        absences: reader.table("absences.csv", false, absence),
        hydrants: reader.table("hydrants.csv", false, hydrant),
    };
    if reader.faults.is_empty() { Ok(rows) } else { Err(reader.faults) }
}

fn region(row: &Row<'_>) -> Result<(RegionCode, Box<str>, Option<UtcOffset>), String> {
    let (code, offset) = (row.parsed::<RegionCode>("code")?, row.maybe::<UtcOffset>("utc_offset")?);
    if offset.is_some() && code.level() != Level::City {
        return Err(format!("utc_offset stands in the city's row alone; leave it empty for {code}"));
    }
    Ok((code, row.text("name")?, offset))
}

fn unit(row: &Row<'_>) -> Result<UnitRow, String> {
    Ok(UnitRow {
        code: row.filled("code")?,
        name: row.text("name")?,
        category: row.text("category")?,
        address: row.text("address")?,
        grid: row.parsed("grid")?,
        owner: row.text("owner")?,
        position_m: row.position()?,
        profile: profile(row)?,
    })
}

fn profile(row: &Row<'_>) -> Result<UnitProfile, String> {
    let profile = UnitProfile {
        people: row.maybe("people")?,
        vulnerable: row.maybe("vulnerable")?,
        storeys: row.maybe("storeys")?,
        area_m2: row.maybe("area_m2")?,
    };
    match profile {
        UnitProfile { people: Some(people), vulnerable: Some(vulnerable), .. } if vulnerable > people => {
            Err(format!("vulnerable {vulnerable} is more than people {people}, of whom they are a part"))
        }
        UnitProfile { storeys: Some(0), .. } => {
            Err("storeys 0: a building has 1 at least; leave it empty if not known".to_owned())
        }
        profile => Ok(profile),
    }
}

fn device(row: &Row<'_>) -> Result<DeviceRow, String> {
    Ok(DeviceRow {
        vendor: row.filled("vendor")?,
        name: row.filled("device")?,
        unit: row.filled("unit")?,
        class: row.word("class", DeviceClass::from_word)?,
        location: row.text("location")?,
        report_every_s: row.parsed("report_every_s")?,
        gateway: row.optional("gateway").into(),
    })
}

fn person(row: &Row<'_>) -> Result<PersonRow, String> {
    Ok(PersonRow {
        code: row.filled("code")?,
        name: row.text("name")?,
        phone: row.text("phone")?,
        post: row.word("post", Post::from_word)?,
        region: row.parsed("region")?,
        channels: row.list("channels")?,
        contact: match row.optional("contact") {
            "" => Contact::All,
            word => Contact::from_word(word).ok_or_else(|| format!("contact {word:?} is neither all nor in_turn"))?,
        },
        deputy: row.optional("deputy").into(),
    })
}

fn station(row: &Row<'_>) -> Result<StationRow, String> {
    Ok(StationRow {
        code: row.filled("code")?,
        name: row.text("name")?,
        region: row.parsed("region")?,
        position_m: row.position()?,
        members: row.list("members")?,
        ready: match row.optional("ready") {
            "" | "yes" => true,
            "no" => false,
            word => return Err(format!("ready {word:?} is neither yes nor no")),
        },
    })
}

fn camera(row: &Row<'_>) -> Result<CameraRow, String> {
    Ok(CameraRow {
        code: row.filled("code")?,
        unit: row.filled("unit")?,
        location: row.text("location")?,
        stream: row.text("stream")?,
    })
}

fn shift(row: &Row<'_>) -> Result<ShiftRow, String> {
    Ok(ShiftRow {
        post: row.word("post", Post::from_word)?,
        region: row.parsed("region")?,
        person: row.filled("person")?,
        days: row.parsed("days")?,
        from: row.parsed("from")?,
        to: row.parsed("to")?,
        first_day: row.maybe("first_day")?,
        last_day: row.maybe("last_day")?,
    })
}

fn absence(row: &Row<'_>) -> Result<AbsenceRow, String> {
    Ok(AbsenceRow {
        person: row.filled("person")?,
        from: row.parsed("from")?,
        until: row.parsed("until")?,
        substitute: row.optional("substitute").into(),
        reason: row.optional("reason").into(),
    })
}

fn hydrant(row: &Row<'_>) -> Result<HydrantRow, String> {
    Ok(HydrantRow {
        code: row.filled("code")?,
        region: row.parsed("region")?,
        position_m: row.position()?.ok_or("x and y are empty: a hydrant without a place helps nobody")?,
        device: row.optional("device").into(),
        note: row.optional("note").into(),
    })
}

struct Reader<'a> {
    folder: &'a Path,
    faults: Vec<RosterFault>,
}

impl Reader<'_> {
    fn table<T>(
        &mut self,
        file: &'static str,
        required: bool,
        read: impl Fn(&Row<'_>) -> Result<T, String>,
    ) -> Vec<(usize, T)> {
        let mut rows = Vec::new();
        let mut fault = |line, what| self.faults.push(RosterFault { file, line, what });
        let opened = match File::open(self.folder.join(file)) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound && !required => return rows,
            Err(error) => {
                fault(0, format!("cannot be opened in {}: {error}", self.folder.display()));
                return rows;
            }
        };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(opened);
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => {
                fault(1, format!("the header cannot be read: {error}"));
                return rows;
            }
        };
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let line = error.position().map_or(0, |position| position.line() as usize);
                    fault(line, format!("cannot be read: {error}"));
                    continue;
                }
            };
            let line = record.position().map_or(0, |position| position.line() as usize);
            match read(&Row { header: &header, record: &record }) {
                Ok(row) => rows.push((line, row)),
                Err(what) => fault(line, what),
            }
        }
        rows
    }
}

struct Row<'a> {
    header: &'a StringRecord,
    record: &'a StringRecord,
}

impl Row<'_> {
    fn field(&self, column: &str) -> Result<&str, String> {
        // files exported by spreadsheets begin with a byte order mark
        let at = self.header.iter().position(|name| name.trim_start_matches('\u{feff}') == column);
        at.and_then(|at| self.record.get(at))
            .ok_or_else(|| format!("the file has no column {column:?}: add it to the header"))
    }

    fn text(&self, column: &str) -> Result<Box<str>, String> {
        self.field(column).map(Into::into)
    }

    fn filled(&self, column: &str) -> Result<Box<str>, String> {
        let text = self.field(column)?;
        if text.is_empty() { Err(format!("{column} is empty")) } else { Ok(text.into()) }
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, column: &str) -> Result<T, String> {
        let text = self.field(column)?;
        text.parse().map_err(|error| format!("{column} {text:?}: {error}"))
    }

    /// A column that the file need not have; empty where it has not.
    fn optional(&self, column: &str) -> &str {
        self.field(column).unwrap_or("")
    }

    /// A number in a column that the file need not have; an empty field: not known.
    fn maybe<T: FromStr<Err: std::fmt::Display>>(&self, column: &str) -> Result<Option<T>, String> {
        match self.optional(column) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|error| format!("{column} {text:?}: {error}")),
        }
    }

    fn word<T>(&self, column: &str, known: fn(&str) -> Option<T>) -> Result<T, String> {
        let text = self.field(column)?;
        known(text).ok_or_else(|| format!("{column} {text:?} is no known word; deploy/README.md lists them"))
    }

    fn list(&self, column: &str) -> Result<Vec<Box<str>>, String> {
        Ok(self.field(column)?.split(';').map(str::trim).filter(|item| !item.is_empty()).map(Into::into).collect())
    }

    fn position(&self) -> Result<Option<(f32, f32)>, String> {
        if self.field("x")?.is_empty() && self.field("y")?.is_empty() {
            return Ok(None);
        }
        let (x, y) = (self.parsed::<f32>("x")?, self.parsed::<f32>("y")?);
        if x.is_finite() && y.is_finite() { Ok(Some((x, y))) } else { Err("x and y must be finite metres".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("temp folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("written");
        }
        folder
    }

    const GOOD: [(&str, &str); 4] = [
        ("regions.csv", "\u{feff}code,name,parent\n331083,玉环市,\n"),
        ("units.csv", "code,name,category,address,grid,owner,x,y\nU1,店,沿街商铺,,331083001001001,,1.5,-2\n"),
        ("devices.csv", "vendor,device,unit,class,location,report_every_s\nacme,d1,U1,smoke,,60\n"),
        ("people.csv", "code,name,phone,post,region,channels\nP1,王,000,owner,331083,mqtt;console\n"),
    ];

    #[test]
    fn reads_what_operators_write() {
        let rows = read(folder(&GOOD).path()).expect("no faults");
        assert_eq!(rows.regions.len(), 1, "the byte order mark is no part of the column's name");
        assert_eq!(rows.units[0].1.position_m, Some((1.5, -2.0)));
        assert_eq!(rows.people[0].1.channels.len(), 2);
        assert_eq!(rows.devices[0].0, 2, "rows know their lines");
    }

    #[test]
    fn profiles_and_gateways_are_read_where_the_files_have_them() {
        let mut files = GOOD;
        files[1].1 = "code,name,category,address,grid,owner,x,y,people,vulnerable,storeys,area_m2\n\
            U1,店,沿街商铺,,331083001001001,,1.5,-2,12,3,4,96\nU2,店,沿街商铺,,331083001001001,,,,,0,,\n";
        files[2].1 = "vendor,device,unit,class,location,report_every_s,gateway\nacme,d1,U1,smoke,,60,gw1\nacme,d2,U1,heat,,60,\n";
        let rows = read(folder(&files).path()).expect("no faults");
        let known = UnitProfile { people: Some(12), vulnerable: Some(3), storeys: Some(4), area_m2: Some(96) };
        assert_eq!(rows.units[0].1.profile, known);
        assert_eq!(rows.units[1].1.profile, UnitProfile { vulnerable: Some(0), ..UnitProfile::default() });
        assert_eq!((&*rows.devices[0].1.gateway, &*rows.devices[1].1.gateway), ("gw1", ""));
        // files without the columns say nothing of them
        let rows = read(folder(&GOOD).path()).expect("no faults");
        assert_eq!((rows.units[0].1.profile, &*rows.devices[0].1.gateway), (UnitProfile::default(), ""));
    }

    #[test]
    fn profiles_that_are_no_counts_are_named_by_line() {
        let mut files = GOOD;
        files[1].1 = "code,name,category,address,grid,owner,x,y,people,vulnerable,storeys,area_m2\n\
            U1,店,沿街商铺,,331083001001001,,,,many,,,\nU2,店,沿街商铺,,331083001001001,,,,2,-1,,\n\
            U3,店,沿街商铺,,331083001001001,,,,,,70000,\nU4,店,沿街商铺,,331083001001001,,,,3,4,,1.5\n\
            U5,店,沿街商铺,,331083001001001,,,,3,4,,\n";
        let faults = read(folder(&files).path()).expect_err("has faults");
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        for (told, expected) in told.iter().zip([
            "units.csv:2: people \"many\": invalid digit",
            "units.csv:3: vulnerable \"-1\": invalid digit",
            "units.csv:4: storeys \"70000\": number too large",
            "units.csv:5: area_m2 \"1.5\": invalid digit",
            "units.csv:6: vulnerable 4 is more than people 3",
        ]) {
            assert!(told.starts_with(expected), "{told}");
        }
        assert_eq!(told.len(), 5, "{told:?}");
    }

    #[test]
    fn faults_name_file_line_and_column() {
        let mut files = GOOD;
        files[2].1 = "vendor,device,unit,class,location,report_every_s\nacme,d1,U1,smoke,,60\nacme,d2,U1,smok,,60\nacme,d3,U1,heat,,soon\n";
        let faults = read(folder(&files[1..]).path()).expect_err("has faults");
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(told[0].starts_with("regions.csv:0: cannot be opened"), "{told:?}");
        assert!(told[1].starts_with("devices.csv:3: class \"smok\""), "{told:?}");
        assert!(told[2].starts_with("devices.csv:4: report_every_s \"soon\""), "{told:?}");
    }

    #[test]
    fn plans_absences_and_hydrants_are_read_where_they_are() {
        let mut files = GOOD.to_vec();
        files[0].1 = "code,name,parent,utc_offset\n331083,玉环市,,+07:30\n331083001,玉城街道,331083,\n";
        files[3].1 = "code,name,phone,post,region,channels,contact,deputy\n\
            P1,王,000,owner,331083,mqtt;console,in_turn,P2\nP2,李,001,commander,331083,mqtt,,\n";
        files.push(("stations.csv", "code,name,region,x,y,members,ready\nS1,站,331083,,,P2,no\nS2,站,331083,,,P2,\n"));
        files.push((
            "shifts.csv",
            "post,region,person,days,from,to,first_day,last_day\ncommander,331083,P2,mon-fri,20:00,08:00,2026-01-05,\n",
        ));
        files.push(("absences.csv", "person,from,until\nP2,2026-01-05 08:00,2026-01-06 08:00\n"));
        files.push(("hydrants.csv", "code,region,x,y\nH1,331083001,1,2\n"));
        let rows = read(folder(&files).path()).expect("no faults");
        assert_eq!(rows.utc_offset.minutes(), 450);
        assert_eq!((rows.people[0].1.contact, &*rows.people[0].1.deputy), (Contact::InTurn, "P2"));
        assert_eq!((rows.people[1].1.contact, &*rows.people[1].1.deputy), (Contact::All, ""));
        assert_eq!([&rows.stations[0], &rows.stations[1]].map(|(_, station)| station.ready), [false, true]);
        let (line, shift) = &rows.shifts[0];
        assert_eq!((*line, shift.days.to_string().as_str()), (2, "mon;tue;wed;thu;fri"));
        assert_eq!((shift.from.0, shift.to.0, shift.last_day), (1200, 480, None));
        assert_eq!(rows.absences[0].1.until.to_string(), "2026-01-06 08:00");
        assert_eq!(rows.hydrants[0].1.position_m, (1.0, 2.0));
        // files without them say nothing of them
        let rows = read(folder(&GOOD).path()).expect("no faults");
        assert_eq!(rows.utc_offset, UtcOffset::default());
        assert!(rows.shifts.is_empty() && rows.absences.is_empty() && rows.hydrants.is_empty());
    }

    #[test]
    fn times_and_words_that_are_none_are_named_by_line() {
        let mut files = GOOD.to_vec();
        files[0].1 = "code,name,parent,utc_offset\n331083,玉环市,,8\n331083001,玉城街道,331083,+08:00\n";
        files[3].1 = "code,name,phone,post,region,channels,contact\nP1,王,000,owner,331083,mqtt,first\n";
        files.push(("stations.csv", "code,name,region,x,y,members,ready\nS1,站,331083,,,P1,maybe\n"));
        files.push((
            "shifts.csv",
            "post,region,person,days,from,to\ncommander,331083,P1,monday,20:00,08:00\n\
             commander,331083,P1,daily,8pm,08:00\ncommander,331083,,daily,20:00,08:00\n",
        ));
        files.push((
            "absences.csv",
            "person,from,until\nP1,2026-02-30 08:00,2026-03-06 08:00\nP1,2026-02-03,2026-03-06 08:00\n",
        ));
        files.push(("hydrants.csv", "code,region,x,y\nH1,331083001,,\n"));
        let faults = read(folder(&files).path()).expect_err("has faults");
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let expected = [
            "regions.csv:2: utc_offset \"8\": write an offset from UTC",
            "regions.csv:3: utc_offset stands in the city's row alone",
            "people.csv:2: contact \"first\" is neither all nor in_turn",
            "stations.csv:2: ready \"maybe\" is neither yes nor no",
            "shifts.csv:2: days \"monday\": write daily, or days of the week",
            "shifts.csv:3: from \"8pm\": write a time like 08:30",
            "shifts.csv:4: person is empty",
            "absences.csv:2: from \"2026-02-30 08:00\": write a local time like",
            "absences.csv:3: from \"2026-02-03\": write a local time like",
            "hydrants.csv:2: x and y are empty",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told}");
        }
    }
}
