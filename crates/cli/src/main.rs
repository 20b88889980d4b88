//! The `weir` command.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

mod allocator;
mod args;
mod client;
mod cluster;
mod demo;
#[cfg(test)]
mod documentation_tests;
mod journal;
mod limits;
mod load;
mod output;
mod serve;
mod signals;
mod telemetry;
mod top;

use args::{ArgsError, Command, LoadSettings};
use client::{health, reference, send};
use serve::ServeSettings;

fn main() -> ExitCode {
    let error = match args::parse(std::env::args_os()) {
        Ok(command) => match run(command) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => error.to_string(),
        },
        Err(ArgsError::Help(text)) => {
            // A closed stdout is no error.
            let _ = text.print();
            return ExitCode::SUCCESS;
        }
        Err(ArgsError::Invalid(line)) => line,
    };
    // A closed stderr cannot be reported.
    let _ = writeln!(std::io::stderr(), "weir: {error}");
    ExitCode::FAILURE
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Serve(settings) => run_server(&settings.clone(), serve::serve(settings)),
        Command::Demo(settings) => run_server(&settings.serve.clone(), demo::run(settings)),
        Command::Send(options) => send::run(&options),
        Command::ReferencePut(options) => reference::put(&options),
        Command::ReferenceShow(options) => reference::show(&options),
        Command::Top(options) => top::run(&options),
        Command::Health(options) => health::check(&options),
        Command::Load(settings) => run_load(&settings),
        Command::JournalInspect(options) => journal::inspect(&options),
        Command::JournalVerify(options) => journal::verify(&options),
        Command::JournalMigrate(options) => journal::migrate(&options),
        Command::ClusterStatus(options) => cluster::status(&options),
        #[cfg(feature = "cluster")]
        Command::ClusterAllow(options) => cluster::allow(options),
        Command::Completions(shell) => Ok(output::print(args::completions(shell))?),
        Command::Man(None) => Ok(output::print(args::man_page()?)?),
        Command::Man(Some(directory)) => {
            let written = args::write_man_pages(&directory);
            Ok(written.map_err(|error| format!("cannot write to {}: {error}", directory.display()))?)
        }
    }
}

/// Runs a server on a runtime of its own.
fn run_server(
    settings: &ServeSettings,
    server: impl Future<Output = Result<(), Box<dyn Error>>>,
) -> Result<(), Box<dyn Error>> {
    telemetry::init(settings.log_format)?;
    let is_limited = settings.server.engine.max_memory_bytes.is_some();
    allocator::keep_freed_memory(if is_limited { Duration::ZERO } else { limits::FREED_MEMORY_KEPT });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(settings.workers).enable_all().build()?;
    let served = runtime.block_on(server);
    runtime.shutdown_timeout(limits::SHUTDOWN_TIMEOUT);
    served
}

fn run_load(settings: &LoadSettings) -> Result<(), Box<dyn Error>> {
    let report = load::run(&settings.options)?;
    // The files are written even if the report cannot be printed.
    let printed = output::print(&report);
    if let Some(directory) = &settings.report {
        report.write(directory).map_err(|error| format!("cannot write to {}: {error}", directory.display()))?;
    }
    printed?;
    Ok(report.check()?)
}
