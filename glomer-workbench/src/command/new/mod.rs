//! `glomer new`: a crate with a node, its test, and the commands to run it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use super::program::{cargo, no_cargo};
use crate::say::print;
use crate::store;

/// The options of `glomer new`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The folder to make, named like the crate
    #[arg(value_name = "NAME")]
    folder: PathBuf,

    /// What the node is for: one of Maelstrom's workloads, or own for a protocol of your own
    #[arg(short, long, value_name = "NAME", default_value = "echo")]
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(NODES.map(|node| node.workload)))]
    workload: String,

    /// Take Glomer's crates from this clone of its repository
    #[arg(long, value_name = "DIR", conflicts_with = "git")]
    path: Option<PathBuf>,

    /// Take Glomer's crates from this repository
    #[arg(long, value_name = "URL")]
    git: Option<String>,
}

/// A node to begin with.
struct Node {
    workload: &'static str,
    /// The files of the crate: where they go, and what is in them.
    files: &'static [(&'static str, &'static str)],
    /// What it depends on beside the runtime.
    needs: &'static [&'static str],
    /// What to give `glomer` to run it.
    run: &'static str,
}

const SERDE_JSON: &str = r#"serde_json = "1""#;
const SERDE: &str = r#"serde = { version = "1", features = ["derive"] }"#;

/// The node of a workload of Maelstrom's, in one file.
macro_rules! node {
    ($workload:literal, $needs:expr, $run:literal) => {
        Node {
            workload: $workload,
            files: &[
                (
                    "src/main.rs",
                    include_str!(concat!("nodes/", $workload, ".rs")),
                ),
                ("examples/glomer.rs", include_str!("glomer.rs")),
            ],
            needs: $needs,
            run: $run,
        }
    };
}

const OWN: &str = "own";

const NODES: [Node; 11] = [
    node!("echo", &[SERDE_JSON], "challenge 1"),
    node!("unique-ids", &[], "challenge 2"),
    node!("broadcast", &[], "challenge 3b"),
    node!(
        "g-set",
        &[],
        "test -w g-set --node-count 3 --time-limit 20 --rate 10 --nemesis partition"
    ),
    node!("g-counter", &[], "challenge 4"),
    node!(
        "pn-counter",
        &[],
        "test -w pn-counter --node-count 3 --time-limit 20 --rate 100 --nemesis partition"
    ),
    node!(
        "lin-kv",
        &[SERDE_JSON],
        "test -w lin-kv --node-count 3 --concurrency 2n --time-limit 20 --rate 30"
    ),
    node!("kafka", &[SERDE_JSON], "challenge 5a"),
    node!(
        "txn-list-append",
        &[SERDE_JSON],
        "test -w txn-list-append --node-count 1 --concurrency 2n --time-limit 20 --rate 100"
    ),
    node!("txn-rw-register", &[], "challenge 6a"),
    Node {
        workload: OWN,
        files: &[
            ("src/lib.rs", include_str!("own/lib.rs")),
            ("src/main.rs", include_str!("own/main.rs")),
            ("tests/tickets/main.rs", include_str!("own/test.rs")),
            ("tests/tickets/workload.rs", include_str!("own/workload.rs")),
            ("examples/glomer.rs", include_str!("own/glomer.rs")),
        ],
        needs: &[SERDE],
        run: "test -w tickets --node-count 3 --time-limit 10 --rate 50",
    },
];

