//! The built program on loopback: its node file, its sites, its life and death.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::{Answer, Authority, Client, Http2, Origin, until};

/// A site document: these hosts before this origin, and whatever else follows.
pub fn site(hosts: &[&str], origin: &Origin, more: &str) -> String {
    let url = origin.url();
    format!("hosts = {hosts:?}\n[origin]\nservers = [\"{url}\"]\n{more}\n")
}

/// What the node shall be, before it starts.
pub struct Setup {
    folder: TempDir,
    state: PathBuf,
    descriptors: Option<u32>,
    listen: String,
    admin_keys: String,
    more: String,
    allow: String,
    pub http: SocketAddr,
    pub https: SocketAddr,
    pub admin: SocketAddr,
}

/// A running node. Dropped, it is killed, and its log is shown if the test failed.
pub struct Edge {
    folder: TempDir,
    descriptors: Option<u32>,
    child: Child,
    pub http: SocketAddr,
    pub https: SocketAddr,
    pub admin: SocketAddr,
}

impl Setup {
    /// Adds or replaces the document `sites.d/NAME.toml`.
    pub fn site(self, name: &str, text: &str) -> Setup {
        fs::write(self.folder.path().join(format!("sites.d/{name}.toml")), text).unwrap();
        self
    }

    /// Adds a site that is also served over TLS, with a leaf for its hosts.
    pub fn tls_site(
        self,
        name: &str,
        hosts: &[&str],
        origin: &Origin,
        authority: &Authority,
    ) -> Setup {
        let (certificate, key) = authority.write(self.folder.path(), name, hosts);
        let tls = format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}");
        self.site(name, &site(hosts, origin, &tls))
    }

    /// A file of the node's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds keys to the node file's `[listen]` table.
    pub fn listen(mut self, keys: &str) -> Setup {
        self.listen += &format!("{keys}\n");
        self
    }

    /// Adds keys to the node file's `[admin]` table.
    pub fn admin(mut self, keys: &str) -> Setup {
        self.admin_keys += &format!("{keys}\n");
        self
    }

    /// Adds tables to the node file.
    pub fn node(mut self, text: &str) -> Setup {
        self.more += &format!("{text}\n");
        self
    }

    /// The private addresses that origins may have; without this, all of loopback.
    pub fn allow(mut self, networks: &[&str]) -> Setup {
        self.allow = format!("{networks:?}");
        self
    }

    /// Keeps what must outlive the process in this folder instead of the node's own.
    pub fn state(mut self, folder: PathBuf) -> Setup {
        self.state = folder;
        self
    }

    /// How many descriptors the process may have.
    pub fn descriptors(mut self, count: u32) -> Setup {
        self.descriptors = Some(count);
        self
    }

    /// Starts the node and waits until it is ready.
    pub async fn start(self) -> Edge {
        let Setup { http, https, admin, .. } = self;
        let folder = self.folder.path().display();
        let node = format!(
            "state_dir = {:?}\n[sites]\nfolder = \"{folder}/sites.d\"\n\
             [listen]\nhttp = [\"{http}\"]\nhttps = [\"{https}\"]\n{}\
             [admin]\naddress = \"{admin}\"\n{}[upstream]\nallow_private = {}\n{}",
            self.state, self.listen, self.admin_keys, self.allow, self.more
        );
        fs::write(self.folder.path().join("node.toml"), node).unwrap();
        let Setup { folder, descriptors, .. } = self;
        let child = run(&folder, descriptors);
        let mut edge = Edge { folder, descriptors, child, http, https, admin };
        edge.until_ready().await;
        edge
    }
}

/// The program under test: the one built beside these tests, unless `BRINK_BINARY` names another.
fn binary() -> String {
    std::env::var("BRINK_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_brink").into())
}

