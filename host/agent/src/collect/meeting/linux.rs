//! Cameras and microphones of Linux. A microphone is in use while a capture stream runs, which the kernel shows to
//! everybody. A camera is in use while a program holds it open; that is looked for only while a camera is awake, and
//! only in what this user may see.
//!
//! Not seen: microphones of headsets on Bluetooth, which are no sound cards; cameras of other users' programs. Taken for
//! a meeting: whatever records, a dictation as well.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::time::Duration;

use herdwick_fleet::Column;

use crate::collect::source::{Found, Next, Source};
use crate::collect::tree::Tree;

/// Between two looks: work that is running when a meeting begins is not moved anyway.
const PAUSE: Duration = Duration::from_secs(5);
/// Three looks.
const KEEPS: Duration = Duration::from_secs(15);
/// Looks between two searches for who holds a camera, when nobody was found: it is awake for another reason, and a search
/// of a desktop's 20,000 open files takes some 85 ms.
const SEARCHES: u32 = 11;
/// Open files that one search looks at.
const FILES: usize = 50_000;
/// Bytes of a program's map that are read.
const MAP: u64 = 4 << 20;
/// Drivers of cameras. Others of the same kind are decoders, television cards and cameras that programs play.
const CAMERAS: [&str; 3] = ["uvcvideo", "gspca", "intel-ipu"];
/// Programs that hold cameras open to know of them. They use one only while they also see its pictures.
const STEWARDS: [&str; 3] = ["pipewire", "wireplumber", "pipewire-media-"];

/// Looks for meetings.
#[derive(Debug)]
pub(in crate::collect) struct Meeting {
    tree: Tree,
    /// The process that held a camera at the last look. It is told to nobody.
    holder: Option<String>,
    /// Looks until the next search.
    rest: u32,
}

impl Meeting {
    /// Looks below a root.
    pub(in crate::collect) fn new(tree: Tree) -> Self {
        Self { tree, holder: None, rest: 0 }
    }

    /// Whether a camera or a microphone is in use; `None` where neither can be told.
    fn is_on(&mut self) -> Option<bool> {
        let records = records(&self.tree);
        let films = self.films();
        match (records, films) {
            (None, None) => None,
            (records, films) => Some(records == Some(true) || films == Some(true)),
        }
    }

    fn films(&mut self) -> Option<bool> {
        let nodes = self.tree.list("sys/class/video4linux")?;
        let cameras: Vec<_> = nodes.into_iter().filter(|node| is_camera(&self.tree, node)).collect();
        if !cameras.iter().any(|camera| is_awake(&self.tree, camera)) {
            (self.holder, self.rest) = (None, 0);
            return Some(false);
        }
        let cameras: Vec<_> = cameras.iter().map(|camera| format!("/dev/{camera}")).collect();
        let mut left = FILES;
        if self.holder.as_ref().is_some_and(|pid| uses(&self.tree, pid, &cameras, &mut left)) {
            return Some(true);
        }
        self.holder = None;
        if self.rest > 0 {
            self.rest -= 1;
            return Some(false);
        }
        self.rest = SEARCHES;
        let processes = self.tree.list("proc").unwrap_or_default().into_iter();
        let mut processes = processes.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        self.holder = processes.find(|pid| uses(&self.tree, pid, &cameras, &mut left));
        Some(self.holder.is_some())
    }
}

impl Source for Meeting {
    fn name(&self) -> &'static str {
        "meetings"
    }

    fn keeps(&self) -> Option<Duration> {
        Some(KEEPS)
    }

    fn look(&mut self) -> (Found, Next) {
        let mut found = Found::default();
        found.add(Column::Meeting, self.is_on().map(|is_on| f64::from(u8::from(is_on))));
        (found, Next::After(PAUSE))
    }
}

/// Whether a capture stream of a sound card runs; `None` where there is no sound.
fn records(tree: &Tree) -> Option<bool> {
    let within = |folder: &str, prefix: &str, suffix: &str| {
        let names = tree.list(folder).unwrap_or_default().into_iter();
        let names = names.filter(|name| name.starts_with(prefix) && name.ends_with(suffix));
        names.map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
    };
    tree.list("proc/asound")?;
    let devices = within("proc/asound", "card", "").into_iter().flat_map(|card| within(&card, "pcm", "c"));
    let mut streams = devices.flat_map(|device| within(&device, "sub", ""));
    Some(streams.any(|stream| tree.read(format!("{stream}/status")).is_some_and(|status| runs(&status))))
}

