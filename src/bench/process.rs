//! CPU time of a process, its memory and what it writes to the disk, as Linux tells it in `/proc`; elsewhere nobody is asked.

use std::path::Path;
use std::time::Duration;

/// Clock ticks in a second: USER_HZ, the same on every architecture that we know.
const TICKS_PER_SECOND: u64 = 100;
/// Places of utime and stime after the name of the program (proc(5), `/proc/PID/stat`).
const UTIME: usize = 11;

/// User and system time that all threads of the process `pid` have used so far; `None` where the system does not tell.
#[must_use]
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    parse(&stat)
}

/// Octets that the process `pid` has sent on their way to the disk so far: whole pages, each once for every time that it
/// was changed and flushed (proc(5), `write_bytes` in `/proc/PID/io`). `None` where the system does not tell.
#[must_use]
pub fn octets_written(pid: u32) -> Option<u64> {
    let io = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
}

/// The most memory that the process `pid` held at any time so far, in octets (proc(5), `VmHWM` in `/proc/PID/status`).
/// `None` where the system does not tell.
#[must_use]
pub fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

fn parse(stat: &str) -> Option<Duration> {
    // The name stands in parentheses and may hold spaces and parentheses itself.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(UTIME).map(str::parse::<u64>);
    let ticks = times.next()?.ok()?.checked_add(times.next()?.ok()?)?;
    Some(Duration::from_millis(ticks.checked_mul(1000 / TICKS_PER_SECOND)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        let stat = "7 (a ) (b) S 1 7 7 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 3 0 9 9 9";
        assert_eq!(parse(stat), Some(Duration::from_millis(1680)));
        assert_eq!(parse("7 (a) S 1"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_tells_it_of_this_process() {
        assert!(cpu_time(std::process::id()).is_some());
        assert!(cpu_time(0).is_none());
        assert!(octets_written(std::process::id()).is_some());
        assert!(octets_written(0).is_none());
        assert!(peak_memory(std::process::id()).is_some_and(|octets| octets > 1 << 20));
        assert!(peak_memory(0).is_none());
    }
}
