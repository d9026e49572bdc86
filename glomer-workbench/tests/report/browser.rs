//! `index.html` in a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use scraper::{Html, Selector};
use serde_json::{Value, json};
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

/// What the browser shows of a page when its scripts have run, and what these wrote to the
/// console.
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
            // Of the browser's time, which flies when nothing happens.
            "--virtual-time-budget=5000",
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

/// What a script in a reader's place finds on a report's page, as JSON: one answer for each
/// report and script, all in one browser. A script is the body of an async function; `page` is
/// the document and `window` its window, `find(selector)` and `all(selector)` are its elements,
/// `until(condition)` waits, `press(key)` presses a key in the diagram and `saved()` is the
/// diagram as a file.
///
/// `None` if the machine has no browser.
pub(crate) fn ask(reports: &[(&Report, &str, &str)]) -> Option<Vec<Value>> {
    let browser = browser()?;
    let reader = TempDir::new().unwrap();
    let file = reader.path().join("reader.html");
    let asked: String = (reports.iter())
        .map(|(report, fragment, script)| {
            let index = report.0.path().join("index.html");
            let parameters = "{page, window, find, all, until, press, saved}";
            format!(
                "await ask('file://{}{fragment}', async ({parameters}) => {{ {script} }});\n",
                index.display()
            )
        })
        .collect();
    let script = include_str!("reader.js");
    let page = format!("<body><script type=module>{script}\n{asked}</script>");
    fs::write(&file, page).unwrap();
    let (page, console) = open(&browser, &file, "");
    assert_eq!(console, [""; 0]);
    let answers = texts(&page, "pre");
    assert_eq!(answers.len(), reports.len(), "{answers:?}");
    let answers = answers.iter();
    Some(
        answers
            .map(|text| serde_json::from_str(text).unwrap())
            .collect(),
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
    let report = Report::new();
    let script = "const shown = all('#history tbody tr:not([hidden])').map((it) => it.textContent);
        return [find('.filter output').value, shown.length, shown[0].includes('unavailable'), page.title]";
    let asked = ["", "#history?f=read&outcome=fail", "#history?text=%5B7%208"];
    let asked = asked.map(|fragment| (&report, fragment, script));
    let Some(answers) = ask(&asked) else { return };
    // No foreign script has given it another.
    let title = "broadcast: invalid · glomer";
    assert_eq!(
        answers,
        [
            json!(["8 of 8 operations", 8, false, title]),
            json!(["1 of 8 operations", 1, true, title]),
            json!(["1 of 8 operations", 1, false, title]),
        ]
    );
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
    let report = Report::new();
    fits(&report.0.path().join("index.html"));
}

/// Looks whether a page fits a phone, a tablet and a desktop, in width.
pub(crate) fn fits(file: &Path) {
    let Some(browser) = browser() else { return };
    let frames = file.with_file_name("frames.html");
    let name = file.file_name().unwrap().display();
    let frame = |width| format!("<iframe src={name} style='width:{width}px;border:0'></iframe>");
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
