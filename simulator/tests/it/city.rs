//! The roster: the user's numbers exactly, everything that is referred to exists, the same seed gives the same bytes.

use simulator::{
    city::{self, Settings, apportion, hash_secret},
    roster::{Class, Roster},
    vendor,
};
use std::collections::{HashMap, HashSet};

fn full() -> Roster {
    city::build(&Settings { units: None, ..Settings::small(1) }).unwrap()
}

fn unique<'a>(what: &str, codes: impl Iterator<Item = &'a str>) -> HashSet<&'a str> {
    let mut seen = HashSet::new();
    for code in codes {
        assert!(seen.insert(code), "{what} {code} is there twice");
    }
    seen
}

#[test]
fn the_full_city_has_the_users_numbers_and_every_reference_resolves() {
    let city = full();
    let level = |digits: usize| city.regions.iter().filter(|r| r.code.len() == digits).count();
    assert_eq!((level(6), level(9), level(12), level(15)), (1, 11, 221, 1_336));
    assert_eq!(city.units.len(), 76_000);
    let wireless = city.devices.iter().filter(|d| vendor::is_wireless(&d.device)).count();
    let cameras = city.devices.iter().filter(|d| d.class == Class::Camera).count();
    assert_eq!((city.devices.len() - wireless - cameras, wireless, cameras), (40_000, 30_000, 11_400));
    assert_eq!((city.cameras.len(), city.stations.len()), (11_400, 282));

    let regions = unique("region", city.regions.iter().map(|r| r.code.as_str()));
    let units = unique("unit", city.units.iter().map(|u| u.code.as_str()));
    let people = unique("person", city.people.iter().map(|p| p.code.as_str()));
    let devices = unique("device", city.devices.iter().map(|d| d.device.as_str()));
    unique("credential", city.credentials.iter().map(|c| c.name.as_str()));
    for region in &city.regions {
        assert!(region.parent.is_empty() == (region.code.len() == 6), "{} has parent {:?}", region.code, region.parent);
        assert!(
            region.parent.is_empty()
                || regions.contains(region.parent.as_str()) && region.code.starts_with(&region.parent)
        );
        assert!(!region.code.starts_with("331083400"), "the development zone is not part of the city");
    }
    for unit in &city.units {
        assert!(
            unit.grid.len() == 15 && regions.contains(unit.grid.as_str()) && people.contains(unit.owner.as_str()),
            "{unit:?}"
        );
    }
    let owners: HashMap<&str, &str> = city.people.iter().map(|p| (p.code.as_str(), p.region.as_str())).collect();
    assert!(city.units.iter().all(|u| owners[u.owner.as_str()] == u.grid), "an owner belongs to the grid of the unit");
    assert!(city.devices.iter().all(|d| units.contains(d.unit.as_str()) && d.report_every_s >= 30));
    assert!(city.cameras.iter().all(|c| units.contains(c.unit.as_str()) && devices.contains(c.code.as_str())));
    for station in &city.stations {
        assert!(regions.contains(station.region.as_str()));
        assert!(station.members.split(';').all(|m| people.contains(m)) && station.members.split(';').count() >= 3);
    }
    for person in &city.people {
        assert!(person.phone.starts_with("000") && person.phone.len() == 11, "{person:?}");
        assert!(regions.contains(person.region.as_str()), "{person:?}");
    }
}

#[test]
fn premises_are_described_as_a_register_would() {
    let city = city::build(&Settings::small(4_000)).unwrap();
    let known = city.units.iter().filter(|u| u.people.is_some()).count();
    assert!((3_500..3_900).contains(&known), "{known} of 4,000 say how many people");
    for unit in &city.units {
        let (people, vulnerable) = (unit.people.unwrap_or(u32::MAX), unit.vulnerable.unwrap_or(0));
        assert!(vulnerable <= people && unit.storeys != Some(0) && unit.area_m2 != Some(0), "{unit:?}");
    }
    let of = |name: &'static str| city.units.iter().filter(move |u| u.category == name);
    assert!(of("高层住宅").all(|u| u.storeys.is_none_or(|storeys| storeys > 10)));
    assert!(of("养老院").all(|u| u.vulnerable.is_none_or(|vulnerable| vulnerable >= 10)));
}

