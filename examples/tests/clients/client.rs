//! Programs that are not ours: libraries for Python and Node, each with a script of a few lines
//! that reports what it sees.

use std::env;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::report::{self, Report, missing};
use crate::streams::{ANTHROPIC, Dialect, OPENAI, RAW};

/// A library, and the script that uses it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    /// As the message about a missing one names it.
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    runtime: &'static Runtime,
    script: &'static str,
}

/// What runs a script.
#[derive(Debug)]
struct Runtime {
    /// Where the environment names another program.
    variable: &'static str,
    program: &'static str,
    folder: &'static str,
}

const PYTHON: Runtime = Runtime {
    variable: "BUTTRESS_PYTHON",
    program: "python3",
    folder: "python",
};

/// It finds its packages by `NODE_PATH`.
const NODE: Runtime = Runtime {
    variable: "BUTTRESS_NODE",
    program: "node",
    folder: "node",
};

pub(crate) const OPENAI_PYTHON: Client =
    client("openai (python)", OPENAI, &PYTHON, "ask_openai.py");
/// It asks again, with a key.
pub(crate) const OPENAI_PYTHON_AGAIN: Client =
    client("openai (python)", OPENAI, &PYTHON, "ask_openai_again.py");
pub(crate) const ANTHROPIC_PYTHON: Client =
    client("anthropic (python)", ANTHROPIC, &PYTHON, "ask_anthropic.py");
pub(crate) const HTTPX_SSE: Client =
    client("httpx-sse (python)", RAW, &PYTHON, "read_httpx_sse.py");
pub(crate) const OPENAI_NODE: Client = client("openai (node)", OPENAI, &NODE, "ask_openai.js");
pub(crate) const ANTHROPIC_NODE: Client = client(
    "@anthropic-ai/sdk (node)",
    ANTHROPIC,
    &NODE,
    "ask_anthropic.js",
);
pub(crate) const EVENTSOURCE: Client =
    client("eventsource (node)", RAW, &NODE, "read_eventsource.js");
pub(crate) const EVENTSOURCE_PARSER: Client = client(
    "eventsource-parser (node)",
    RAW,
    &NODE,
    "read_eventsource_parser.js",
);

/// The providers' own libraries.
pub(crate) const SDKS: [Client; 4] = [OPENAI_PYTHON, OPENAI_NODE, ANTHROPIC_PYTHON, ANTHROPIC_NODE];

/// Those that read events of any kind.
pub(crate) const READERS: [Client; 3] = [HTTPX_SSE, EVENTSOURCE, EVENTSOURCE_PARSER];

/// Lets them all do something at once.
pub(crate) async fn at_once<F>(clients: &[Client], act: fn(Client) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut acts: JoinSet<()> = clients.iter().copied().map(act).collect();
    while let Some(done) = acts.join_next().await {
        if let Err(failed) = done {
            resume_unwind(failed.into_panic());
        }
    }
}

/// A loaded machine takes its time to load a library for Python.
const PATIENCE: Duration = Duration::from_secs(60);

/// The exit code of a script that does not find its package.
const MISSING: i32 = 77;

const fn client(
    name: &'static str,
    dialect: Dialect,
    runtime: &'static Runtime,
    script: &'static str,
) -> Client {
    Client {
        name,
        dialect,
        runtime,
        script,
    }
}

impl Client {
    /// Reads all these streams at once; `None` where it is not installed.
    pub(crate) async fn read(&self, server: SocketAddr, streams: &[String]) -> Option<Report> {
        let Ok(output) = timeout(PATIENCE, self.command(server, streams).output()).await else {
            panic!("{} takes for ever", self.name);
        };
        let output = match output {
            Err(error) if error.kind() == ErrorKind::NotFound => return missing(self.name),
            Ok(output) if output.status.code() == Some(MISSING) => return missing(self.name),
            output => output.unwrap(),
        };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", self.name);
        Some(report::read(&String::from_utf8(output.stdout).unwrap()))
    }

    fn command(&self, server: SocketAddr, streams: &[String]) -> Command {
        let Runtime {
            variable,
            program,
            folder,
        } = *self.runtime;
        let script = [
            env!("CARGO_MANIFEST_DIR"),
            "tests/clients",
            folder,
            self.script,
        ];
        let mut command = Command::new(env::var(variable).unwrap_or_else(|_| program.to_owned()));
        command
            .arg(script.iter().collect::<PathBuf>())
            .arg(format!("http://{server}"))
            .args(streams)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}