/// A stream that nobody uses says `closed`, others say their state first.
fn runs(status: &str) -> bool {
    status
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("state:"))
        .is_some_and(|state| state.trim() == "RUNNING")
}

fn is_camera(tree: &Tree, node: &str) -> bool {
    let driver = fs::read_link(tree.path(format!("sys/class/video4linux/{node}/device/driver")));
    let driver = driver.ok().and_then(|driver| Some(driver.file_name()?.to_str()?.to_owned()));
    node.starts_with("video")
        && driver.is_some_and(|driver| CAMERAS.iter().any(|camera| driver.starts_with(camera)))
}

/// A camera that nobody uses is put to sleep within seconds; one that cannot sleep is always awake.
fn is_awake(tree: &Tree, node: &str) -> bool {
    let status = tree.word(format!("sys/class/video4linux/{node}/device/power/runtime_status"));
    status.as_deref() != Some("suspended")
}

/// Whether a process has one of the cameras open, and not just to know of it. `left` is how many more files may be
/// looked at.
fn uses(tree: &Tree, pid: &str, cameras: &[String], left: &mut usize) -> bool {
    let Ok(files) = fs::read_dir(tree.path(format!("proc/{pid}/fd"))) else { return false };
    let is_camera =
        |path: &Path| path.to_str().is_some_and(|path| cameras.iter().any(|camera| camera == path));
    let holds = files
        .flatten()
        .take_while(|_| take_one(left))
        .any(|file| fs::read_link(file.path()).is_ok_and(|path| is_camera(&path)));
    let is_steward =
        || tree.word(format!("proc/{pid}/comm")).is_some_and(|name| STEWARDS.contains(&name.as_str()));
    holds && (!is_steward() || sees(tree, pid, cameras))
}

/// Whether pictures of a camera lie in a process's memory.
fn sees(tree: &Tree, pid: &str, cameras: &[String]) -> bool {
    let Ok(map) = fs::File::open(tree.path(format!("proc/{pid}/maps"))) else { return false };
    let lines = BufReader::new(map.take(MAP)).lines().map_while(Result::ok);
    let mut mapped = lines.filter_map(|line| Some(line.rsplit_once(' ')?.1.to_owned()));
    mapped.any(|path| cameras.contains(&path))
}