/// Runs the command.
///
/// # Errors
/// If there is such a folder, or the crate cannot be made.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    let (folder, name) = (&args.folder, name(&args.folder)?);
    let node = NODES.iter().find(|node| node.workload == args.workload);
    let node = node.ok_or_else(|| io::Error::other("no such workload"))?;
    let source = Source::of(args)?;
    if folder.exists() {
        return Err(io::Error::other(format!(
            "{} exists already; choose another name, or remove it",
            folder.display()
        )));
    }
    // Cargo knows which names a crate may have, and what to do in a workspace.
    let made = cargo()
        .args(["new", "--quiet", "--bin"])
        .arg(folder)
        .stdin(Stdio::null())
        .status()
        .map_err(no_cargo)?;
    if !made.success() {
        return Err(io::Error::other("cargo new failed; what it says is above"));
    }
    let manifest = folder.join("Cargo.toml");
    let begun = fs::read_to_string(&manifest)?;
    store::write(&manifest, &filled(&begun, node, &source))?;
    for (path, text) in node.files {
        // The name of the crate as code has it.
        write(
            folder,
            path,
            &text.replace("CRATE", &name.replace('-', "_")),
        )?;
    }
    let glomer = if node.workload == OWN || !is_installed() {
        write(folder, ".cargo/config.toml", ALIAS)?;
        "cargo glomer"
    } else {
        "glomer"
    };
    let commands = [
        "cargo test".to_owned(),
        format!("{glomer} {} --package {name}", node.run),
        format!("{glomer} serve"),
    ];
    write(folder, "README.md", &readme(&name, &commands))?;
    let ignored = fs::read_to_string(folder.join(".gitignore")).unwrap_or_default();
    write(folder, ".gitignore", &format!("{ignored}/store\n"))?;
    print(&format!(
        "{} is made; next:\n\n  cd {0}\n  {}\n  {}",
        folder.display(),
        commands[0],
        commands[1]
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The name of the crate that a folder is for.
fn name(folder: &Path) -> io::Result<String> {
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name
        .ok_or_else(|| io::Error::other(format!("{} is no name for a crate", folder.display())))?;
    Ok(name.to_owned())
}

fn write(folder: &Path, path: &str, text: &str) -> io::Result<()> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    store::write(&path, text)
}

/// Where Glomer's own crates come from.
enum Source {
    Path(PathBuf),
    Git(String),
    Registry,
}

impl Source {
    fn of(args: &Args) -> io::Result<Source> {
        Ok(match (&args.path, &args.git) {
            (Some(path), _) => {
                if !path.join("glomer-runtime/Cargo.toml").is_file() {
                    return Err(io::Error::other(format!(
                        "--path {}: there is no glomer-runtime/Cargo.toml in it; name the \
                         folder of a clone of Glomer",
                        path.display()
                    )));
                }
                Source::Path(path.canonicalize()?)
            }
            (None, Some(url)) => Source::Git(url.clone()),
            (None, None) => Source::Registry,
        })
    }

    /// How one of them is named as a dependency, with more that is to be said of it.
    fn of_crate(&self, name: &str, more: &str) -> String {
        let source = match self {
            Source::Path(path) => format!("path = {:?}", path.join(name).display().to_string()),
            Source::Git(url) => format!("git = {url:?}"),
            Source::Registry => format!("version = {:?}", env!("CARGO_PKG_VERSION")),
        };
        format!("{name} = {{ {source}{more} }}")
    }
}

/// The manifest that Cargo began, with what the node needs.
fn filled(manifest: &str, node: &Node, source: &Source) -> String {
    const DEPENDENCIES: &str = "[dependencies]\n";
    let mut dependencies = vec![source.of_crate("glomer-runtime", "")];
    dependencies.extend(node.needs.iter().map(|&need| need.to_owned()));
    let workbench = source.of_crate("glomer-workbench", ", default-features = false");
    let dependencies = format!("{DEPENDENCIES}{}\n", dependencies.join("\n"));
    format!(
        "{}\n\
         [dev-dependencies]\n{workbench}\n\n\
         [features]\n\
         # What `cargo glomer` needs, and tests do without.\n\
         command = [\"glomer-workbench/command\"]\n\n\
         [[example]]\n\
         name = \"glomer\"\n\
         required-features = [\"command\"]\n",
        manifest.replacen(DEPENDENCIES, &dependencies, 1),
    )
}

/// Whether there is a `glomer` for any shell to find.
fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("glomer").is_file())
}

/// Makes `cargo glomer` the command with this crate's workload.
const ALIAS: &str = "\
[alias]
glomer = \"run --quiet --config term.progress.when='always' --config term.progress.width=80 --release --features command --example glomer --\"
";

fn readme(name: &str, [test, run, serve]: &[String; 3]) -> String {
    format!(
        "# {name}\n\n\
         ```sh\n\
         # The node under faults, in virtual time, for many seeds.\n{test}\n\n\
         # Real processes, what clients saw of them, and a verdict.\n{run}\n\n\
         # All runs that were kept, in a browser.\n{serve}\n\
         ```\n"
    )
}
