use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{Import, cycles, imports};
use crate::source::breach;

/// A crate and its layers, from top to bottom. A module may import from layers below its own and from modules
/// of its own layer; the layers of one row must not import each other.
pub struct Layers {
    pub folder: &'static str,
    pub rows: &'static [&'static [&'static str]],
    /// Layers that are folders of modules; every other layer is one module.
    pub folders: &'static [&'static str],
}

/// The layers of the server.
pub const SERVER: Layers = Layers {
    folder: "server/src/",
    rows: &[
        &["cli"],
        &["server", "client"],
        &["router"],
        &["openapi"],
        &["web"],
        &["api"],
        &["http"],
        &["app"],
        &["infra"],
        &["error", "config", "i18n"],
    ],
    folders: &["cli", "web", "api", "http", "infra"],
};

/// The layers of the engine: the way of a photo and of a selfie, from the opened collection down to errors.
/// `lib.rs` only declares and exports.
pub const ENGINE: Layers = Layers {
    folder: "engine/src/",
    rows: &[
        &["fuzz"],
        &["backup", "collection"],
        &["data_dir"],
        &["erasure_log", "pipeline", "store"],
        &["guest", "liveness", "suppression"],
        &["calibrate", "template"],
        &["coverage", "embed", "matcher", "people"],
        &["align", "face", "quality"],
        &["detect", "encode"],
        &["crypto", "decode", "index", "models", "object_store"],
        &["format_version", "fs", "ids", "picture"],
        &["clock", "error", "split_mix"],
    ],
    folders: &[],
};

impl Layers {
    fn row(&self, layer: &str) -> Option<usize> {
        self.rows.iter().position(|row| row.contains(&layer))
    }

    /// Returns the module of a file: `api/photo` for `api/photo/routes.rs`, `app` for `app.rs`. `None` for
    /// files that only declare modules: `lib.rs`, and the `mod.rs` of a layer.
    fn module<'a>(&self, file: &'a str) -> Option<&'a str> {
        let layer = layer_of(file)?;
        if !self.folders.contains(&layer) {
            return Some(layer);
        }
        let path = file.trim_end_matches(".rs");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        let name = path[layer.len()..].trim_start_matches('/').split('/').next()?;
        (!name.is_empty()).then(|| &path[..layer.len() + 1 + name.len()])
    }

    /// Returns the imports of a higher layer, of another layer of the same row, or of an unlisted layer.
    pub fn upward(&self, files: &[(String, String)]) -> Vec<String> {
        let wrong = |Import { from, line, to }: Import| {
            let (from_layer, to_layer) = (layer_of(&from)?, layer_of(&to)?);
            let (Some(above), Some(below)) = (self.row(from_layer), self.row(to_layer)) else {
                return Some(breach(
                    &format!("{}{from}", self.folder),
                    line,
                    &format!(
                        "expected a layer that the table lists, received {from_layer} and {to_layer}"
                    ),
                ));
            };
            let allowed = above < below || from_layer == to_layer;
            (!allowed).then(|| {
                breach(
                    &format!("{}{from}", self.folder),
                    line,
                    &format!("{from_layer} must not import {to_layer} ({to})"),
                )
            })
        };
        imports(files).into_iter().filter_map(wrong).collect()
    }

    /// Returns the cycles of modules, one line each.
    pub fn module_cycles(&self, files: &[(String, String)]) -> Vec<String> {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for import in imports(files) {
            let modules = self.module(&import.from).zip(self.module(&import.to));
            let Some((from, to)) = modules else { continue };
            if from != to {
                edges.entry(from.to_owned()).or_default().insert(to.to_owned());
            }
        }
        cycles(&edges)
            .into_iter()
            .map(|cycle| {
                breach(self.folder, 1, &format!("a cycle of modules: {}", cycle.join(", ")))
            })
            .collect()
    }
}

/// Returns the layer of a file, its first path component; `None` for `lib.rs`.
fn layer_of(file: &str) -> Option<&str> {
    file.trim_end_matches(".rs").split('/').next().filter(|layer| *layer != "lib")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn an_import_that_points_upward_or_across_is_caught() {
        let good = files(&[
            ("lib.rs", "mod api; mod infra; mod error; mod config; pub use api::f;"),
            ("api/mod.rs", "pub mod a; pub mod b;"),
            ("api/a.rs", "use crate::infra::db; use super::b;"),
            ("api/b.rs", ""),
            ("infra/mod.rs", "pub mod db;"),
            ("infra/db.rs", "use crate::error::E;"),
            ("error.rs", ""),
            ("config/mod.rs", ""),
        ]);
        assert_eq!(SERVER.upward(&good), [""; 0]);
        for (file, text) in
            [("infra/db.rs", "\nuse crate::api::a::g;"), ("error.rs", "\nuse crate::config::C;")]
        {
            let mut bad = good.clone();
            bad.retain(|(other, _)| other != file);
            bad.push((file.to_owned(), text.to_owned()));
            let found = SERVER.upward(&bad);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(&format!("server/src/{file}:2: ")), "{found:?}");
        }
        let unlisted = files(&[("extra.rs", "use crate::error::E;"), ("error.rs", "")]);
        assert_eq!(SERVER.upward(&unlisted).len(), 1);
    }

    #[test]
    fn a_cycle_of_modules_is_caught_and_one_inside_a_module_is_not() {
        let inside = files(&[
            ("api/mod.rs", "pub mod a;"),
            ("api/a/mod.rs", "mod x; use x::f;"),
            ("api/a/x.rs", "use super::g;"),
        ]);
        assert_eq!(SERVER.module_cycles(&inside), [""; 0]);
        let across = files(&[
            ("api/mod.rs", "pub mod a; pub mod b;"),
            ("api/a.rs", "use super::b::f;"),
            ("api/b/mod.rs", "mod y;"),
            ("api/b/y.rs", "use crate::api::a::g;"),
        ]);
        let found = SERVER.module_cycles(&across);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("api/a, api/b"), "{found:?}");
    }
}
