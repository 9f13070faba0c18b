//! What a container, or a group that this machine's servers share, is given of the machine (cgroups, both versions).
//!
//! Counted are the groups above this process's own and the outermost one that is seen: inside a container that one is the
//! container. Its own group, when it is not the outermost, is the agent's alone: a limit there says nothing of a model
//! server, which is in another.
//!
//! Sources: cgroups(7), the kernel's `cgroup-v2.rst` and `cgroup-v1/memory.rst`.

use super::tree::Tree;

/// Folders above each other that are looked at; nobody nests deeper.
const DEEP: usize = 16;
/// From here on the first version means "no limit".
const NONE: u64 = 1 << 62;

/// A limit of memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) limit: u64,
    /// Used, without files that the kernel can give up.
    pub(super) used: u64,
}

/// The files of one version.
struct Version {
    /// Where groups are seen.
    root: &'static str,
    /// As `/proc/self/cgroup` calls it.
    is_ours: fn(&str) -> bool,
    limit: &'static str,
    used: &'static str,
    /// In `memory.stat`, of this group and all below it.
    inactive: &'static str,
}

const TWO: Version = Version {
    root: "sys/fs/cgroup",
    is_ours: |controllers| controllers.is_empty(),
    limit: "memory.max",
    used: "memory.current",
    inactive: "inactive_file",
};
const ONE: Version = Version {
    root: "sys/fs/cgroup/memory",
    is_ours: |controllers| controllers.split(',').any(|controller| controller == "memory"),
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    inactive: "total_inactive_file",
};

/// The limit of what servers run in that leaves least, if there is one.
pub(super) fn memory(tree: &Tree) -> Option<Bound> {
    within(tree, shared)
}

/// The limit of this very process that leaves least.
pub(super) fn own(tree: &Tree) -> Option<Bound> {
    within(tree, |group| {
        let mut groups = shared(group);
        groups.push(group.trim_end_matches('/'));
        groups
    })
}

fn within(tree: &Tree, groups_of: fn(&str) -> Vec<&str>) -> Option<Bound> {
    let version = if tree.has("sys/fs/cgroup/cgroup.controllers") { TWO } else { ONE };
    let groups = tree.read("proc/self/cgroup").unwrap_or_default();
    let group = group(&groups, version.is_ours).unwrap_or("/");
    let bounds = groups_of(group).into_iter().filter_map(|group| {
        let folder = format!("{}{group}", version.root);
        // The second version writes `max` where there is none.
        let limit =
            tree.number::<u64>(format!("{folder}/{}", version.limit)).filter(|limit| *limit < NONE)?;
        let used: u64 = tree.number(format!("{folder}/{}", version.used))?;
        let stat = tree.read(format!("{folder}/memory.stat")).unwrap_or_default();
        let inactive = field(&stat, version.inactive).unwrap_or(0);
        Some(Bound { limit, used: used.saturating_sub(inactive) })
    });
    bounds.min_by_key(|bound| bound.limit.saturating_sub(bound.used))
}

/// Processors that a container is given, if it is given less than all: a quota of their time.
pub(super) fn cpus(tree: &Tree) -> Option<f64> {
    let (quota, period): (f64, f64) = if tree.has("sys/fs/cgroup/cgroup.controllers") {
        let told = tree.word("sys/fs/cgroup/cpu.max")?;
        let (quota, period) = told.split_once(' ')?;
        (quota.parse().ok()?, period.parse().ok()?)
    } else {
        let of = |name| tree.number(format!("sys/fs/cgroup/cpu/{name}"));
        (of("cpu.cfs_quota_us")?, of("cpu.cfs_period_us")?)
    };
    let given = quota / period;
    // −1 is no quota in the first version.
    (given.is_finite() && given > 0.0).then_some(given)
}

/// The path of the group that this process is in, by the lines of `/proc/self/cgroup`.
fn group(groups: &str, is_ours: fn(&str) -> bool) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?;
        is_ours(controllers).then(|| parts.next()).flatten()
    })
}

/// The groups above a group, and the outermost one: as paths without a slash at the end.
fn shared(own: &str) -> Vec<&str> {
    let ends = own.match_indices('/').map(|(at, _)| at).take(DEEP);
    ends.filter_map(|end| own.get(..end)).collect()
}

fn field(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::super::machines::{Machine, files};
    use super::*;

    fn check(listed: &[(&str, &str)], expected: Option<(u64, u64)>) {
        let machine: Machine = files(listed);
        let found = memory(&machine.tree).map(|bound| (bound.limit, bound.used));
        assert_eq!(found, expected, "{listed:?}");
    }

    #[test]
    fn a_container_is_the_outermost_group_that_it_sees() {
        let two = [
            ("sys/fs/cgroup/cgroup.controllers", "cpu memory"),
            ("proc/self/cgroup", "0::/"),
            ("sys/fs/cgroup/memory.max", "4294967296"),
            ("sys/fs/cgroup/memory.current", "2000000000"),
            ("sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 500000000\nactive_file 3\n"),
        ];
        check(&two, Some((4_294_967_296, 1_500_000_000)));
        check(&two[..2], None);
        let one = [
            ("proc/self/cgroup", "5:cpu,cpuacct:/docker/12ab\n4:memory:/docker/12ab\n0::/docker/12ab"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000"),
            ("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 400"),
        ];
        check(&one, Some((1 << 30, 600)));
    }

    #[test]
    fn a_limit_of_the_agent_alone_is_none_of_a_server_and_one_of_their_slice_is() {
        let service = [
            ("sys/fs/cgroup/cgroup.controllers", "memory"),
            ("proc/self/cgroup", "0::/models.slice/herdwick-node.service"),
            ("sys/fs/cgroup/models.slice/herdwick-node.service/memory.max", "67108864"),
            ("sys/fs/cgroup/models.slice/herdwick-node.service/memory.current", "1"),
            ("sys/fs/cgroup/models.slice/memory.max", "max"),
            ("sys/fs/cgroup/models.slice/memory.current", "7"),
        ];
        check(&service, None);
        let mut bounded = service;
        bounded[4].1 = "9000";
        check(&bounded, Some((9_000, 7)));
    }

    #[test]
    fn no_limit_and_no_number_are_no_limit() {
        for limit in ["9223372036854771712", "max", "", "-1", "1e9"] {
            check(
                &[
                    ("proc/self/cgroup", "4:memory:/"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", limit),
                    ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1"),
                ],
                None,
            );
        }
    }

    #[test]
    fn a_quota_of_time_is_so_many_processors() {
        let two =
            |told| files(&[("sys/fs/cgroup/cgroup.controllers", "cpu"), ("sys/fs/cgroup/cpu.max", told)]);
        assert_eq!(cpus(&two("250000 100000").tree), Some(2.5));
        for told in ["max 100000", "0 100000", "100000 0", "100000", ""] {
            assert_eq!(cpus(&two(told).tree), None, "{told:?}");
        }
        let one = |quota| {
            files(&[
                ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota),
                ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"),
            ])
        };
        assert_eq!((cpus(&one("150000").tree), cpus(&one("-1").tree)), (Some(1.5), None));
    }
}
