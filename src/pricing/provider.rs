//! Names of providers: one normal form, their aliases, and which models each of them makes.

use std::collections::{BTreeMap, HashMap};

/// Longest name that is looked at.
const LONGEST: usize = 256;

/// A provider as a price file describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provider {
    /// Its name in normal form.
    pub name: String,
    /// Other names, in normal form.
    pub aliases: Vec<String>,
    /// Beginnings of the names of the models that it makes, lower case.
    pub makes: Vec<String>,
}

/// Brings a provider's name to its normal form: lower case, with `-` for `_`, `.` and blanks. Names that mean that it is
/// not known (empty, `-`, `unknown`, `null`, `none`) become empty, as do names of more than 256 bytes.
pub(super) fn normalise(name: &str) -> String {
    if name.len() > LONGEST {
        return String::new();
    }
    let name: String = name
        .trim()
        .chars()
        .map(|character| match character {
            '_' | '.' | ' ' => '-',
            other => other.to_ascii_lowercase(),
        })
        .collect();
    match name.as_str() {
        "-" | "unknown" | "null" | "none" => String::new(),
        _ => name,
    }
}

/// All providers that are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Providers {
    /// The user's own names, which win.
    configured: HashMap<String, String>,
    /// Name or alias → name.
    names: HashMap<String, String>,
    /// Beginning of a model's name → its maker.
    makers: Vec<(String, String)>,
}

impl Providers {
    /// Adds a provider, or more aliases and models of one. What was said first about an alias stays.
    pub(super) fn add(&mut self, provider: &Provider) {
        for alias in std::iter::once(&provider.name).chain(&provider.aliases) {
            self.names.entry(alias.clone()).or_insert_with(|| provider.name.clone());
        }
        for prefix in &provider.makes {
            if !self.makers.iter().any(|(known, _)| known == prefix) {
                self.makers.push((prefix.clone(), provider.name.clone()));
            }
        }
    }

    /// Adds the user's own names. Returns those whose target is not known.
    pub(super) fn configure<'a>(&mut self, aliases: &'a BTreeMap<String, String>) -> Vec<(&'a str, &'a str)> {
        let mut unknown = Vec::new();
        for (name, target) in aliases {
            match self.names.get(&normalise(target)) {
                Some(canonical) => {
                    self.configured.insert(normalise(name), canonical.clone());
                }
                None => unknown.push((name.as_str(), target.as_str())),
            }
        }
        unknown
    }

    /// Whether a word names a provider.
    pub(super) fn knows(&self, name: &str) -> bool {
        let name = normalise(name);
        self.configured.contains_key(&name) || self.names.contains_key(&name)
    }

    /// All names that are known, without the user's own.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// The name under which a provider of a price file has its rows.
    pub(super) fn canonical(&self, name: &str) -> String {
        let name = normalise(name);
        self.names.get(&name).cloned().unwrap_or(name)
    }

    /// The name under which a provider of a log has its rows: the user's own names come first.
    pub(super) fn resolve(&self, name: &str) -> String {
        match self.configured.get(&normalise(name)) {
            Some(target) => target.clone(),
            None => self.canonical(name),
        }
    }

    /// Who makes a model: the longest known beginning of any of the forms of its name decides.
    pub(super) fn maker(&self, forms: &[String]) -> Option<&str> {
        self.makers
            .iter()
            .filter(|(prefix, _)| forms.iter().any(|form| form.starts_with(prefix.as_str())))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, maker)| maker.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Providers {
        let mut providers = Providers::default();
        for (name, aliases, makes) in [
            ("google", vec!["vertex-ai", "gemini"], vec!["gemini-"]),
            ("openai", vec![], vec!["gpt-", "o1"]),
            ("acme", vec![], vec!["gpt-acme-"]),
        ] {
            let own = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
            providers.add(&Provider { name: name.to_owned(), aliases: own(aliases), makes: own(makes) });
        }
        providers
    }

    #[test]
    fn names_come_to_one_form() {
        for (name, want) in [
            (" OpenAI ", "openai"),
            ("vertex_ai", "vertex-ai"),
            ("z.ai", "z-ai"),
            ("Google AI Studio", "google-ai-studio"),
            ("-", ""),
            ("unknown", ""),
            ("", ""),
        ] {
            assert_eq!(normalise(name), want, "{name}");
        }
        assert_eq!(normalise(&"x".repeat(1000)), "");
    }

    #[test]
    fn aliases_lead_to_one_name_and_the_users_own_names_win() {
        let mut providers = known();
        for (name, want) in [("Vertex_AI", "google"), ("google", "google"), ("llm-cluster", "llm-cluster"), ("-", "")] {
            assert_eq!(providers.resolve(name), want, "{name}");
        }
        let aliases = BTreeMap::from([
            ("LLM-Cluster".to_owned(), "gemini".to_owned()),
            ("vertex_ai".to_owned(), "openai".to_owned()),
            ("bad".to_owned(), "nobody".to_owned()),
        ]);
        assert_eq!(providers.configure(&aliases), [("bad", "nobody")]);
        assert_eq!(providers.resolve("llm-cluster"), "google");
        assert_eq!(providers.resolve("vertex-ai"), "openai");
        assert_eq!(providers.canonical("vertex-ai"), "google", "rows keep the meaning of their file");
        assert!(providers.knows("LLM_cluster") && !providers.knows("nobody"));
    }

    #[test]
    fn the_longest_beginning_names_the_maker() {
        let providers = known();
        let maker = |name: &str| providers.maker(&[name.to_owned()]).map(str::to_owned);
        assert_eq!(maker("gpt-4o").as_deref(), Some("openai"));
        assert_eq!(maker("gpt-acme-1").as_deref(), Some("acme"));
        assert_eq!(maker("llama-4"), None);
        assert_eq!(providers.maker(&["x/gpt-4".into(), "gpt-4".into()]), Some("openai"));
    }
}
