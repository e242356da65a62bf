//! The other side: this very test program, which plays a worker, or a node that has one, when it finds
//! [`PART`] in its environment. A job's order says what to do.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use brink::image::workers::{Launch, Pool, Threads, work};

/// Set where this program plays a part, which it names.
const PART: &str = "BRINK_TEST_PART";

/// How this program is started for a part.
pub fn worker(part: &str) -> Launch {
    let arguments =
        ["image_workers::part::plays_its_part", "--exact", "--nocapture", "--test-threads=1"];
    Launch {
        program: std::env::current_exe().unwrap(),
        arguments: arguments.map(OsString::from).into(),
        environment: vec![(PART.into(), part.into())],
    }
}

/// Not a scenario: in a run of the tests there is no part to play.
#[test]
fn plays_its_part() {
    match std::env::var(PART) {
        Err(_) => {}
        Ok(part) if part == "node" => play_node(),
        Ok(part) => std::process::exit(play_worker(&part)),
    }
}

/// Has a worker do one job, tells its number, and never ends by itself.
fn play_node() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(async {
        let pool = Pool::new(&super::settings(), worker("sound")).unwrap();
        println!("worker {}", super::pid(&pool).await);
        // Busy when the node dies, so that it is not the socket's end that ends it.
        super::run(&pool, "spin").await.unwrap();
    });
}

fn play_worker(part: &str) -> i32 {
    let threads = if part == "threads" { Threads::Allowed } else { Threads::Forbidden };
    // Open from before: the node's socket by another number, and a file.
    let mut socket = File::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut file = File::open("/proc/self/status").unwrap();
    let code = work(threads, || match part {
        "unfit" => Err("no font was found".into()),
        "gone" => std::process::exit(7),
        _ => Ok(move |order: &[u8], inputs: &[&[u8]], out: &mut Vec<u8>| {
            match std::str::from_utf8(order).unwrap() {
                "forge" => socket.write_all(&[1, 2, 3]).unwrap(),
                "read" => drop(file.read_to_end(out).unwrap()),
                order => return obey(order, inputs, out),
            }
            Vec::new()
        }),
    });
    i32::from(code != ExitCode::SUCCESS)
}

/// What most orders mean.
fn obey(order: &str, inputs: &[&[u8]], out: &mut Vec<u8>) -> Vec<u8> {
    let (verb, rest) = order.split_once(' ').unwrap_or((order, ""));
    match verb {
        "join" => inputs.iter().for_each(|input| out.extend_from_slice(input)),
        "make" => out.resize(rest.parse().unwrap(), b'm'),
        "head" => return vec![b'h'; rest.parse().unwrap()],
        "pid" => return std::process::id().to_string().into_bytes(),
        "environment" => return format!("{:?}", std::env::vars().collect::<Vec<_>>()).into(),
        "wait" => std::thread::sleep(Duration::from_millis(rest.parse().unwrap())),
        "panic" => panic!("as told: {rest}"),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(0),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "sleep" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        "grow" => loop {
            out.extend_from_slice(&[1; 1 << 20]);
        },
        "dive" => out.push(dive(1)),
        "open" => drop(File::open("/etc/passwd")),
        "create" => drop(File::create("/tmp/by-a-worker")),
        "connect" => drop(std::net::TcpStream::connect("127.0.0.1:9")),
        "listen" => drop(std::os::unix::net::UnixStream::pair()),
        "run" => drop(std::process::Command::new("/bin/true").spawn()),
        "thread" => return std::thread::spawn(|| b"from a thread".to_vec()).join().unwrap(),
        "signal" => drop(rustix::process::kill_process(
            rustix::process::getppid().unwrap(),
            rustix::process::Signal::TERM,
        )),
        other => return format!("unknown: {other}").into_bytes(),
    }
    format!("{verb} done").into_bytes()
}

/// Recurses until the stack is at its end.
#[expect(unconditional_recursion)]
fn dive(depth: u64) -> u8 {
    let frame = std::hint::black_box([depth; 512]);
    dive(depth + 1).wrapping_add(frame[0] as u8)
}
