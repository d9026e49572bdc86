//! What `glomer test` says of a run that is not valid.

use std::process::Command;

const COMMAND: &str = env!("CARGO_BIN_EXE_workbench");
const FLOOD: &str = env!("CARGO_BIN_EXE_flood");

#[test]
fn the_terminal_tells_why_before_the_closing_line() {
    let place = tempfile::tempdir().unwrap();
    let options = "test -w broadcast --node-count 3 --time-limit 10 --rate 10 --nemesis partition \
                   --nemesis-interval 3 --clock virtual --seed 4 -q --no-shrink";
    let output = Command::new(COMMAND)
        .args(options.split(' '))
        .args(["--bin", FLOOD])
        .current_dir(place.path())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let why = &told[told.find("Why: ").unwrap()..];
    assert_eq!(why, "\
Why: value 0 is lost.
  n0 acknowledged it at 0.002 s (operation 2).
  n1 returned it to the read of 20.000 s (operation 199).
  n0 → n2 carried it at 0.002 s, and n1 → n2 at 0.002 s; the partition of 0.000 s to 4.763 s dropped both. Nobody sent it to n2 again.
  The final read of 20.000 s by n2 (operation 200) does not have it. So with 22 other values.

Analysis invalid! (ﾉಥ益ಥ）ﾉ ┻━┻
");
    let page = place.path().join("store/latest/index.html");
    let page = std::fs::read_to_string(page).unwrap();
    let first = why.lines().next().unwrap().trim_start_matches("Why: ");
    assert!(page.contains(&format!("<b>{first}</b>")), "{first}");
    assert!(page.contains("what made it not valid"));
}
