//! nginx, as Debian packages it, serving files over TLS on loopback.

use anyhow::{Context, Result, ensure};
use glimpse_tests::program::Running;
use nix::sys::signal::Signal;
use nix::unistd::Uid;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// For its workers to end after the last request.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Ended with all its workers when it is dropped.
pub(super) struct Nginx {
    running: Option<Running>,
    port: u16,
    _dir: TempDir,
}

/// A file that is served at `/NAME`, with the same packed.
pub(super) struct Served {
    pub(super) name: &'static str,
    pub(super) media_type: &'static str,
    pub(super) identity: Vec<u8>,
    pub(super) gzip: Vec<u8>,
}

impl Nginx {
    /// Serves the files with the certificate of the controller in `controller`.
    pub(super) fn start(program: &Path, controller: &Path, files: &[Served]) -> Result<Self> {
        ensure!(
            program.exists(),
            "{} is not there: install Debian's nginx, or name one with --nginx",
            program.display()
        );
        let dir = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        for file in files {
            fs::write(dir.path().join(file.name), &file.identity)?;
            fs::write(dir.path().join(format!("{}.gz", file.name)), &file.gzip)?;
        }
        let config = dir.path().join("nginx.conf");
        let pem = controller.join("pki/server.pem");
        fs::write(&config, configuration(dir.path(), port, &pem, files))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(dir.path()).arg("-c").arg(&config);
        let log = dir.path().join("log");
        let running = Running::start(&mut command, &log);
        let mut nginx = Self {
            running: Some(running),
            port,
            _dir: dir,
        };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(nginx);
            }
            if nginx.running.as_mut().and_then(Running::exited).is_some() {
                break;
            }
            pause();
        }
        let said = fs::read_to_string(&log).unwrap_or_default();
        Err(anyhow::anyhow!("nginx does not serve: {}", said.trim()))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        if running.exited().is_some() {
            return;
        }
        // Its first process ends the others; ended as by a crash it would leave them behind.
        running.signal(Signal::SIGTERM);
        let turns = PATIENCE.as_millis() / PAUSE.as_millis();
        for _ in 0..turns {
            if running.exited().is_some() {
                return;
            }
            pause();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program is waited for outside any runtime"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}

fn configuration(dir: &Path, port: u16, pem: &Path, files: &[Served]) -> String {
    let [dir, pem] = [dir, pem].map(Path::display);
    let user = if Uid::effective().is_root() {
        "user root root;\n"
    } else {
        ""
    };
    let location = |file: &Served| {
        let (name, media_type) = (file.name, file.media_type);
        format!("location = /{name} {{ types {{ }} default_type {media_type}; }}")
    };
    let locations = files.iter().map(location).collect::<Vec<_>>().join("\n");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};"))
        .join("\n");
    format!(
        "{user}daemon off;\nworker_processes auto;\npid {dir}/pid;\nerror_log stderr error;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\naccess_log off;\nsendfile on;\ntcp_nopush on;\nopen_file_cache max=100;\n\
         keepalive_requests 100000000;\netag on;\ngzip_static on;\ngzip_vary on;\n{temporary}\n\
         server {{\nlisten 127.0.0.1:{port} ssl backlog=1024;\nroot {dir};\n\
         ssl_certificate {pem};\nssl_certificate_key {pem};\nssl_protocols TLSv1.3;\n{locations}\n}}\n}}\n"
    )
}

/// The version, for people.
pub(super) fn describe(program: &Path) -> Result<String> {
    let output = Command::new(program)
        .arg("-v")
        .output()
        .with_context(|| program.display().to_string())?;
    Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// Where Debian puts it.
pub(super) fn program(given: Option<PathBuf>) -> PathBuf {
    given.unwrap_or_else(|| "/usr/sbin/nginx".into())
}
