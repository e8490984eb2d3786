//! A RabbitMQ of a test's own: one node or a cluster, in a temporary folder, on free ports, beside whatever the system runs.
//!
//! What always holds: a node is ready when it has said so; all its processes end with the test's process, also when that is killed; the
//! folder goes with them. Where RabbitMQ is missing, the test fails and says what to install.
//!
//! A node takes 5 to 10 s to start on two busy cores, so tests that only use a broker share one ([`Broker::shared`]), with queues of their own, and those that
//! hurt it share another ([`Broker::hurt`]).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use orderly_transport::amqp::Publication;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard, OnceCell as AsyncOnceCell};

/// Where Debian's package has the scripts that run as any user; those in the path change to the system's.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";

/// The largest message that a node takes, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 2 << 20;

/// How long a node may take to start. One takes 9 s on two busy cores.
const START_TIME_MAX: Duration = Duration::from_secs(180);

/// The user that each node has.
pub const USER: &str = "guest";

/// Its password.
pub const PASSWORD: &str = "guest";

/// The name in the nodes' certificates.
pub const TLS_NAME: &str = "broker.example";

/// RabbitMQ, one node or several.
pub struct Broker {
    /// In the order of their end: the nodes first, then what finds them, then their folder.
    nodes: Vec<Node>,
    _epmd: Kept,
    folder: TempDir,
    /// How long starting took.
    pub started_in: Duration,
}

/// One node.
pub struct Node {
    name: String,
    port: u16,
    tls_port: u16,
    environment: Vec<(&'static str, String)>,
    process: Mutex<Option<Kept>>,
}

impl Broker {
    /// One node.
    #[must_use]
    pub fn start() -> Broker {
        Broker::cluster(1)
    }

    /// The node that tests of one process share, which use it and don't hurt it. It ends with the process.
    pub fn shared() -> &'static Broker {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(Broker::start)
    }

