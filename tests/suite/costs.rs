//! The page of costs, and the calculator that it shows.

use std::process::Command;

use tests::fixture::project_dir;

fn cost(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new("python3");
    command.arg(project_dir().join("infra/cost.py")).args(arguments);
    command.output().unwrap_or_else(|error| panic!("install python3 ({error})"))
}

#[test]
fn the_page_of_costs_shows_what_the_calculator_says() {
    let page = std::fs::read_to_string(project_dir().join("infra/COST.md")).unwrap();
    let blocks: Vec<&str> = page.split("```console\n$ infra/cost.py").skip(1).collect();
    assert!(blocks.len() >= 2, "the page has no examples");
    for block in blocks {
        let (arguments, rest) = block.split_once('\n').unwrap();
        let shown = rest.split_once("\n```").unwrap().0;
        let said = cost(&arguments.split_whitespace().collect::<Vec<_>>());
        assert_eq!(String::from_utf8_lossy(&said.stdout).trim_end(), shown, "cost.py{arguments}");
    }
    let prices = cost(&["--prices"]);
    assert!(page.contains(String::from_utf8_lossy(&prices.stdout).trim_end()), "the page has other prices");
}

#[test]
fn the_calculator_says_what_is_wrong() {
    for (arguments, expected) in [
        (
            &["--rate", "0"][..],
            "argument --rate: 0 is out of range; choose a number from 0.01 to 1,000,000, such as 1000",
        ),
        (&["--hours", "all"], "argument --hours: 'all' is no number; choose a number from 0.1 to 24, such as 6"),
        (
            &["--write-units", "2"],
            "argument --bettor-units: 4 is a part of --write-units, which is 2; choose 2 or less",
        ),
        (&["--reading", "kafka"], "argument --reading: invalid choice: 'kafka'"),
    ] {
        let said = cost(arguments);
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.code() == Some(2) && error.contains(expected), "{arguments:?}: {error}");
    }
    let help = cost(&["--help"]);
    assert!(String::from_utf8_lossy(&help.stdout).contains("examples:"));
}