#[test]
fn wireless_alarms_of_one_maker_speak_through_gateways_of_their_village() {
    let city = city::build(&Settings::small(4_000)).unwrap();
    let grids: HashMap<&str, &str> = city.units.iter().map(|u| (u.code.as_str(), u.grid.as_str())).collect();
    let mut served: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
    for device in city.devices.iter().filter(|d| !d.gateway.is_empty()) {
        served.entry((&device.vendor, &device.gateway)).or_default().push(&device.unit);
    }
    for ((vendor, gateway), units) in &served {
        let villages: HashSet<&str> = units.iter().map(|unit| &grids[unit][..12]).collect();
        assert_eq!(villages.len(), 1, "{vendor}/{gateway}");
        assert!(units.len() <= 40, "{gateway} serves {}", units.len());
    }
    let of = |vendor: &'static str| city.devices.iter().filter(move |d| d.vendor == vendor);
    assert!(of("zhixun").chain(of("tonglian")).all(|d| !d.gateway.is_empty()));
    assert!(of("yunyan").all(|d| d.gateway.is_empty()));
}

#[test]
fn every_grid_has_a_worker_and_every_village_and_township_a_chief() {
    let city = city::build(&Settings::small(2_000)).unwrap();
    let posts: HashSet<(&str, &str)> = city.people.iter().map(|p| (p.post.as_str(), p.region.as_str())).collect();
    for region in &city.regions {
        let post = ["commander", "township_chief", "village_chief", "grid_worker"][region.code.len() / 3 - 2];
        assert!(posts.contains(&(post, region.code.as_str())), "{} has no {post}", region.code);
    }
}

#[test]
fn units_without_a_device_exist_and_units_with_several_too() {
    let city = full();
    let mut per_unit: HashMap<&str, usize> = HashMap::new();
    for device in &city.devices {
        *per_unit.entry(&device.unit).or_default() += 1;
    }
    let bare = 76_000 - per_unit.len();
    let several = per_unit.values().filter(|&&n| n >= 2).count();
    assert!((8_000..20_000).contains(&bare), "{bare} units have no device");
    assert!(several > 5_000, "{several} units have two or more");
    assert!(per_unit.values().all(|&n| n <= 40), "nobody has {} devices", per_unit.values().max().unwrap());
}

#[test]
fn credentials_name_their_subjects_and_hold_the_hash_of_the_secret() {
    let city = city::build(&Settings::small(2_000)).unwrap();
    let secrets = city.secret_by_name();
    for credential in &city.credentials {
        let mut parts = credential.secret.split(':');
        assert_eq!(parts.next(), Some("sha256"));
        let salt = parts.next().unwrap();
        let salt: Vec<u8> =
            (0..salt.len()).step_by(2).map(|i| u8::from_str_radix(&salt[i..i + 2], 16).unwrap()).collect();
        let secret = secrets[credential.name.as_str()];
        assert_eq!(hash_secret(&salt, secret), credential.secret, "{}", credential.name);
        assert!(
            secret.len() == 32 && !credential.name.contains('.'),
            "a bearer token is cut at the dot: {}",
            credential.name
        );
    }
    let of = |kind: &str| city.credentials.iter().filter(|c| c.kind == kind).collect::<Vec<_>>();
    let vendors: HashSet<&str> = city.devices.iter().map(|d| d.vendor.as_str()).collect();
    assert_eq!(of("vendor").iter().map(|c| c.subject.as_str()).collect::<HashSet<_>>(), vendors);
    assert_eq!(of("device").len(), 50);
    let devices: HashSet<String> = city.devices.iter().map(|d| format!("{}/{}", d.vendor, d.device)).collect();
    assert!(of("device").iter().all(|c| devices.contains(&c.subject)));
    let roles: Vec<&str> = of("token").iter().map(|c| c.role.as_str()).collect();
    assert_eq!(roles.iter().filter(|r| **r == "viewer").count(), 11);
    assert!(roles.contains(&"admin") && roles.contains(&"operator"));
    let reachable = city.people.iter().filter(|p| p.channels.contains("mqtt")).count();
    assert_eq!(of("person").len(), reachable, "whoever is told over MQTT can log in");
}