fn run(folder: &TempDir, descriptors: Option<u32>) -> Child {
    let log = fs::File::options().create(true).append(true).open(folder.path().join("log"));
    let log = log.unwrap();
    let mut command = match descriptors {
        Some(count) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -n {count} && exec \"$0\" \"$@\""), &binary()]);
            shell
        }
        None => Command::new(binary()),
    };
    command
        .args(["run", "-c"])
        .arg(folder.path().join("node.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Edge {
    pub fn setup() -> Setup {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("sites.d")).unwrap();
        let [http, https, admin] = free_addresses();
        let (listen, admin_keys, more) = Default::default();
        let (state, descriptors) = (folder.path().join("state"), None);
        let allow = "[\"127.0.0.0/8\"]".into();
        Setup { folder, state, descriptors, listen, admin_keys, more, allow, http, https, admin }
    }

    /// A node with one site, `a.test`, with default settings before `origin`.
    pub async fn before(origin: &Origin) -> Edge {
        Edge::setup().site("a", &site(&["a.test"], origin, "")).start().await
    }

    /// A node with one site, `a.test`, whose document ends with `more`.
    pub async fn with(origin: &Origin, more: &str) -> Edge {
        Edge::setup().site("a", &site(&["a.test"], origin, more)).start().await
    }

    /// A node with one site, `a.test`, over TLS too.
    pub async fn with_tls(origin: &Origin, authority: &Authority) -> Edge {
        Edge::setup().tls_site("a", &["a.test"], origin, authority).start().await
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.http).await
    }

    pub async fn tls(&self, name: &str, authority: &Authority) -> Client {
        Client::tls(self.https, name, authority).await.unwrap()
    }

    pub async fn http2(&self, name: &str, authority: &Authority) -> Http2 {
        Http2::tls(self.https, name, authority).await
    }

    /// One GET to `a.test` on a connection of its own.
    pub async fn get(&self, target: &str) -> Answer {
        self.client().await.get("a.test", target).send().await
    }

    /// One GET to `a.test` with these fields, on a connection of its own.
    pub async fn get_with(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let mut client = self.client().await;
        let ask = client.get("a.test", target);
        fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).send().await
    }

    /// One GET to the admin listener: status and text, or nothing if nobody answers.
    pub async fn admin(&self, target: &str) -> Option<(u16, String)> {
        ask_admin(self.admin, target).await
    }

    async fn until_ready(&mut self) {
        until("the node gets ready", async || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the node ended with {status}: {}", self.log());
            }
            matches!(self.admin("/readyz").await, Some((200, _)))
        })
        .await;
    }

    /// Adds or replaces a site document; it counts from the next reload on.
    pub fn write_site(&self, name: &str, text: &str) {
        fs::write(self.path(&format!("sites.d/{name}.toml")), text).unwrap();
    }

    /// A file of this node's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Has the node read its files again, and waits until it says that it has.
    pub async fn reload(&self) {
        let before = self.configuration().await;
        self.signal("HUP");
        until("the node reloads", async || self.configuration().await != before).await;
    }

    /// As [`metric`], of this node.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        metric(self.admin, name, labels).await
    }

    /// What the node counts about its configuration.
    async fn configuration(&self) -> Vec<String> {
        let (_, text) = self.admin("/metrics").await.unwrap_or_default();
        text.lines().filter(|it| it.starts_with("brink_config_")).map(String::from).collect()
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    /// Waits for the end of the process.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the node ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// Kills the process and starts it again on the same files and ports.
    pub async fn restart(&mut self) {
        self.stop(true).await;
        self.go_on().await;
    }

    /// Ends the process: kills it, or lets it end in its own time.
    pub async fn stop(&mut self, kill: bool) {
        if kill {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        } else {
            self.signal("TERM");
            self.ended().await;
        }
    }

    /// Starts the process again on the same files and ports.
    pub async fn go_on(&mut self) {
        self.child = run(&self.folder, self.descriptors);
        self.until_ready().await;
    }

    /// All that the process has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!(
                "the node's log ends:\n{}",
                lines[lines.len().saturating_sub(30)..].join("\n")
            );
        }
    }
}

/// Ports below those that the system gives to outgoing connections: a free port among these could be
/// taken by any test's client before the node listens on it.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Addresses that nobody listens on at the moment, all different and none given out before.
fn free_addresses() -> [SocketAddr; 3] {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(97);
    [(); 3].map(|()| {
        let mut ports = std::iter::repeat_with(|| {
            let turn = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
            PORTS.start + (turn % PORTS.len() as u32) as u16
        });
        let bound = ports
            .by_ref()
            .take(PORTS.len())
            .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()?.local_addr().ok());
        bound.expect("a free port")
    })
}

async fn ask_admin(admin: SocketAddr, target: &str) -> Option<(u16, String)> {
    tokio::net::TcpStream::connect(admin).await.ok()?;
    let mut client = Client::connect(admin).await;
    let answer = client.get(&admin.to_string(), target).attempt().await.ok()?;
    Some((answer.status, answer.text()))
}

/// The sum of all samples of a metric whose line holds `labels`, as in `disk_reads` and
/// `how="hit"`, of the node whose admin listener this is.
pub async fn metric(admin: SocketAddr, name: &str, labels: &str) -> f64 {
    let (_, text) = ask_admin(admin, "/metrics").await.unwrap_or_default();
    let (plain, total) = (format!("brink_{name}"), format!("brink_{name}_total"));
    let wanted = |line: &&str| {
        let family = line.split(['{', ' ']).next().unwrap_or_default();
        (family == plain || family == total) && line.contains(labels)
    };
    let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
    text.lines().filter(wanted).filter_map(value).sum()
}

/// Runs the program to its end: its exit status and all that it printed.
pub async fn command(arguments: &[&str]) -> (ExitStatus, String) {
    command_with(arguments, &[]).await
}

/// The same with variables in its environment.
pub async fn command_with(
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (ExitStatus, String) {
    let mut command = Command::new(binary());
    command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&text).into_owned())
}
