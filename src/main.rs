//! The `weir` command: parse the arguments, and do what they ask for.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use weir::cli::{self, Command, LoadSettings, Settings, Stop};
use weir::client::{reference, send};
use weir::{demo, limits, load, output, serve, telemetry, top};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let failure = match cli::parse(std::env::args_os()) {
        Ok(command) => match run(command) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => error.to_string(),
        },
        Err(Stop::Shown(text)) => {
            // A closed stdout is the reader's choice.
            let _ = text.print();
            return ExitCode::SUCCESS;
        }
        Err(Stop::Refused(reason)) => reason,
    };
    // A closed stderr is the reader's choice, too.
    let _ = writeln!(std::io::stderr(), "weir: {failure}");
    ExitCode::FAILURE
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Serve(settings) => serving(&settings.clone(), serve::serve(settings)),
        Command::Demo(settings) => serving(&settings.serve.clone(), demo::run(settings)),
        Command::Send(options) => send::run(&options),
        Command::ReferencePut(options) => reference::put(&options),
        Command::ReferenceShow(options) => reference::show(&options),
        Command::Top(options) => top::run(&options),
        Command::Load(settings) => run_load(&settings),
        Command::Completions(shell) => Ok(output::print(cli::completions(shell))?),
        Command::Man(None) => Ok(output::print(cli::man_page()?)?),
        Command::Man(Some(directory)) => {
            let written = cli::write_man_pages(&directory);
            Ok(written.map_err(|error| format!("cannot write to {}: {error}", directory.display()))?)
        }
    }
}

/// Runs a server on a runtime of its own.
fn serving(
    settings: &Settings,
    server: impl Future<Output = Result<(), Box<dyn Error>>>,
) -> Result<(), Box<dyn Error>> {
    telemetry::init(settings.log_format)?;
    let is_limited = settings.engine.max_memory_bytes.is_some();
    keep_freed_memory(if is_limited { Duration::ZERO } else { limits::FREED_MEMORY_KEPT });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(settings.workers).enable_all().build()?;
    let served = runtime.block_on(server);
    runtime.shutdown_timeout(limits::LEFTOVERS_TIMEOUT);
    served
}

/// How long the allocator keeps what was freed, in case that it is needed again; the system counts that as the process's.
#[allow(unsafe_code, reason = "a setting of the allocator, which is C")]
fn keep_freed_memory(time: Duration) {
    use libmimalloc_sys::{mi_option_set, mi_option_t, mi_option_use_numa_nodes};
    /// `mi_option_purge_delay`, which the bindings do not name: in mimalloc.h (2 and 3) it comes before this one.
    const PURGE_DELAY: mi_option_t = mi_option_use_numa_nodes - 1;
    // SAFETY: the number is an option's, see above; it takes any delay in milliseconds from -1 on, at any time and from any
    // thread.
    unsafe { mi_option_set(PURGE_DELAY, time.as_millis() as _) };
}

fn run_load(settings: &LoadSettings) -> Result<(), Box<dyn Error>> {
    let report = load::run(&settings.options)?;
    // What cannot be printed does not keep the files from being written.
    let printed = output::print(&report);
    if let Some(directory) = &settings.report {
        report.write(directory).map_err(|error| format!("cannot write to {}: {error}", directory.display()))?;
    }
    printed?;
    Ok(report.check()?)
}
