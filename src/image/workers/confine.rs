//! What a worker gives up before it looks at the first image.
//!
//! First the bounds that it may be prepared under, then, when all files are read, the filter: of the
//! kernel's calls a worker keeps those that move memory and talk over the socket it has. Any other
//! kills it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule,
};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

use super::frame::Welcome;
use super::settings::Priority;

/// Whether a worker's handler may start threads once it is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// It may; they are confined like the worker.
    Allowed,
    /// It is killed if it tries.
    Forbidden,
}

/// Open files of a worker: standard ones, socket, slot, and some to spare. Nothing can open more.
const OPEN_FILES: u64 = 16;

/// How gladly the kernel ends a worker when the machine is out of memory: before anything else.
const FIRST_TO_GO: &str = "1000";

/// The bounds under which a worker prepares itself.
///
/// # Errors
/// The kernel refuses one.
pub(super) fn bound(welcome: &Welcome) -> io::Result<()> {
    // The socket's end tells of the node's death as well, but not while a job runs.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    stand_back(welcome.priority)?;
    limit(Resource::Core, 0)?;
    limit(Resource::As, welcome.memory)?;
    limit(Resource::Fsize, welcome.slot as u64)?;
    // Where `/proc` is closed, the node's own value stays.
    let _ = std::fs::write("/proc/self/oom_score_adj", FIRST_TO_GO);
    let _ = rustix::thread::set_name(c"brink-image");
    Ok(())
}

/// The last step: from here on nothing can be opened.
///
/// # Errors
/// The kernel refuses the filter; then no image may be looked at.
pub(super) fn close(socket: BorrowedFd, threads: Threads) -> io::Result<()> {
    limit(Resource::Nofile, OPEN_FILES)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    for program in filters(socket, threads).map_err(io::Error::other)? {
        seccompiler::apply_filter_all_threads(&program).map_err(io::Error::other)?;
    }
    Ok(())
}

fn stand_back(priority: Priority) -> io::Result<()> {
    if priority == Priority::Normal {
        return Ok(());
    }
    if priority == Priority::Idle {
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        // It also sets the nice value to 0, which fails below a node that is nice; that the policy
        // holds is what counts.
        let set = thread_priority::set_thread_priority_and_policy(
            thread_priority::thread_native_id(),
            ThreadPriority::Min,
            policy,
        );
        if thread_priority::thread_schedule_policy().ok() != Some(policy) {
            return Err(io::Error::other(format!("no idle scheduling: {set:?}")));
        }
    }
    rustix::process::nice(19)?;
    Ok(())
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filters to install, in this order.
fn filters(
    socket: BorrowedFd,
    threads: Threads,
) -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let kill = SeccompAction::KillProcess;
    let mut programs = Vec::new();
    let mut rules = calls(socket)?;
    if threads == Threads::Allowed {
        rules.extend(thread_calls()?);
        // Its flags lie in memory, where a filter cannot see them. Told that there is no such call,
        // the C library takes the older one.
        let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
        let newer: Rules = [(libc::SYS_clone3, Vec::new())].into();
        programs.push(compile(newer, SeccompAction::Allow, unknown)?);
    }
    programs.push(compile(rules, kill, SeccompAction::Allow)?);
    Ok(programs)
}

fn compile(
    rules: Rules,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, seccompiler::BackendError> {
    SeccompFilter::new(rules, others, these, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// What every worker may do.
fn calls(socket: BorrowedFd) -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    for call in [
        // Memory that is there.
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_brk,
        libc::SYS_madvise,
        // Waiting, within the process.
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_nanosleep,
        libc::SYS_clock_nanosleep,
        libc::SYS_restart_syscall,
        // Looking at itself and at the clock.
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_gettimeofday,
        libc::SYS_getcpu,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getrandom,
        libc::SYS_sched_getaffinity,
        libc::SYS_sysinfo,
        // Failing in good order.
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_close,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ] {
        rules.insert(call, Vec::new());
    }
    // No memory becomes code, and no file that the node left open becomes memory.
    let no_code = when(2, Op::MaskedEq(libc::PROT_EXEC.unsigned_abs().into()), 0)?;
    let no_file = when(4, Op::Eq, u32::MAX.into())?;
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![no_code.clone(), no_file])?]);
    rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![no_code])?]);
    // Last words, which nobody hears.
    let mut nowhere = Vec::new();
    for file in [libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        nowhere.push(SeccompRule::new(vec![when(0, Op::Eq, file.unsigned_abs().into())?])?);
    }
    rules.insert(libc::SYS_write, nowhere);
    // To the node, without an address.
    let node = when(0, Op::Eq, u64::from(socket.as_raw_fd().unsigned_abs()))?;
    let plain = SeccompCondition::new(4, Len::Qword, Op::Eq, 0)?;
    for call in [libc::SYS_sendto, libc::SYS_recvfrom] {
        rules.insert(call, vec![SeccompRule::new(vec![node.clone(), plain.clone()])?]);
    }
    // Naming threads, and memory, as the allocator does.
    let mut names = Vec::new();
    for what in [libc::PR_SET_NAME, libc::PR_SET_VMA] {
        names.push(SeccompRule::new(vec![when(0, Op::Eq, what.unsigned_abs().into())?])?);
    }
    rules.insert(libc::SYS_prctl, names);
    // In builds that check themselves, the library looks whether what it closes is open.
    let open = when(1, Op::Eq, libc::F_GETFD.unsigned_abs().into())?;
    rules.insert(libc::SYS_fcntl, vec![SeccompRule::new(vec![open])?]);
    // `abort` signals itself.
    let oneself = when(0, Op::Eq, u64::from(std::process::id()))?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![oneself])?]);
    Ok(rules)
}

/// What it takes to start and end a thread.
fn thread_calls() -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    for call in [libc::SYS_clone3, libc::SYS_set_robust_list, libc::SYS_rseq] {
        rules.insert(call, Vec::new());
    }
    let thread = (libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND).unsigned_abs().into();
    let same_process = when(0, Op::MaskedEq(thread), thread)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![same_process])?]);
    Ok(rules)
}

/// The lower half of an argument compares to `value`.
fn when(argument: u8, how: Op, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, Len::Dword, how, value)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn nothing_that_opens_starts_or_reaches_is_allowed() {
        let socket = std::io::stdin();
        let mut rules = calls(socket.as_fd()).unwrap();
        rules.extend(thread_calls().unwrap());
        for call in [
            libc::SYS_openat,
            libc::SYS_read,
            libc::SYS_pread64,
            libc::SYS_pwrite64,
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_writev,
            libc::SYS_kill,
            libc::SYS_prlimit64,
            libc::SYS_setpriority,
            libc::SYS_ioctl,
            libc::SYS_io_uring_setup,
            libc::SYS_sendmsg,
            libc::SYS_recvmsg,
            libc::SYS_memfd_create,
            libc::SYS_ftruncate,
            libc::SYS_fallocate,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
        assert_eq!(filters(socket.as_fd(), Threads::Forbidden).unwrap().len(), 1);
        assert_eq!(filters(socket.as_fd(), Threads::Allowed).unwrap().len(), 2);
    }
}
