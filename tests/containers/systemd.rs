//! The units that describe the machine's GPUs, by systemd's own check, and what
//! they start.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use tests::container::output::Output;

use crate::trial;

const UNITS: &str = "/usr/lib/systemd/system";
const LIMIT: Duration = Duration::from_secs(60);

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "systemd: the units are what systemd-analyze takes".into(),
            units_are_valid,
        ),
        trial(
            "systemd: the service's command describes the devices where nothing did before".into(),
            the_service_describes_the_devices,
        ),
    ]
}

fn verify(units: &[&Path]) -> Output {
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(units);
    Output::of(&verify, LIMIT)
}

fn units_are_valid() {
    let units = ["pumice-cdi.service", "pumice-cdi.path"].map(|name| Path::new(UNITS).join(name));
    let output = verify(&[&units[0], &units[1]]);
    assert!(
        output.success && !output.stderr.contains("pumice-cdi"),
        "{output}"
    );
    // A check that lets anything pass would say nothing.
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = folder.path().join("pumice-wrong.service");
    let text = fs::read_to_string(&units[0]).expect("the installed unit");
    fs::write(
        &wrong,
        text.replace("/usr/bin/pumice", "pumice-that-is-nowhere"),
    )
    .expect("a file");
    let output = verify(&[&wrong]);
    assert!(output.stderr.contains("pumice-that-is-nowhere"), "{output}");
}

fn the_service_describes_the_devices() {
    let unit = fs::read_to_string(Path::new(UNITS).join("pumice-cdi.service")).expect("the unit");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .expect("a command");
    let (words, described) = line.split_once(" --output ").expect("where it writes to");
    let folder = tempfile::tempdir().expect("a folder");
    // As /run is after each boot: without the folder.
    let place = folder.path().join(described.trim_start_matches("/run/"));
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).arg("--output").arg(&place);
    Output::of(&command, LIMIT).expect_success();
    let text = fs::read_to_string(&place).expect("a specification");
    assert!(
        text.contains("\"pumice/gpu\"") && text.contains("\"software\""),
        "{text}"
    );
    let mut validate = Command::new("pumice");
    validate.args(["cdi", "validate"]).arg(&place);
    Output::of(&validate, LIMIT).expect_success();
}