fn take_one(left: &mut usize) -> bool {
    let has_one = *left > 0;
    *left = left.saturating_sub(1);
    has_one
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const RUNNING: &str = "state: RUNNING\nowner_pid   : 2042\ntrigger_time: 4711.123\n";

    /// A machine with a sound card and a camera, both of which rest.
    fn machine(test: &str) -> Tree {
        let tree = Tree::below(crate::tests::folder(test));
        write(&tree, "proc/asound/version", "Advanced Linux Sound Architecture Driver\n");
        write(&tree, "proc/asound/card0/pcm0c/sub0/status", "closed\n");
        write(&tree, "proc/asound/card0/pcm0p/sub0/status", RUNNING);
        camera(&tree, "video0", "uvcvideo");
        tree
    }

    fn write(tree: &Tree, path: &str, content: &str) {
        let file = tree.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    fn camera(tree: &Tree, node: &str, driver: &str) {
        write(tree, &format!("sys/class/video4linux/{node}/device/power/runtime_status"), "suspended\n");
        let link = tree.path(format!("sys/class/video4linux/{node}/device/driver"));
        symlink(format!("../../../bus/usb/drivers/{driver}"), link).unwrap();
    }

    fn wake(tree: &Tree, node: &str, status: &str) {
        write(tree, &format!("sys/class/video4linux/{node}/device/power/runtime_status"), status);
    }

    fn process(tree: &Tree, pid: u32, name: &str, opens: &str) {
        write(tree, &format!("proc/{pid}/comm"), &format!("{name}\n"));
        fs::create_dir_all(tree.path(format!("proc/{pid}/fd"))).unwrap();
        symlink("/dev/null", tree.path(format!("proc/{pid}/fd/0"))).unwrap();
        symlink(opens, tree.path(format!("proc/{pid}/fd/9"))).unwrap();
    }

    fn told(meeting: &mut Meeting) -> Option<f64> {
        let (found, next) = meeting.look();
        assert_eq!(next, Next::After(PAUSE));
        found.readings.first().map(|(column, value)| (*column == Column::Meeting).then_some(*value).unwrap())
    }

    #[test]
    fn a_microphone_that_records_is_a_meeting_and_music_is_none() {
        let tree = machine("meeting-sound");
        let mut meeting = Meeting::new(tree.clone());
        assert_eq!(told(&mut meeting), Some(0.0), "music plays");
        write(&tree, "proc/asound/card1/pcm2c/sub0/status", RUNNING);
        assert_eq!(told(&mut meeting), Some(1.0));
        write(&tree, "proc/asound/card1/pcm2c/sub0/status", "state: PREPARED\n");
        assert_eq!(told(&mut meeting), Some(0.0));
        for odd in ["", "RUNNING", "state:", "\n\n"] {
            write(&tree, "proc/asound/card1/pcm2c/sub0/status", odd);
            assert_eq!(told(&mut meeting), Some(0.0), "{odd:?}");
        }
    }

    #[test]
    fn a_camera_that_is_held_open_is_a_meeting_until_it_is_let_go() {
        let tree = machine("meeting-camera");
        process(&tree, 4_711, "firefox", "/dev/video0");
        let mut meeting = Meeting::new(tree.clone());
        assert_eq!(told(&mut meeting), Some(0.0), "it sleeps, so nobody films");
        wake(&tree, "video0", "active\n");
        assert_eq!((told(&mut meeting), told(&mut meeting)), (Some(1.0), Some(1.0)));
        fs::remove_file(tree.path("proc/4711/fd/9")).unwrap();
        // It is seen at once by who was known, and awake cameras are not searched for at every look.
        assert_eq!(told(&mut meeting), Some(0.0));
        process(&tree, 4_712, "zoom", "/dev/video0");
        let looks: Vec<_> = (0..SEARCHES).map(|_| told(&mut meeting)).collect();
        assert_eq!(looks.last(), Some(&Some(1.0)), "{looks:?}");
        wake(&tree, "video0", "suspended\n");
        assert_eq!(told(&mut meeting), Some(0.0));
    }

    #[test]
    fn who_only_knows_of_a_camera_does_not_use_it() {
        let tree = machine("meeting-steward");
        wake(&tree, "video0", "active\n");
        process(&tree, 900, "wireplumber", "/dev/video0");
        process(&tree, 901, "pipewire", "/dev/video0");
        write(
            &tree,
            "proc/901/maps",
            "7f00-7f01 rw-s 0000 00:05 12  /dev/snd/pcm\n7f02-7f03 r--p 0 00:00 0\n",
        );
        assert_eq!(told(&mut Meeting::new(tree.clone())), Some(0.0));
        write(&tree, "proc/901/maps", "7f00-7f01 rw-s 0000 00:05 612                    /dev/video0\n");
        assert_eq!(told(&mut Meeting::new(tree)), Some(1.0));
    }

    #[test]
    fn what_is_no_camera_films_nobody() {
        let tree = machine("meeting-decoder");
        for (node, driver) in
            [("video1", "bcm2835-codec"), ("video2", "v4l2loopback"), ("radio0", "uvcvideo")]
        {
            camera(&tree, node, driver);
            wake(&tree, node, "active\n");
            process(&tree, 5_000, "vlc", &format!("/dev/{node}"));
            assert_eq!(told(&mut Meeting::new(tree.clone())), Some(0.0), "{node}");
            fs::remove_dir_all(tree.path("proc/5000")).unwrap();
        }
    }

    #[test]
    fn without_sound_and_video_nothing_is_told() {
        let tree = Tree::below(crate::tests::folder("meeting-none"));
        let mut meeting = Meeting::new(tree.clone());
        assert_eq!(told(&mut meeting), None);
        write(&tree, "sys/class/video4linux/video0/device/uevent", "");
        assert_eq!(told(&mut meeting), Some(0.0));
    }

    #[test]
    fn a_search_has_an_end() {
        let tree = machine("meeting-many");
        process(&tree, 1, "files", "/dev/video0");
        let cameras = ["/dev/video0".to_owned()];
        assert!(!uses(&tree, "1", &cameras, &mut 0));
        assert!(uses(&tree, "1", &cameras, &mut 2));
        assert!(!uses(&tree, "2", &cameras, &mut 2), "it ended meanwhile");
    }

    #[test]
    fn this_machine_is_searched_within_reason() {
        let (mut left, cameras) = (FILES, ["/dev/video0".to_owned()]);
        let tree = Tree::machine();
        let own = std::process::id().to_string();
        assert!(!uses(&tree, &own, &cameras, &mut left));
        assert!(left < FILES, "its own files were looked at");
    }
}
