//! Which program the nodes run.

use std::collections::BTreeMap;
use std::io::{self, BufRead, ErrorKind, IsTerminal};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

/// Has cargo show how a build goes, though it is told to be quiet about all else.
const SHOW_PROGRESS: [&str; 4] = [
    "--config",
    "term.progress.when='always'",
    "--config",
    "term.progress.width=80",
];

/// The cargo that runs this, or the one that a shell finds.
pub(super) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// What to say if [`cargo`] does not start.
pub(super) fn no_cargo(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cargo: {error}"))
}

/// What cargo says of a build in one line of JSON, as far as it matters here.
#[derive(Deserialize)]
struct BuildMessage {
    /// The program that was built, if that is what the line tells of.
    executable: Option<PathBuf>,
}

/// The options that name the program.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Program {
    /// Path to the program that runs a node
    #[arg(long, value_name = "PATH", conflicts_with_all = ["package", "example"])]
    bin: Option<PathBuf>,

    /// Build this package of the workspace in release mode, and run its binary
    #[arg(long, value_name = "NAME")]
    package: Option<String>,

    /// Build this example (of --package, if given) in release mode, and run it
    #[arg(long, value_name = "NAME")]
    example: Option<String>,

    /// Which binary of the package, if it is not named like it.
    #[arg(skip)]
    binary: Option<String>,
}

impl Program {
    /// This program or, without one, a package's.
    pub fn or_package(bin: Option<&PathBuf>, package: &str) -> Program {
        Program {
            bin: bin.cloned(),
            package: Some(package.to_owned()),
            ..Program::default()
        }
    }

    /// This program or, without one, an example of a package.
    pub fn or_example(bin: Option<&PathBuf>, package: &str, example: &str) -> Program {
        Program {
            example: Some(example.to_owned()),
            ..Program::or_package(bin, package)
        }
    }

    /// Finds the program, or builds it.
    ///
    /// # Errors
    /// If there is no such program, it is not executable, or it cannot be built.
    pub fn find(&self) -> io::Result<PathBuf> {
        match &self.bin {
            Some(path) => executable(path),
            None => self.build(),
        }
    }

    /// The options again, for a command line.
    pub fn to_args(&self) -> Vec<String> {
        let bin = self.bin.as_ref().map(|path| path.display().to_string());
        [
            ("--bin", &bin),
            ("--package", &self.package),
            ("--example", &self.example),
        ]
        .into_iter()
        .filter_map(|(option, value)| Some([option.to_owned(), value.clone()?]))
        .flatten()
        .collect()
    }

    fn build(&self) -> io::Result<PathBuf> {
        let mut command = cargo();
        command.args(["build", "--release", "--quiet"]);
        command.arg("--message-format=json-render-diagnostics");
        if io::stderr().is_terminal() {
            command.args(SHOW_PROGRESS);
        }
        command.args(self.to_args());
        match (&self.example, &self.binary) {
            (None, Some(binary)) => command.args(["--bin", binary]),
            (None, None) => command.arg("--bins"),
            (Some(_), _) => &mut command,
        };
        let mut build = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(no_cargo)?;
        let mut programs = Vec::new();
        for line in build
            .stdout
            .take()
            .map(io::BufReader::new)
            .into_iter()
            .flat_map(BufRead::lines)
        {
            if let Ok(message) = serde_json::from_str::<BuildMessage>(&line?) {
                programs.extend(message.executable);
            }
        }
        if !build.wait()?.success() {
            return Err(io::Error::other(format!(
                "{:?} failed; what it says is above",
                self.to_args().join(" ")
            )));
        }
        self.choose(programs)
    }

    fn choose(&self, mut programs: Vec<PathBuf>) -> io::Result<PathBuf> {
        let wanted = self.example.as_ref().or(self.binary.as_ref());
        let wanted = wanted.or(self.package.as_ref());
        if programs.len() > 1 {
            programs.retain(|path| {
                path.file_name().and_then(|name| name.to_str()) == wanted.map(String::as_str)
            });
        }
        match programs.pop() {
            Some(program) if programs.is_empty() => Ok(program),
            _ => Err(io::Error::other(format!(
                "{} has no binary of that name; name one with --bin PATH",
                self.to_args().join(" ")
            ))),
        }
    }
}

/// The binaries and examples of the workspace, by their names as code has them and without
/// the `maelstrom-` that the Go tutorial gives its own.
///
/// # Errors
/// If there is no workspace here.
pub(super) fn of_workspace() -> io::Result<BTreeMap<String, Program>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        targets: Vec<Found>,
    }
    #[derive(Deserialize)]
    struct Found {
        name: String,
        kind: Vec<String>,
    }

    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1", "--quiet"])
        .output()
        .map_err(no_cargo)?;
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "there is no workspace here to look for the program in; name it with --bin PATH ({})",
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(io::Error::other)?;
    let mut found = BTreeMap::new();
    for package in metadata.packages {
        for target in package.targets {
            let program = if target.kind.iter().any(|kind| kind == "bin") {
                Program {
                    package: Some(package.name.clone()),
                    binary: Some(target.name.clone()),
                    ..Program::default()
                }
            } else if target.kind.iter().any(|kind| kind == "example") {
                Program {
                    package: Some(package.name.clone()),
                    example: Some(target.name.clone()),
                    ..Program::default()
                }
            } else {
                continue;
            };
            let plain = target.name.replace('-', "_");
            let plain = plain.strip_prefix("maelstrom_").unwrap_or(&plain);
            found.entry(plain.to_owned()).or_insert(program);
        }
    }
    Ok(found)
}

fn executable(path: &Path) -> io::Result<PathBuf> {
    let complaint = |kind, text| io::Error::new(kind, format!("--bin {}: {text}", path.display()));
    let full = path.canonicalize().map_err(|error| {
        let text = match error.kind() {
            ErrorKind::NotFound => missing(path),
            _ => error.to_string(),
        };
        complaint(error.kind(), text)
    })?;
    let metadata = full.metadata()?;
    if metadata.is_dir() {
        return Err(complaint(ErrorKind::IsADirectory, instead_of_folder(path)));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        let text = match path.extension().and_then(|extension| extension.to_str()) {
            Some("go") => {
                "this is source code; go build it, and name the program that it makes".to_owned()
            }
            Some("rs") => {
                "this is source code; --package NAME or --example NAME builds and runs it"
                    .to_owned()
            }
            _ => format!("this is not executable; try chmod +x {}", path.display()),
        };
        return Err(complaint(ErrorKind::PermissionDenied, text));
    }
    Ok(full)
}

/// That a folder is no program, and which one may be meant.
fn instead_of_folder(path: &Path) -> String {
    let hint = if path.join("Cargo.toml").is_file() {
        "; --package NAME builds the program of a crate and runs it"
    } else if path.join("go.mod").is_file() {
        "; go build makes a program of it, which to name"
    } else {
        ", and not the program in it"
    };
    format!("this is a folder{hint}")
}

/// That a program is not there, and how to get it where Cargo could build it.
fn missing(path: &Path) -> String {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut text = format!("there is no {}", full.display());
    let here = std::env::current_dir().unwrap_or_default();
    if here.ancestors().any(|dir| dir.join("Cargo.toml").is_file()) {
        text.push_str("; --package NAME or --example NAME builds a program of this workspace");
    }
    text
}