    /// The node that tests of one process hurt, one after the other; each leaves it whole. It ends with the process.
    pub async fn hurt() -> MutexGuard<'static, Broker> {
        static HURT: AsyncOnceCell<AsyncMutex<Broker>> = AsyncOnceCell::const_new();
        HURT.get_or_init(async || AsyncMutex::new(Broker::start())).await.lock().await
    }

    /// So many nodes that are one cluster.
    #[must_use]
    pub fn cluster(nodes_count: usize) -> Broker {
        let begun = Instant::now();
        let folder = TempDir::new().expect("a temporary folder");
        certificates(folder.path());
        let cookie = folder.path().join(".erlang.cookie");
        fs::write(&cookie, "ORDERLYTESTSCOOKIE").expect("a file");
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400)).expect("a file of ours");
        fs::write(folder.path().join("password"), PASSWORD).expect("a file");
        fs::write(folder.path().join("plugins"), "[].\n").expect("a file");
        let epmd_port = free_port();
        let names: Vec<String> = (1..=nodes_count).map(|number| format!("node{number}@localhost")).collect();
        let nodes: Vec<Node> =
            names.iter().map(|name| Node::new(folder.path(), name, &names, epmd_port)).collect();
        let epmd = epmd(folder.path(), epmd_port);
        // The first is there before the others look for somebody to join.
        let (first, others) = nodes.split_first().expect("at least one node");
        first.start();
        thread::scope(|scope| others.iter().for_each(|node| drop(scope.spawn(|| node.start()))));
        Broker { nodes, _epmd: epmd, folder, started_in: begun.elapsed() }
    }

    /// A node by its number, from 0.
    #[must_use]
    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number]
    }

    /// All its nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Where the first node listens.
    #[must_use]
    pub fn address(&self) -> String {
        self.node(0).address()
    }

    /// Where all nodes listen.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(Node::address).collect()
    }

    /// A file of the certificates: `ca.pem`; `broker.pem` and `.key`, which the nodes show; `client.pem` and `.key`, which they want to see.
    #[must_use]
    pub fn tls_file(&self, name: &str) -> PathBuf {
        self.folder.path().join("tls").join(name)
    }

    /// A file that holds the password.
    #[must_use]
    pub fn password_file(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    /// Makes the node of this number the leader of a quorum queue.
    pub fn move_leader(&self, queue: &str, to: usize) {
        let said = self.try_move_leader(queue, to);
        assert!(said.is_ok(), "the leader of {queue} does not move: {said:?}");
    }

    /// The same when it may fail, as with a queue that is not there yet.
    ///
    /// # Errors
    /// What was said then.
    pub fn try_move_leader(&self, queue: &str, to: usize) -> Result<(), String> {
        let term = format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup({}), rabbit_quorum_queue:transfer_leadership(Q, '{}').",
            queue_term(queue),
            self.node(to).name
        );
        let said = self.node(0).try_control(&["eval", &term])?;
        if said.contains("migrated") { Ok(()) } else { Err(said) }
    }

    /// The quorum queues that have members on a node, and whether these know a leader.
    ///
    /// # Errors
    /// What the broker said, when it could not be asked.
    pub fn members_at(&self, node: usize) -> Result<BTreeMap<String, bool>, String> {
        let term = "[io:format(\"~s ~p~n\", [N, ra_leaderboard:lookup_leader(N) =/= undefined]) \
                    || {N, _} <- ets:tab2list(ra_state)], ok.";
        let said = self.node(node).try_control(&["eval", term])?;
        let member = |line: &str| {
            let (name, has_leader) = line.strip_prefix(OF_DEFAULT_HOST)?.rsplit_once(' ')?;
            Some((name.to_owned(), has_leader == "true"))
        };
        Ok(said.lines().filter_map(member).collect())
    }

    /// Has the members of a quorum queue call an election, as `docs/clustering.md` tells operators to: a member that has not all of the queue's log is
    /// not elected.
    ///
    /// # Errors
    /// What the broker said, when it could not be asked.
    pub fn elect(&self, queue: &str) -> Result<(), String> {
        let term = format!(
            "[ra:trigger_election({{list_to_atom(\"{OF_DEFAULT_HOST}{queue}\"), N}}) || N <- rabbit_nodes:all_running()]."
        );
        self.node(0).try_control(&["eval", &term]).map(drop)
    }

    /// What each member of a quorum queue knows of it, in RabbitMQ's own words: who leads, and what waits, is given out and consumes there. What
    /// `list_queues` counts is noted every 5 s by whoever led then.
    ///
    /// # Errors
    /// What the broker said, when it could not be asked.
    pub fn members_say(&self, queue: &str) -> Result<String, String> {
        let term = format!(
            "L = fun(N) -> Id = {{list_to_atom(\"{OF_DEFAULT_HOST}{queue}\"), N}}, \
                 {{N, catch ra:local_query(Id, fun rabbit_fifo:overview/1)}} end, \
             Q = rabbit_amqqueue:lookup({}), \
             {{noted_as_leader, catch amqqueue:get_pid(element(2, Q)), [L(N) || N <- rabbit_nodes:all_running()]}}.",
            queue_term(queue)
        );
        self.node(0).try_control(&["eval", &term])
    }

    /// The number of the node that leads a quorum queue.
    #[must_use]
    pub fn leader(&self, queue: &str) -> usize {
        let term = format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup({}), {{_, N}} = amqqueue:get_pid(Q), N.",
            queue_term(queue)
        );
        let said = self.node(0).evaluate(&term);
        let leads = |node: &Node| said.trim().trim_matches('\'') == node.name;
        self.nodes.iter().position(leads).unwrap_or_else(|| panic!("nobody leads {queue}: {said}"))
    }
}

/// What the name of a quorum queue's group of members begins with: the default virtual host, `/`.
const OF_DEFAULT_HOST: &str = "%2F_";

fn queue_term(queue: &str) -> String {
    format!("rabbit_misc:r(<<\"/\">>, queue, <<\"{queue}\">>)")
}

