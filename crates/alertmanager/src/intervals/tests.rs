//! What an interval holds, what it refuses, how it prints. Cases follow the calendar's corners: month ends, leap days, zones.

use gauntlet_yaml::{Context, Dialect, Document, FromYaml as _, ToYaml as _};

use super::*;

fn read(text: &str) -> Result<TimeInterval, String> {
    let document = Document::parse(text.as_bytes(), Dialect::V2).expect("yaml");
    let mut cx = Context::new();
    let found = document.root().and_then(|root| TimeInterval::from_yaml(root, &mut cx));
    cx.finish(found).map_err(|problems| problems.go_text())
}

fn check(text: &str, inside: &[&str], outside: &[&str]) {
    let interval = read(text).expect(text);
    for (times, wanted) in [(inside, true), (outside, false)] {
        for time in times {
            let at = Time::parse(time).expect(time);
            assert_eq!(interval.contains(at), wanted, "{text}: {time}");
        }
    }
}

#[test]
fn an_interval_holds_what_all_its_kinds_hold() {
    check("{}", &["1999-01-01T00:00:00Z"], &[]);
    check(
        "times: [{start_time: '17:00', end_time: '24:00'}]",
        &["2020-07-08T17:00:00Z", "2020-07-08T23:59:59Z"],
        &["2020-07-08T16:59:59Z", "2020-07-09T00:00:00Z"],
    );
    check(
        "weekdays: ['monday:friday', 'Sunday']",
        &["2020-07-06T00:00:00Z", "2020-07-10T23:59:00Z", "2020-07-12T10:00:00Z"],
        &["2020-07-11T10:00:00Z"],
    );
    check(
        "days_of_month: ['-3:-1']",
        &["2020-02-27T00:00:00Z", "2020-02-29T00:00:00Z", "2021-02-26T00:00:00Z"],
        &["2020-02-26T00:00:00Z", "2020-03-28T23:00:00Z"],
    );
    check(
        "days_of_month: ['28:31']",
        &["2021-02-28T00:00:00Z", "2021-04-30T00:00:00Z"],
        &["2021-04-27T00:00:00Z"],
    );
    check("days_of_month: ['31']", &["2021-01-31T00:00:00Z"], &["2021-04-30T00:00:00Z"]);
    check("days_of_month: ['1:-1']", &["2021-02-28T00:00:00Z", "2021-02-01T00:00:00Z"], &[]);
    check(
        "{months: ['january:3', december], years: ['2020:2023']}",
        &["2020-03-31T23:59:59Z", "2023-12-01T00:00:00Z"],
        &["2024-01-01T00:00:00Z", "2020-04-01T00:00:00Z"],
    );
    check("months: []", &[], &["2020-04-01T00:00:00Z"]);
}

#[test]
fn a_location_moves_the_clock() {
    check(
        "{times: [{start_time: '09:00', end_time: '17:00'}], location: Australia/Sydney}",
        &["2021-12-31T22:00:00Z", "2021-06-30T23:00:00Z"],
        &["2021-12-31T21:59:00Z", "2021-12-31T06:00:00Z"],
    );
    check(
        "{weekdays: [sunday], location: America/New_York}",
        &["2022-11-07T04:59:00Z"],
        &["2022-11-07T05:00:00Z", "2022-11-06T03:59:00Z"],
    );
}

#[test]
fn what_is_no_interval_is_refused_in_upstreams_words() {
    for (text, error) in [
        (
            "times: [{start_time: '25:00', end_time: '26:00'}]",
            "couldn't parse timestamp 25:00, invalid format",
        ),
        (
            "times: [{start_time: '9:00', end_time: '26:00'}]",
            "couldn't parse timestamp 9:00, invalid format",
        ),
        ("times: [{start_time: '10:00'}]", "both start and end times must be provided"),
        (
            "times: [{start_time: '10:00', end_time: '10:00'}]",
            "start time cannot be equal or greater than end time",
        ),
        ("weekdays: ['friday:monday']", "start day cannot be before end day"),
        ("weekdays: ['1']", "1 is not a valid weekday"),
        ("weekdays: ['a:b:c']", "couldn't parse range a:b:c, invalid format"),
        ("days_of_month: ['0']", "0 is not a valid day of the month: out of range"),
        ("days_of_month: ['-50:-20']", "-50 is not a valid day of the month: out of range"),
        ("days_of_month: ['-3:2']", "end day must be negative if start day is negative"),
        ("days_of_month: ['10:-25']", "end day -25 is always before start day 10"),
        ("days_of_month: ['x']", "strconv.Atoi: parsing \"x\": invalid syntax"),
        ("months: ['march:january']", "end month january is before start month march"),
        ("months: ['jan']", "jan is not a valid month"),
        ("years: ['2022:2020']", "end year 2020 is before start year 2022"),
        ("location: Nowhere/Land", "unknown time zone Nowhere/Land"),
        ("location: ../etc", "time: invalid location name"),
    ] {
        assert_eq!(read(text).err().as_deref(), Some(error), "{text}");
    }
    let unknown = read("{year: ['2020']}").expect_err("unknown key");
    assert!(unknown.ends_with("field year not found in type timeinterval.TimeInterval"));
}

#[test]
fn intervals_print_as_upstream_prints_them() {
    let text = "times: [{start_time: '00:00', end_time: '24:00'}]\nweekdays: ['MONDAY:friday']\ndays_of_month: ['-1']\nmonths: [january]\nyears: ['1999']\nlocation: Europe/Paris";
    assert_eq!(
        gauntlet_yaml::to_string(&read(text).expect("interval").to_yaml()),
        "times:\n- start_time: \"00:00\"\n  end_time: \"24:00\"\nweekdays: ['monday:friday']\ndays_of_month: [\"-1\"]\nmonths: [\"1\"]\nyears: [\"1999\"]\nlocation: Europe/Paris\n"
    );
}

#[test]
fn names_hold_as_often_as_their_intervals() {
    let always =
        NamedIntervals { name: "always".into(), intervals: vec![read("{}").expect("all"); 2] };
    let never = NamedIntervals {
        name: "never".into(),
        intervals: vec![read("years: ['1999']").expect("1999")],
    };
    let all = Intervals::new([&always, &never]);
    let names = ["never".to_owned(), "always".to_owned(), "unknown".to_owned()];
    let now = Time::parse("2026-01-01T00:00:00Z").expect("time");
    assert_eq!(all.holding(&names, now), ["always", "always"]);
}
