//! Simulates power cuts: rebuilds a folder from the shadow that the preloaded library keeps. A file's content
//! is durable after its fsync, and a name after the fsync of its folder. A strict cut keeps only durable data.
//! In a random cut, the unsynced content of each file is kept, lost or torn, and each folder keeps its first
//! unsynced changes, in order and in random number, as journaling file systems do.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::rng::Rng;

const PAGE_BYTES: usize = 4096;

/// The effect of a power cut on unsynced changes.
pub enum Cut<'a> {
    /// All unsynced changes are lost.
    Strict,
    /// Each unsynced change is kept, lost or torn at random. Only the first bytes of a torn file are written.
    Random(&'a mut Rng),
    /// Like `Random`, but a torn file lacks random pages of its appended data, because a kernel need not write
    /// pages in order.
    Holes(&'a mut Rng),
}

/// A name in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    is_folder: bool,
    inode: u64,
    mode: u32,
}

type Names = BTreeMap<String, Entry>;

/// A change of a folder: a name added (`entry`) or removed (`None`).
struct Change {
    number: u64,
    folder: u64,
    name: String,
    entry: Option<Entry>,
}

/// A folder whose power can be cut, and its shadow on the same file system.
pub struct Power {
    root: PathBuf,
    shadow: PathBuf,
}

/// The contents of the folder as the last process left it: files and names by inode.
#[derive(Default)]
struct Left {
    paths: HashMap<u64, PathBuf>,
    names: HashMap<u64, Names>,
}

impl Power {
    /// Treats all files in `root` as durable. Recreates `shadow`, which must be on the same file system.
    pub fn new(root: &Path, shadow: &Path) -> Self {
        let power = Self { root: root.to_path_buf(), shadow: shadow.to_path_buf() };
        power.settle();
        power
    }

    /// Returns the folder in which the library must keep its shadow.
    pub fn shadow(&self) -> &Path {
        &self.shadow
    }

    /// Simulates a power cut. No process may have files of the folder open.
    pub fn cut(&self, cut: Cut<'_>) {
        let mut left = Left::default();
        left.look(&self.root);
        let rebuilt = self.root.with_extension("rebuilt");
        let inode = fs::metadata(&self.root).unwrap().ino();
        Rebuild::new(&self.shadow, left.paths, cut).folder(inode, 0o700, &rebuilt);
        fs::remove_dir_all(&self.root).unwrap();
        fs::rename(&rebuilt, &self.root).unwrap();
        self.settle();
    }

    /// Resets the shadow: everything that the folder contains is durable.
    fn settle(&self) {
        if self.shadow.exists() {
            fs::remove_dir_all(&self.shadow).unwrap();
        }
        fs::create_dir(&self.shadow).unwrap();
        let mut left = Left::default();
        left.look(&self.root);
        for (inode, path) in &left.paths {
            fs::copy(path, self.shadow.join(format!("data.{inode}"))).unwrap();
        }
        for (inode, names) in &left.names {
            let line = |(name, entry): (&String, &Entry)| {
                let kind = if entry.is_folder { 'd' } else { 'f' };
                format!("{kind} {} {:o} {name}\n", entry.inode, entry.mode)
            };
            let text: String = names.iter().map(line).collect();
            fs::write(self.shadow.join(format!("dir.{inode}")), format!("0\n{text}")).unwrap();
        }
    }
}

impl Left {
    fn look(&mut self, folder: &Path) {
        let mut names = Names::new();
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (is, path) = (entry.metadata().unwrap(), entry.path());
            let (is_folder, inode, mode) = (is.is_dir(), is.ino(), is.mode() & 0o777);
            if is_folder {
                self.look(&path);
            } else {
                self.paths.insert(inode, path);
            }
            let name = entry.file_name().into_string().expect("names are UTF-8");
            names.insert(name, Entry { is_folder, inode, mode });
        }
        self.names.insert(fs::metadata(folder).unwrap().ino(), names);
    }
}

struct Rebuild<'a> {
    shadow: &'a Path,
    paths: HashMap<u64, PathBuf>,
    cut: Cut<'a>,
    changes: Vec<Change>,
    /// The number of the last change that is applied in all folders, if a file was moved between folders: such
    /// a move is atomic. `None` if each folder has a last change of its own.
    last: Option<u64>,
}

impl<'a> Rebuild<'a> {
    fn new(shadow: &'a Path, paths: HashMap<u64, PathBuf>, mut cut: Cut<'a>) -> Self {
        let text = fs::read_to_string(shadow.join("changes")).unwrap_or_default();
        let changes: Vec<Change> =
            text.lines().map(|line| change(line).expect("the changes read")).collect();
        let pairs = || changes.iter().zip(changes.iter().skip(1));
        let moves = pairs().any(|(a, b)| a.number == b.number && a.folder != b.folder);
        let last = match &mut cut {
            Cut::Random(rng) | Cut::Holes(rng) if moves => Some(rng.pick(&changes).number),
            _ => None,
        };
        Self { shadow, paths, cut, changes, last }
    }

