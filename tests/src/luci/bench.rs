//! Everything behind the pages: the daemon, its bus, its settings file, what it measures.

use super::config::Config;
use super::http::{self, Request, Response};
use super::lab::{HOSTILE, Lab};
use super::rights::{Rights, Session};
use super::rpc::{self, Called, NO_OBJECT};
use super::{application, page, stand_in};
use crate::ubus::provider::{self, Description};
use crate::ubus::{Broker, Client};
use crate::wire::{Rogue, respond};
use crate::{Agent, Controller, eventually};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

/// What a host is started with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Sessions may look only, unless their cookie says otherwise.
    pub read_only: bool,
    /// No daemon runs at first.
    pub no_daemon: bool,
    /// The language, whatever the browser wishes.
    pub language: Option<String>,
}

/// A running host.
#[derive(Debug)]
pub struct Bench {
    options: Options,
    rights: Rights,
    config: Mutex<Config>,
    agent: Mutex<Agent>,
    bus: Runtime,
    socket: PathBuf,
    _broker: Broker,
    lab: Lab,
    /// Its place is taken by one that refuses everybody.
    controller: Controller,
    _refusing: Rogue,
}

impl Bench {
    /// Starts the daemon, its bus and its surroundings.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn start(options: Options) -> Result<Arc<Self>> {
        let agent = Agent::new("", "");
        let socket = agent.dir().join("ubus.sock");
        let lab = Lab::start()?;
        let mut controller = Controller::init("");
        let refusing = Rogue::replacing(&mut controller, |_, stream| {
            let problem = json!({"title": "Forbidden", "status": 403, "detail": HOSTILE});
            let kind = "content-type: application/problem+json\r\n";
            respond(stream, 403, kind, problem.to_string().as_bytes())
        });
        fs::write(agent.config(), settings(agent.dir()))?;
        let bus = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let broker = {
            let _inside = bus.enter();
            Broker::at(&socket, 1)?
        };
        bus.block_on(surroundings(&socket))?;
        let bench = Self {
            rights: Rights::read(&application())?,
            config: Mutex::new(Config::new(agent.config())),
            agent: Mutex::new(agent),
            options,
            bus,
            socket,
            _broker: broker,
            lab,
            controller,
            _refusing: refusing,
        };
        if !bench.options.no_daemon {
            bench.run_daemon(true);
        }
        Ok(Arc::new(bench))
    }

    /// Serves the pages at `address`, and says where.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn listen(self: &Arc<Self>, address: SocketAddr) -> Result<SocketAddr> {
        let listener = TcpListener::bind(address).with_context(|| address.to_string())?;
        let bound = listener.local_addr()?;
        // Whoever started the host ends it: the daemon and its directory go with the last handle.
        let bench = Arc::downgrade(self);
        let answer = move |request: &Request| match bench.upgrade() {
            Some(bench) => bench.answer(request),
            None => Response::error(503, "the host ends"),
        };
        http::serve(listener, Arc::new(answer));
        Ok(bound)
    }

    /// What is measured.
    pub fn lab(&self) -> Lab {
        self.lab
    }

    /// What sessions may do.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// The settings file.
    pub fn config(&self) -> MutexGuard<'_, Config> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agent.
    pub fn agent(&self) -> MutexGuard<'_, Agent> {
        self.agent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the daemon, or ends it as a crash would.
    pub fn run_daemon(&self, run: bool) {
        let mut agent = self.agent();
        match (run, agent.pid()) {
            (true, None) => agent.start_and_wait(),
            (false, Some(_)) => agent.kill(),
            _ => {}
        }
    }

    /// Takes back what was applied, unless it is confirmed within `seconds`.
    pub fn watch(self: &Arc<Self>, seconds: u64) {
        let (applied, bench) = (self.config().applied(), Arc::downgrade(self));
        std::thread::spawn(move || {
            crate::pause(Duration::from_secs(seconds));
            if let Some(bench) = bench.upgrade()
                && bench.config().roll_back(applied)
            {
                bench.reload();
            }
        });
    }

    /// Makes the daemon read its settings again.
    pub fn reload(&self) {
        let agent = self.agent();
        if agent.pid().is_some() {
            agent.signal(Signal::SIGHUP);
        }
    }

    /// Calls an object of the bus.
    pub fn call(&self, object: &str, method: &str, arguments: &Value) -> Called {
        let empty = json!({});
        let arguments = if arguments.is_null() {
            &empty
        } else {
            arguments
        };
        self.bus.block_on(async {
            let client = Client::connect(&self.socket).await.map_err(|_| NO_OBJECT)?;
            if client
                .list(object)
                .await
                .is_ok_and(|found| found.is_empty())
            {
                return Err(NO_OBJECT);
            }
            client
                .call(object, method, arguments)
                .await
                .map_err(|status| i32::try_from(status.code()).unwrap_or(9))
        })
    }

    /// Measures this and that on loopback as the household would, so that there is a history.
    ///
    /// # Panics
    /// When a measurement does not end.
    pub fn measure(&self) {
        let (dns, web) = (self.lab.dns, self.lab.web);
        let ping = json!({"host": "127.0.0.1", "type": "Icmp", "count": 5, "interval": 100});
        let mut runs = vec![("ping", ping); 6];
        for (kind, host) in [
            ("A", "example.net"),
            ("TXT", "text.example"),
            ("MX", "mail.example"),
        ] {
            let options = json!({"host": host, "type": kind, "dns_server": dns.to_string()});
            runs.push(("dnslookup", options));
        }
        let server = json!({"ip": "192.0.2.1", "dns_server": dns.to_string()});
        runs.push(("reversednslookup", server));
        for (method, path) in [("httpdownload", "down"), ("httpupload", "up")] {
            let url = format!("http://{web}/{path}");
            let options = json!({"url": url, "target_time": 2000, "ramp_up_time": 1000, "max_bytes": 50_000_000});
            runs.push((method, options));
        }
        for (method, options) in runs {
            let Ok(Value::Object(begun)) = self.call(
                "glimpse",
                "run",
                &json!({"method": method, "options": options}),
            ) else {
                continue;
            };
            eventually(method, Duration::from_secs(30), || {
                let status = self
                    .call("glimpse", "run_status", &json!({"id": begun.get("id")?}))
                    .ok()?;
                (status["state"] == "done").then_some(())
            });
        }
    }

    /// The files of a folder of the web server, as rpcd lists them; only those of the start page's boxes.
    pub fn boxes(&self, path: &str) -> Called {
        const FOLDER: &str = "view/status/include";
        if path != format!("/www/luci-static/resources/{FOLDER}") {
            return Err(6);
        }
        let folder = application()
            .join("htdocs/luci-static/resources")
            .join(FOLDER);
        let names = fs::read_dir(folder).map_err(|_| 4)?;
        let entries: Vec<Value> = names
            .flatten()
            .map(|file| json!({"name": file.file_name().to_string_lossy(), "type": "file"}))
            .collect();
        Ok(json!({"entries": entries}))
    }

    fn answer(self: &Arc<Self>, request: &Request) -> Response {
        let path = request.path.as_str();
        if let Some(file) = path.strip_prefix("/luci-static/resources/") {
            return file_of(file);
        }
        if let Some(place) = path.strip_prefix("/cgi-bin/luci/") {
            return self.page(place.trim_end_matches('/'), request);
        }
        match (request.method.as_str(), path) {
            ("POST", _) if path.starts_with("/ubus") => Response::ok(
                "application/json",
                rpc::answer(self, &request.body).to_string(),
            ),
            ("POST", "/cgi-bin/cgi-exec") => self.execute(&request.body),
            ("POST", "/host/daemon/start") => {
                self.run_daemon(true);
                Response::ok("application/json", "{}")
            }
            ("POST", "/host/daemon/stop") => {
                self.run_daemon(false);
                Response::ok("application/json", "{}")
            }
            ("POST", "/host/settings") => self.rewrite(&request.body),
            ("GET", "/host/settings") => match self.config().text() {
                Ok(text) => Response::ok("text/plain; charset=utf-8", text),
                Err(error) => Response::error(500, error.to_string()),
            },
            ("GET", "/host/log") => Response::ok("text/plain; charset=utf-8", self.agent().log()),
            ("GET", "/host/lab") => Response::ok(
                "application/json",
                json!({
                    "dns": self.lab.dns.to_string(),
                    "web": format!("http://{}", self.lab.web),
                    "gateway": self.lab.gateway.is_some(),
                    "controller": self.controller.url(),
                    "fingerprint": self.controller.fingerprint,
                })
                .to_string(),
            ),
            ("GET", "/" | "/cgi-bin/luci") => {
                Response::redirect("/cgi-bin/luci/admin/status/glimpse/overview")
            }
            _ => Response::error(404, "no such page"),
        }
    }

    /// The one program of LuCI that the application runs. It tells who asks.
    fn execute(&self, form: &[u8]) -> Response {
        const PROGRAM: &str = "/usr/libexec/luci-peeraddr";
        let form = String::from_utf8_lossy(form).replace("%2F", "/");
        let fields = || form.split('&').filter_map(|field| field.split_once('='));
        let given = |name| fields().find_map(|(field, value)| (field == name).then_some(value));
        let session = given("sessionid").and_then(Session::of);
        let may = session.is_some_and(|session| self.rights.may_run(session, PROGRAM));
        if given("command") != Some(PROGRAM) || !may {
            return Response::error(403, "Access to command denied by ACL");
        }
        Response::ok(
            "application/json",
            json!({"remote_addr": "127.0.0.1", "server_addr": "127.0.0.1"}).to_string(),
        )
    }

    /// Writes the settings as a shell on the router would, and reloads.
    fn rewrite(&self, text: &[u8]) -> Response {
        let mut config = self.config();
        config.revert();
        match fs::write(config.path(), text) {
            Ok(()) => {
                drop(config);
                self.reload();
                Response::ok("application/json", "{}")
            }
            Err(error) => Response::error(500, error.to_string()),
        }
    }

    fn page(&self, place: &str, request: &Request) -> Response {
        let language = self
            .options
            .language
            .as_deref()
            .unwrap_or_else(|| page::language(request.header("accept-language")));
        if let Some(language) = place.strip_prefix("admin/translations/") {
            if language != "en" && !page::LANGUAGES.contains(&language) {
                return Response::error(404, "no such language");
            }
            return Response::ok(
                "text/javascript; charset=utf-8",
                page::translations(language),
            );
        }
        let session = match request.cookie("host_rights") {
            Some("read") => Session::Read,
            Some("write") => Session::Write,
            _ if self.options.read_only => Session::Read,
            _ => Session::Write,
        };
        let node = self.rights.node(place);
        if node.is_none() && place != page::START {
            return Response::error(404, "no such page");
        }
        let html = page::html(&self.rights, node.as_ref(), place, session, language);
        Response::ok("text/html; charset=utf-8", html)
    }
}

