//! A file system of its own in a file: ext4 on a loop device. It can lose its power.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

/// `FS_IOC_SHUTDOWN` with the flag that not even the journal is written.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// A mounted file system. Dropped, it is unmounted and gone.
pub struct Mount {
    folder: TempDir,
    image: PathBuf,
}

impl Mount {
    /// Makes and mounts one of so many bytes; an error says what the machine lacks.
    pub fn new(bytes: u64) -> Result<Mount, String> {
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        let image = folder.path().join("image");
        let mount = Mount { folder, image };
        std::fs::create_dir(mount.path()).map_err(|error| error.to_string())?;
        let image = File::create(&mount.image).and_then(|file| file.set_len(bytes));
        image.map_err(|error| error.to_string())?;
        command("mkfs.ext4", &["-q", "-F", "-m", "0", &text(&mount.image)])?;
        mount.mount()?;
        Ok(mount)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    /// Whatever was not durable is lost, and nothing can be written any more.
    pub fn lose_power(&self) -> Result<(), String> {
        command("python3", &["-c", SHUTDOWN, &text(&self.path())])
    }

    /// The kernel finds the file system in error and makes it read-only.
    pub fn fail(&self) -> Result<(), String> {
        command("mount", &["-o", "remount,abort", &text(&self.path())])
    }

    pub fn mount(&self) -> Result<(), String> {
        command("mount", &["-o", "loop", &text(&self.image), &text(&self.path())])
    }

    /// Takes the file system away once nobody uses it.
    pub fn unmount(&self) -> Result<(), String> {
        let mut result = Ok(());
        for _ in 0..50 {
            result = command("umount", &[&text(&self.path())]);
            if result.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        result
    }

    /// Takes the file system away although it is in use, and puts a copy of it in its place.
    pub fn replace(&mut self) -> Result<(), String> {
        command("umount", &["-l", &text(&self.path())])?;
        let copy = self.folder.path().join("copy");
        command("cp", &["--sparse=always", &text(&self.image), &text(&copy)])?;
        self.image = copy;
        self.mount()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // One that was never mounted, or is still in use after a panic.
        if self.unmount().is_err() {
            let _ = command("umount", &["-l", &text(&self.path())]);
        }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn command(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