#[test]
fn the_same_seed_writes_the_same_bytes_and_another_seed_others() {
    let dirs: Vec<tempfile::TempDir> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    for (dir, seed) in dirs.iter().zip([7, 7, 8]) {
        city::run(&Settings { seed, out: dir.path().into(), ..Settings::small(1_500) }).unwrap();
    }
    let files = [
        "regions",
        "units",
        "devices",
        "people",
        "stations",
        "cameras",
        "shifts",
        "absences",
        "hydrants",
        "credentials",
        "secrets",
    ];
    for file in files.map(|f| format!("{f}.csv")) {
        let [a, b, c] = [0, 1, 2].map(|i| std::fs::read(dirs[i].path().join(&file)).unwrap());
        assert!(a == b, "{file} is not the same twice");
        // this small city has one grid in each village, whatever the seed
        assert!(a != c || matches!(file.as_str(), "regions.csv" | "shifts.csv"), "{file} does not depend on the seed");
    }
}

#[test]
fn headers_are_those_of_the_contract_and_what_is_written_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    city::run(&Settings { out: dir.path().into(), ..Settings::small(300) }).unwrap();
    for (file, header) in [
        ("regions", "code,name,parent"),
        ("units", "code,name,category,address,grid,owner,x,y,people,vulnerable,storeys,area_m2"),
        ("devices", "vendor,device,unit,class,location,report_every_s,gateway"),
        ("people", "code,name,phone,post,region,channels,contact,deputy"),
        ("stations", "code,name,region,x,y,members"),
        ("cameras", "code,unit,location,stream"),
        ("shifts", "post,region,person,days,from,to,first_day,last_day"),
        ("absences", "person,from,until,substitute,reason"),
        ("hydrants", "code,region,x,y,device,note"),
        ("credentials", "name,kind,subject,scope,role,secret"),
        ("secrets", "name,secret"),
    ] {
        let text = std::fs::read_to_string(dir.path().join(format!("{file}.csv"))).unwrap();
        assert_eq!(text.lines().next(), Some(header), "{file}.csv");
    }
    let read = Roster::read(dir.path()).unwrap();
    assert_eq!(read.units.len(), 300);
    assert!(read.devices.iter().any(|d| d.class == Class::Smoke));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join("secrets.csv")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "secrets are for their owner alone");
    }
}

#[test]
fn random_secrets_leave_the_city_the_same() {
    let seeded = city::build(&Settings::small(300)).unwrap();
    let random = city::build(&Settings { random_secrets: true, ..Settings::small(300) }).unwrap();
    assert_eq!(seeded.units.last().unwrap().name, random.units.last().unwrap().name);
    assert_ne!(seeded.secrets[0].secret, random.secrets[0].secret);
}

#[test]
fn a_small_city_keeps_all_villages() {
    let city = city::build(&Settings::small(10)).unwrap();
    assert_eq!(city.units.len(), 10);
    assert_eq!(city.regions.iter().filter(|r| r.code.len() == 12).count(), 221);
    assert!(!city.devices.is_empty());
    assert!(city::build(&Settings { units: None, scale: 0.0, ..Settings::small(1) }).is_err());
}

#[test]
fn shares_are_exact() {
    assert_eq!(apportion(10, &[1.0, 1.0, 1.0], 0), [4, 3, 3]);
    assert_eq!(apportion(5, &[100.0, 1.0, 1.0], 1), [3, 1, 1]);
    assert_eq!(apportion(2, &[1.0, 1.0, 1.0], 1).iter().sum::<usize>(), 2);
}