    fn folder(&mut self, inode: u64, mode: u32, to: &Path) {
        fs::create_dir(to).unwrap();
        for (name, entry) in self.names(inode) {
            let to = to.join(name);
            if entry.is_folder {
                self.folder(entry.inode, entry.mode, &to);
            } else {
                fs::write(&to, self.content(entry.inode)).unwrap();
                fs::set_permissions(&to, Permissions::from_mode(entry.mode)).unwrap();
            }
        }
        fs::set_permissions(to, Permissions::from_mode(mode)).unwrap();
    }

    /// Returns the names that the cut leaves in a folder. A folder that was never synced starts without
    /// names.
    fn names(&mut self, inode: u64) -> Names {
        let text = fs::read_to_string(self.shadow.join(format!("dir.{inode}"))).unwrap_or_default();
        let mut lines = text.lines();
        let until = lines.next().map_or(0, |number| number.parse().expect("a change's number"));
        let mut names: Names = lines.map(|line| entry(line).expect("the names read")).collect();
        let (Cut::Random(rng) | Cut::Holes(rng)) = &mut self.cut else { return names };
        let of_folder = |change: &&Change| change.folder == inode && change.number > until;
        let changes: Vec<&Change> = self.changes.iter().filter(of_folder).collect();
        let own = changes.get(rng.throw(changes.len() as u64 + 1) as usize);
        let last = self.last.or(own.map(|change| change.number)).unwrap_or(u64::MAX);
        for Change { name, entry, .. } in changes.into_iter().filter(|it| it.number <= last) {
            match entry {
                Some(entry) => drop(names.insert(name.clone(), *entry)),
                None => drop(names.remove(name)),
            }
        }
        names
    }

    /// Returns the content that the cut leaves in a file. A file that was never synced has no durable
    /// content.
    fn content(&mut self, inode: u64) -> Vec<u8> {
        let piece = |kind| fs::read(self.shadow.join(format!("{kind}.{inode}"))).ok();
        let durable = piece("data").unwrap_or_default();
        let holes = matches!(self.cut, Cut::Holes(_));
        let (Cut::Random(rng) | Cut::Holes(rng)) = &mut self.cut else { return durable };
        let path = self.paths.get(&inode);
        let now = path.map_or_else(|| piece("pin"), |path| fs::read(path).ok());
        let now = now.unwrap_or_else(|| durable.clone());
        match rng.throw(3) {
            0 => durable,
            1 => now,
            _ if holes => with_holes(&durable, now, rng),
            _ => torn(&durable, &now, rng),
        }
    }
}

/// Parses "TYPE INODE MODE NAME".
fn entry(text: &str) -> Option<(String, Entry)> {
    let mut words = text.splitn(4, ' ');
    let is_folder = words.next()? == "d";
    let inode = words.next()?.parse().ok()?;
    let mode = u32::from_str_radix(words.next()?, 8).ok()?;
    Some((words.next()?.to_owned(), Entry { is_folder, inode, mode }))
}

/// Parses "NUMBER FOLDER + ENTRY" or "NUMBER FOLDER - NAME".
fn change(text: &str) -> Option<Change> {
    let mut words = text.splitn(4, ' ');
    let (number, folder) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (sign, rest) = (words.next()?, words.next()?);
    if sign == "-" {
        return Some(Change { number, folder, name: rest.to_owned(), entry: None });
    }
    let (name, entry) = entry(rest)?;
    Some(Change { number, folder, name, entry: Some(entry) })
}

/// Returns a partly written file: the first bytes of `now`, the rest of `durable`. Their common prefix is
/// never torn.
fn torn(durable: &[u8], now: &[u8], rng: &mut Rng) -> Vec<u8> {
    let same = durable.iter().zip(now).take_while(|(a, b)| a == b).count();
    let at = same + rng.throw((now.len() - same) as u64 + 1) as usize;
    [&now[..at], durable.get(at..).unwrap_or_default()].concat()
}

/// Returns `now` with some of the pages that were appended to `durable` zeroed, as if they were never
/// written.
fn with_holes(durable: &[u8], mut now: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let appended = now.get_mut(durable.len()..).unwrap_or_default();
    let lost = appended.chunks_mut(PAGE_BYTES).filter(|_| rng.one_in(3));
    lost.for_each(|page| page.fill(0));
    now
}

#[test]
fn holes_are_only_in_appended_bytes() {
    let (durable, now) = (vec![1; 100], vec![1; 100 + 8 * PAGE_BYTES]);
    let cut = with_holes(&durable, now, &mut Rng::new(2));
    assert!(cut.starts_with(&durable) && cut.contains(&0) && cut[100..].contains(&1));
}

#[test]
fn a_torn_file_keeps_the_common_prefix() {
    let mut rng = Rng::new(1);
    let (mut shortest, mut longest) = (usize::MAX, 0);
    for _ in 0..200 {
        let torn = torn(b"abc", b"abcdefgh", &mut rng);
        assert!(b"abcdefgh".starts_with(&torn) && torn.starts_with(b"abc"));
        (shortest, longest) = (shortest.min(torn.len()), longest.max(torn.len()));
    }
    assert_eq!((shortest, longest), (3, 8));
    assert_eq!(torn(b"abcdef", b"abc", &mut rng), b"abcdef");
}