impl Node {
    fn new(folder: &Path, name: &str, all: &[String], epmd_port: u16) -> Node {
        let (port, tls_port, between_port) = (free_port(), free_port(), free_port());
        let short = name.split('@').next().expect("a name");
        let config = folder.join(format!("{short}.conf"));
        fs::write(&config, configuration(folder, port, tls_port, all)).expect("a file");
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let environment = vec![
            ("HOME", text(folder.to_owned())),
            ("RABBITMQ_NODENAME", name.to_owned()),
            ("RABBITMQ_MNESIA_BASE", text(folder.join("data"))),
            ("RABBITMQ_LOG_BASE", text(folder.join("log"))),
            ("RABBITMQ_CONFIG_FILE", text(config)),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", text(folder.join("plugins"))),
            // Nothing of the system's own node.
            ("RABBITMQ_CONF_ENV_FILE", text(folder.join("none"))),
            ("RABBITMQ_DIST_PORT", between_port.to_string()),
            ("ERL_EPMD_PORT", epmd_port.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            // A waiting Erlang would keep its cores busy.
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 2:2 +sbwt none".to_owned()),
            // The script becomes the node, instead of waiting for it.
            ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
        ];
        Node { name: name.to_owned(), port, tls_port, environment, process: Mutex::new(None) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it listens with TLS; who connects there shows a certificate.
    #[must_use]
    pub fn tls_address(&self) -> String {
        format!("127.0.0.1:{}", self.tls_port)
    }

    /// Starts it, after it has ended, and waits until it serves.
    pub fn start(&self) {
        let script = script("rabbitmq-server");
        let kept = Kept::start(Command::new(&script), &self.environment, None);
        kept.says("completed with", START_TIME_MAX);
        *self.process.lock().expect("no panic") = Some(kept);
    }

    /// Ends it as a power cut would.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        self.process.lock().expect("no panic").take();
    }

    /// Ends it in good order.
    pub fn stop(&self) {
        self.signal(Signal::TERM);
        let process = self.process.lock().expect("no panic").take().expect("it runs");
        process.says("ended ", START_TIME_MAX);
    }

    /// Freezes it: its connections stay, and it says nothing.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Its memory is short, for publishers to be blocked.
    pub fn raise_alarm(&self) {
        self.control(&["set_vm_memory_high_watermark", "0.0000001"]);
    }

    /// Its memory is no more short.
    pub fn clear_alarm(&self) {
        self.control(&["set_vm_memory_high_watermark", "0.4"]);
    }

    /// Deletes a queue with all it holds.
    pub fn delete_queue(&self, queue: &str) {
        self.control(&["delete_queue", queue]);
    }

    /// Runs Erlang in it.
    pub fn evaluate(&self, term: &str) -> String {
        self.control(&["eval", term])
    }

    /// Runs `rabbitmqctl`, which takes about a second, and gives what it prints.
    pub fn control(&self, arguments: &[&str]) -> String {
        self.try_control(arguments).unwrap_or_else(|error| panic!("rabbitmqctl {arguments:?}: {error}"))
    }

    /// The same when it may fail, as with a node that was killed meanwhile.
    ///
    /// # Errors
    /// What it printed then.
    pub fn try_control(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(script("rabbitmqctl"));
        command.arg("--quiet").args(["--node", &self.name]).args(arguments).stdin(Stdio::null());
        let output = command.envs(self.environment.clone()).output().expect("rabbitmqctl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(text) } else { Err(format!("{text}{error}")) }
    }

    fn signal(&self, signal: Signal) {
        self.process.lock().expect("no panic").as_ref().expect("it runs").signal(signal);
    }
}

fn script(name: &str) -> PathBuf {
    let script = Path::new(SCRIPTS).join(name);
    assert!(
        script.exists(),
        "RabbitMQ is missing ({}): install it with `apt-get install rabbitmq-server`, or run tests/run, which does",
        script.display()
    );
    script
}

fn configuration(folder: &Path, port: u16, tls_port: u16, all: &[String]) -> String {
    let tls = folder.join("tls");
    let tls = tls.display();
    let mut text = format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\n\
         listeners.ssl.1 = 127.0.0.1:{tls_port}\n\
         ssl_options.cacertfile = {tls}/ca.pem\n\
         ssl_options.certfile = {tls}/broker.pem\n\
         ssl_options.keyfile = {tls}/broker.key\n\
         ssl_options.verify = verify_peer\n\
         ssl_options.fail_if_no_peer_cert = true\n\
         disk_free_limit.absolute = 1MB\n\
         max_message_size = {MESSAGE_BYTES_MAX}\n\
         log.console = false\n"
    );
    if all.len() > 1 {
        text.push_str("cluster_formation.peer_discovery_backend = classic_config\n");
        for (number, name) in all.iter().enumerate() {
            writeln!(text, "cluster_formation.classic_config.nodes.{} = {name}", number + 1).expect("text");
        }
    }
    text
}

/// Makes an authority, the nodes' certificate and a client's.
fn certificates(folder: &Path) {
    let tls = folder.join("tls");
    fs::create_dir(&tls).expect("a folder");
    let write = |name: &str, text: &str| fs::write(tls.join(name), text).expect("a file");
    // Erlang takes a certificate with its authority's own name for one that signed itself.
    let named = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let mut params = named("authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    write("ca.pem", &params.self_signed(&key).expect("a certificate").pem());
    let authority = Issuer::new(params, key);
    for (file, name) in [("broker", TLS_NAME), ("client", "orderly.example")] {
        let key = KeyPair::generate().expect("a key");
        let mut params = named(name);
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().expect("a name"))];
        write(&format!("{file}.pem"), &params.signed_by(&key, &authority).expect("a certificate").pem());
        write(&format!("{file}.key"), &key.serialize_pem());
    }
}

/// What tells nodes where the others are. Erlang would start one that stays for ever.
fn epmd(folder: &Path, port: u16) -> Kept {
    let mut command = Command::new("epmd");
    command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
    Kept::start(command, &[], Some(folder))
}

/// A port that nobody has right now, and that nobody gets who asks for a free one while the node is down: those begin at 32768.
fn free_port() -> u16 {
    let mut tried = std::iter::repeat_with(|| fastrand::u16(10_000..32_768));
    tried.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// A process that ends when this is dropped or when the test's process ends, however that is: a shell waits at a pipe that the system
/// closes then.
struct Kept {
    shell: Child,
    pid: Pid,
    said: Mutex<mpsc::Receiver<String>>,
}

/// Runs its arguments, says their process id and how they ended; kills them, and removes the folder that is its name, when its input ends.
/// What a terminal sends to all processes is nothing to it.
const KEEPER: &str = r#"
trap '' INT HUP
exec 3<&0
"$@" </dev/null 3<&- &
pid=$!
echo "pid $pid"
( read -r _ <&3; kill -KILL $pid ) 2>/dev/null >&2 &
keeper=$!
wait $pid
code=$?
kill $keeper 2>/dev/null
case $0 in /*) n=0; until rm -rf "$0" || [ $((n += 1)) = 50 ]; do sleep 0.1; done 2>/dev/null ;; esac
echo "ended $code"
"#;

impl Kept {
    fn start(command: Command, environment: &[(&'static str, String)], folder: Option<&Path>) -> Kept {
        let name = folder.unwrap_or(Path::new("keeper")).as_os_str();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(KEEPER).arg(name).arg(command.get_program()).args(command.get_args());
        shell
            .envs(environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut shell = shell.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut lines =
            BufReader::new(shell.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let first = lines.next().expect("the shell says the process id");
        let pid = first.strip_prefix("pid ").and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        let (say, said) = mpsc::channel();
        // Ends with the process; what nobody listens to is read all the same, so that nobody waits.
        thread::spawn(move || lines.for_each(|line| drop(say.send(line))));
        Kept { shell, pid: pid.unwrap_or_else(|| panic!("no process id: {first}")), said: Mutex::new(said) }
    }

    /// Waits until the process has said this.
    fn says(&self, text: &str, patience: Duration) {
        let said = self.said.lock().expect("no panic");
        let until = Instant::now() + patience;
        let mut heard = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match said.recv_timeout(left) {
                Ok(line) if line.contains(text) => return,
                Ok(line) => heard.push(line),
                Err(_) => panic!("it does not say {text:?}, but:\n{}", heard.join("\n")),
            }
            let has_ended = heard.last().is_some_and(|line| line.starts_with("ended "));
            assert!(!has_ended, "it ended without saying {text:?}:\n{}", heard.join("\n"));
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap_or_else(|error| panic!("{signal:?}: {error}"));
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().ok();
    }
}

/// Runs a Python script with `pika`, RabbitMQ's own client of the language, and gives what it prints. `address` is its first argument, as a
/// port on this machine.
pub fn pika(address: &str, script: &str, arguments: &[&str]) -> String {
    let port = address.rsplit(':').next().expect("a port");
    // Debian's package is for Debian's Python.
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", script, port]).args(arguments).stdin(Stdio::null());
    let output = command.output().expect("/usr/bin/python3 runs; install python3");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !error.contains("No module named 'pika'"),
        "Python's pika is missing: install it with `apt-get install python3-pika`, or run tests/run, which does"
    );
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).expect("text")
}

/// A message for a queue, as the engine would publish it: returned when no queue takes it, and outliving a restart.
#[must_use]
pub fn to_queue<'p>(queue: &'p str, id: &'p str, body: &'p [u8]) -> Publication<'p> {
    Publication {
        exchange: "",
        routing_key: queue,
        id,
        mandatory: true,
        persistent: true,
        content_type: Some("x-application/hl7-v2+er7"),
        kind: None,
        timestamp: Some(1_700_000_000),
        headers: &[],
        body,
    }
}
