//! Real NATS servers on loopback ports, with a store of their own. They end with the value that holds them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The path of the binary; none if there is none on this machine. With `CI` set there must be one.
pub(crate) fn binary() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/nats/2.15.1/bin/nats-server");
    let path = std::env::var_os("WEIR_NATS_SERVER").map_or(installed, PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    let hint = format!("there is no {}; run ci/nats.sh", path.display());
    assert!(std::env::var_os("CI").is_none(), "{hint}");
    println!("skipped: {hint}");
    None
}

/// One or three servers.
pub(crate) struct Nats {
    binary: PathBuf,
    dir: TempDir,
    servers: Vec<Server>,
}

struct Server {
    port: u16,
    config: PathBuf,
    child: Option<Child>,
}

impl Nats {
    /// Starts `count` servers; none if there is no binary. `extra` is added to the configuration of each one.
    pub(crate) fn start(count: usize, extra: &str) -> Option<Self> {
        let (binary, dir) = (binary()?, TempDir::new().unwrap());
        // The ports are free when they are chosen. Each server gets its port before the next test can choose it.
        let listeners: Vec<_> = (0..2 * count).map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
        let ports: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(listeners);
        let (clients, routes) = ports.split_at(count);
        let mut nats = Self { binary, dir, servers: vec![] };
        for (index, port) in clients.iter().enumerate() {
            let config = nats.dir.path().join(format!("n{index}.conf"));
            fs::write(&config, configuration(index, *port, routes, nats.dir.path(), extra)).unwrap();
            nats.servers.push(Server { port: *port, config, child: None });
            nats.launch(index);
        }
        (0..count).for_each(|index| nats.wait_until_it_listens(index));
        Some(nats)
    }

    /// The addresses of all servers, as `--cluster` takes them.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.addresses().join(","))
    }

    /// The address of each server.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect()
    }

    /// Starts a server that was killed, with its store.
    pub(crate) fn launch(&mut self, index: usize) {
        let server = &mut self.servers[index];
        let log = fs::File::options().create(true).append(true).open(server.config.with_extension("log")).unwrap();
        let mut command = Command::new(&self.binary);
        let command = command.arg("-c").arg(&server.config).stdin(Stdio::null());
        server.child = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    fn wait_until_it_listens(&mut self, index: usize) {
        let server = &mut self.servers[index];
        loop {
            // The first line that a server sends is its INFO.
            let stream = TcpStream::connect(("127.0.0.1", server.port));
            let mut line = String::new();
            if stream.is_ok_and(|stream| BufReader::new(stream).read_line(&mut line).is_ok_and(|bytes| bytes > 0)) {
                return;
            }
            let ended = server.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "nats-server has ended: {}", self.log(index));
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills a server, as kill -9 does.
    pub(crate) fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.servers[index].child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends a signal to a server.
    pub(crate) fn signal(&self, index: usize, signal: Signal) {
        let child = self.servers[index].child.as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// A copy of the store of a server. Entries with a place are on the disk, so the server may run.
    pub(crate) fn copy_store(&self, index: usize) -> TempDir {
        let copy = TempDir::new().unwrap();
        copy_all(&self.store(index), copy.path());
        copy
    }

    /// Gives a server that was killed another store.
    pub(crate) fn restore_store(&self, index: usize, copy: &TempDir) {
        fs::remove_dir_all(self.store(index)).unwrap();
        copy_all(copy.path(), &self.store(index));
    }

    fn store(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("n{index}"))
    }

    /// What a server has logged.
    pub(crate) fn log(&self, index: usize) -> String {
        fs::read_to_string(self.servers[index].config.with_extension("log")).unwrap()
    }

    /// The index of a server by its name.
    pub(crate) fn index_of(name: &str) -> usize {
        name.strip_prefix('n').unwrap().parse().unwrap()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        (0..self.servers.len()).for_each(|index| self.kill(index));
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_all(&path, &copy) } else { _ = fs::copy(&path, copy).unwrap() }
    }
}

fn configuration(index: usize, port: u16, routes: &[u16], dir: &Path, extra: &str) -> String {
    let store = dir.join(format!("n{index}"));
    let mut text = format!(
        "server_name: n{index}\nlisten: \"127.0.0.1:{port}\"\n{extra}\n\
         jetstream {{ store_dir: {store:?}, max_mem: 64MB, max_file: 16GB, sync_interval: always }}\n"
    );
    if routes.len() > 1 {
        let urls: Vec<_> = routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let (own, urls) = (routes[index], urls.join(", "));
        text += &format!("cluster {{ name: weir, listen: \"127.0.0.1:{own}\", routes: [{urls}] }}\n");
    }
    text
}