/// A file of the stand-in, or of the application.
fn file_of(path: &str) -> Response {
    if path
        .split('/')
        .any(|part| part.starts_with('.') || part.is_empty())
    {
        return Response::error(404, "no such file");
    }
    let found = [
        stand_in(),
        application().join("htdocs/luci-static/resources"),
    ]
    .iter()
    .find_map(|folder| fs::read(folder.join(path)).ok());
    let kind = match Path::new(path).extension().and_then(|end| end.to_str()) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    match found {
        Some(bytes) => Response::ok(kind, bytes),
        None => Response::error(404, "no such file"),
    }
}

/// The objects of a router that the daemon asks.
async fn surroundings(socket: &Path) -> Result<()> {
    let client = Arc::new(Client::connect(socket).await?);
    let folder = super::workspace().join("tests/data/ubus");
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let object = Description::read(&entry?.path())?;
        provider::offer(Arc::clone(&client), object).await?;
    }
    Ok(())
}

/// The daemon's settings: every section named, as on a router; nothing is consented to yet.
fn settings(dir: &Path) -> String {
    let dir = dir.display();
    let mut text = String::new();
    for (section, options) in [
        ("controller", vec![("state_dir", format!("{dir}/state"))]),
        ("consent", vec![("enabled", "0".to_owned())]),
        ("limits", vec![("monthly_bytes", "524288000".to_owned())]),
        (
            "storage",
            vec![
                ("spool_dir", format!("{dir}/spool")),
                ("history_dir", format!("{dir}/history")),
            ],
        ),
        (
            "local",
            vec![
                ("socket", format!("{dir}/run/agent.sock")),
                ("ubus", format!("{dir}/ubus.sock")),
            ],
        ),
        ("log", vec![("level", "debug".to_owned())]),
        ("lab", vec![("targets", "1".to_owned())]),
    ] {
        let _ = writeln!(text, "config {section} '{section}'");
        for (name, value) in options {
            let _ = writeln!(text, "\toption {name} '{value}'");
        }
        text.push('\n');
    }
    text
}
