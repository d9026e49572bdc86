//! `index.html` in a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use scraper::{Html, Selector};
use tempfile::TempDir;

use super::sample::Report;

/// The browser, if the machine has one.
///
/// # Panics
/// If it has none and the environment variable `GLOMER_REQUIRE_BROWSER` is 1.
fn browser() -> Option<PathBuf> {
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "chrome",
    ];
    let found = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .flat_map(|dir| names.map(|name| dir.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        let required = env::var_os("GLOMER_REQUIRE_BROWSER").is_some_and(|value| value == "1");
        assert!(
            !required,
            "GLOMER_REQUIRE_BROWSER=1, but none of {names:?} is in the PATH"
        );
        println!("SKIPPED: none of {names:?} is in the PATH");
    }
    found
}

/// The page's elements when its scripts have run, and what it wrote to the console.
fn open(browser: &Path, file: &Path, fragment: &str) -> (Html, Vec<String>) {
    let profile = TempDir::new().unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args([
            "--allow-file-access-from-files",
            "--enable-logging=stderr",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}{fragment}", file.display()))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{} failed: {stderr}",
        browser.display()
    );
    let console = stderr
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .map(str::to_string);
    (
        Html::parse_document(&String::from_utf8_lossy(&output.stdout)),
        console.collect(),
    )
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector)
        .map(|element| element.text().collect())
        .collect()
}

#[test]
fn the_script_runs_the_filter_works_and_the_console_stays_empty() {
    let Some(browser) = browser() else { return };
    let report = Report::new();
    let index = report.0.path().join("index.html");

    let (page, console) = open(&browser, &index, "");
    assert_eq!(console, [""; 0]);
    assert_eq!(texts(&page, ".filter output"), ["8 of 8 operations"]);
    assert!(texts(&page, "#history tr[hidden]").is_empty());
    assert_eq!(
        texts(&page, "title")[0],
        "broadcast: invalid · glomer",
        "no foreign script ran"
    );

    let (page, console) = open(&browser, &index, "#history?f=read&outcome=fail");
    assert_eq!(console, [""; 0]);
    assert_eq!(texts(&page, ".filter output"), ["1 of 8 operations"]);
    assert_eq!(texts(&page, "#history tbody tr[hidden]").len(), 7);
    let shown = texts(&page, "#history tbody tr:not([hidden])");
    assert!(shown[0].contains("unavailable"), "{shown:?}");

    let (page, _) = open(&browser, &index, "#history?text=%5B7%208");
    assert_eq!(texts(&page, ".filter output"), ["1 of 8 operations"]);
}

#[test]
fn a_page_that_breaks_is_noticed() {
    let Some(browser) = browser() else { return };
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("broken.html");
    fs::write(
        &file,
        "<script>document.querySelector('.missing').value = 1</script>",
    )
    .unwrap();
    let (_, console) = open(&browser, &file, "");
    assert_eq!(console.len(), 1, "{console:?}");
}

/// The page itself never scrolls sideways: what is wider scrolls in its own box.
#[test]
fn the_page_fits_a_phone_and_a_desktop() {
    let Some(browser) = browser() else { return };
    let report = Report::new();
    let frames = report.0.path().join("frames.html");
    let frame =
        |width| format!("<iframe src=index.html style='width:{width}px;border:0'></iframe>");
    let script = "onload = () => {
        for (const frame of document.querySelectorAll('iframe')) {
            const page = frame.contentDocument.documentElement;
            document.body.append(Object.assign(document.createElement('p'), {
                textContent: `${page.clientWidth} ${page.scrollWidth}`,
            }));
        }
    }";
    let widths = [360, 768, 1440];
    let page = format!("<script>{script}</script>{}", widths.map(frame).concat());
    fs::write(&frames, page).unwrap();
    let (page, _) = open(&browser, &frames, "");
    let measured = texts(&page, "p");
    assert_eq!(measured.len(), widths.len());
    for line in measured {
        let (client, scroll) = line.split_once(' ').unwrap();
        assert_eq!(client, scroll, "the page's own width and what it needs");
    }
}
