use super::*;
use crate::wording::tests::{alert_of, delivery};

fn quiet(from: &str, until: &str, utc_offset_min: i32) -> Result<Quiet, String> {
    let settings =
        Settings { quiet_from: from.into(), quiet_until: until.into(), utc_offset_min, ..Settings::default() };
    Quiet::new(&settings).map_err(|error| error.to_string())
}

fn at(hour: u64, minute: u64) -> u64 {
    // 2026-11-22 in UTC
    1_795_305_600_000 + (hour * 60 + minute) * 60_000
}

#[test]
fn the_night_holds_what_can_wait() {
    let quiet = quiet("22:00", "07:00", 480).unwrap();
    let sms = Manner::plain("sms");
    // hours in UTC, eight before local time
    let table = "
        family  colour  13:59 14:00 22:59 23:00
        fire    red     go    go    go    go
        fire    orange  go    go    go    go
        fire    yellow  go    go    go    go
        warning red     go    go    go    go
        warning orange  go    go    go    go
        warning yellow  go    hold  hold  go
        warning blue    go    hold  hold  go
        fault   red     go    go    go    go
        fault   orange  go    hold  hold  go
        fault   blind   go    hold  hold  go";
    for row in table.lines().skip(2) {
        let words: Vec<&str> = row.split_whitespace().collect();
        let mut delivery = delivery(Family::from_word(words[0]).unwrap(), "x");
        alert_of(&mut delivery).colour = Colour::from_word(words[1]).unwrap();
        for (word, time) in words[2..].iter().zip([at(13, 59), at(14, 0), at(22, 59), at(23, 0)]) {
            let held = quiet.hold(&delivery, sms, time).is_some();
            assert_eq!(held, *word == "hold", "{row} {time}");
            assert_eq!(quiet.hold(&delivery, Manner::plain("mqtt"), time), None, "not a quiet kind");
        }
    }
}

#[test]
fn it_ends_with_the_hour() {
    let delivery = delivery(Family::Fault, "x");
    let mut delivery = delivery;
    alert_of(&mut delivery).colour = Colour::Yellow;
    let (sms, quiet_night) = (Manner::plain("sms"), quiet("22:00", "07:00", 480).unwrap());
    let hold = |quiet: &Quiet, ms| quiet.hold(&delivery, sms, ms);
    assert_eq!(hold(&quiet_night, at(22, 59) + 30_000), Some(Duration::from_secs(30)));
    assert_eq!(hold(&quiet_night, at(14, 0)), Some(LOOK_AGAIN));
    let noon = quiet("12:00", "13:30", 0).unwrap();
    assert_eq!(hold(&noon, at(13, 29)), Some(Duration::from_secs(60)));
    assert_eq!((hold(&noon, at(11, 59)), hold(&noon, at(13, 30))), (None, None));
    for never in [quiet("", "", 0), quiet("07:00", "07:00", 0)] {
        assert_eq!(hold(&never.unwrap(), at(7, 0)), None);
    }
}

#[test]
fn settings_are_checked() {
    for (from, until, offset, word) in [
        ("22", "07:00", 480, "quiet_from"),
        ("22:00", "7:00", 480, "quiet_until"),
        ("22:00", "24:00", 480, "quiet_until"),
        ("22:00", "07:00", 900, "utc_offset_min"),
    ] {
        let error = quiet(from, until, offset).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
    let settings = Settings { quiet_kinds: vec!["fax".into()], ..Settings::default() };
    assert!(Quiet::new(&settings).unwrap_err().to_string().contains("\"fax\" is none of"));
}
