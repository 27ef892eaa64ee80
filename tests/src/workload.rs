//! The operations of a child process and the lines that it prints: `BEGIN operation`, and then `DONE photos
//! faces` or `FAILED why`.

use std::fmt;
use std::str::FromStr;

/// An operation. In its text form the word after the kind is the collection's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Opens the data folder.
    Start,
    Open(String),
    Create(String),
    /// Puts photos, by number.
    Put(String, Vec<u32>),
    DeletePhotos(String, Vec<u32>),
    /// Deletes faces: the photo's number and the face's index.
    DeleteFaces(String, Vec<(u32, u8)>),
    /// Purges the collection.
    Purge(String),
    Settle(String),
    /// Searches for every face by its own embedding.
    Read(String),
}

/// A line that the process prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Begin(Op),
    /// The number of photos and faces of the collection after the operation; 0 if there is no collection.
    Done(usize, usize),
    Failed(String),
}

impl Op {
    /// Returns the name of the operation's kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Open(_) => "open",
            Self::Create(_) => "create",
            Self::Put(..) => "put",
            Self::DeletePhotos(..) => "delete-photos",
            Self::DeleteFaces(..) => "delete-faces",
            Self::Purge(_) => "purge",
            Self::Settle(_) => "settle",
            Self::Read(_) => "read",
        }
    }

    /// Returns the collection's name.
    pub fn collection(&self) -> Option<&str> {
        match self {
            Self::Start => None,
            Self::Open(name)
            | Self::Create(name)
            | Self::Put(name, _)
            | Self::DeletePhotos(name, _)
            | Self::DeleteFaces(name, _)
            | Self::Purge(name)
            | Self::Settle(name)
            | Self::Read(name) => Some(name),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        self.collection().map_or(Ok(()), |name| write!(f, " {name}"))?;
        match self {
            Self::Put(_, photos) | Self::DeletePhotos(_, photos) => {
                photos.iter().try_for_each(|number| write!(f, " {number}"))
            }
            Self::DeleteFaces(_, faces) => {
                faces.iter().try_for_each(|(number, which)| write!(f, " {number}.{which}"))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Op {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(' ');
        let (kind, name) = (words.next().unwrap_or(""), words.next().unwrap_or("").to_owned());
        let wrong = || format!("'{text}' is not an operation");
        let photos = |words: std::str::Split<'_, char>| {
            words.map(|word| word.parse().map_err(|_| wrong())).collect::<Result<Vec<u32>, _>>()
        };
        let face = |word: &str| {
            let (number, which) = word.split_once('.')?;
            Some((number.parse().ok()?, which.parse().ok()?))
        };
        Ok(match kind {
            "start" => Self::Start,
            "open" => Self::Open(name),
            "create" => Self::Create(name),
            "put" => Self::Put(name, photos(words)?),
            "delete-photos" => Self::DeletePhotos(name, photos(words)?),
            "delete-faces" => {
                let faces = words.map(|word| face(word).ok_or_else(wrong));
                Self::DeleteFaces(name, faces.collect::<Result<_, _>>()?)
            }
            "purge" => Self::Purge(name),
            "settle" => Self::Settle(name),
            "read" => Self::Read(name),
            _ => return Err(wrong()),
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(op) => write!(f, "BEGIN {op}"),
            Self::Done(photos, faces) => write!(f, "DONE {photos} {faces}"),
            Self::Failed(why) => write!(f, "FAILED {}", why.replace('\n', " ")),
        }
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let counts = || {
            let (photos, faces) = rest.split_once(' ')?;
            Some(Self::Done(photos.parse().ok()?, faces.parse().ok()?))
        };
        match word {
            "BEGIN" => rest.parse().map(Self::Begin),
            "DONE" => counts().ok_or_else(|| format!("'{text}' has no counts")),
            "FAILED" => Ok(Self::Failed(rest.to_owned())),
            _ => Err(format!("'{text}' is not a line of the process")),
        }
    }
}

#[test]
fn lines_round_trip() {
    let name = || "A".to_owned();
    for op in [
        Op::Start,
        Op::Put(name(), vec![1, 22]),
        Op::DeleteFaces(name(), vec![(7, 0), (9, 3)]),
        Op::Purge(name()),
    ] {
        let line = Line::Begin(op);
        assert_eq!(line.to_string().parse(), Ok(line));
    }
    for line in [Line::Done(3, 14), Line::Failed("no space".to_owned())] {
        assert_eq!(line.to_string().parse(), Ok(line));
    }
    assert!("BEGIN nonsense".parse::<Line>().is_err() && "DONE 3".parse::<Line>().is_err());
}
