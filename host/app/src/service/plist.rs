//! The property list that launchd reads: `launchd.plist(5)`.

use std::fmt::Write as _;

use super::plan::Account;
use super::xml::escaped;
use super::{Kind, Scope, Service};

/// Handles for as many clients as macOS lets a program have.
const HANDLES: u32 = 10_240;
/// Seconds between two starts of one that ends at once.
const THROTTLE: u32 = 5;

/// What launchd knows it by.
pub(super) fn label(kind: Kind) -> String {
    format!("io.github.herdwick.{}", kind.name())
}

/// The property list's text.
pub(super) fn text(service: &Service, account: &Account) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n",
    );
    key(&mut out, "Label", &string(&label(service.kind)));
    let words: String = service.words().iter().map(|word| format!("\n    {}", string(word))).collect();
    key(&mut out, "ProgramArguments", &format!("<array>{words}\n  </array>"));
    key(&mut out, "RunAtLoad", "<true/>");
    // One that ends well was told to.
    key(&mut out, "KeepAlive", "<dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>");
    key(&mut out, "ThrottleInterval", &integer(THROTTLE));
    key(&mut out, "ExitTimeOut", &integer(u32::try_from(service.stop.as_secs()).unwrap_or(u32::MAX)));
    // Others are slowed down while nobody looks at them; people wait for this one.
    key(&mut out, "ProcessType", &string("Interactive"));
    key(&mut out, "Umask", &integer(0o077));
    let limits = format!("<dict>\n    <key>NumberOfFiles</key>\n    {}\n  </dict>", integer(HANDLES));
    key(&mut out, "SoftResourceLimits", &limits);
    if service.scope == Scope::System {
        // It opens ports to a network, which root should not.
        key(&mut out, "UserName", &string(&account.user));
        let home = string(&account.home.display().to_string());
        key(&mut out, "EnvironmentVariables", &format!("<dict>\n    <key>HOME</key>\n    {home}\n  </dict>"));
    }
    let log = account.home.join("Library/Logs").join(format!("{}.log", service.kind.unit()));
    let log = string(&log.display().to_string());
    key(&mut out, "StandardOutPath", &log);
    key(&mut out, "StandardErrorPath", &log);
    out.push_str("</dict>\n</plist>\n");
    out
}

fn key(out: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = write!(out, "  <key>{name}</key>\n  {value}\n");
}

fn string(text: &str) -> String {
    format!("<string>{}</string>", escaped(text))
}

fn integer(number: u32) -> String {
    format!("<integer>{number}</integer>")
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node, ParsingOptions};

    use super::super::HARD;
    use super::*;

    fn dictionary<'a>(dict: Node<'a, 'a>) -> Vec<(String, Node<'a, 'a>)> {
        assert!(dict.has_tag_name("dict"));
        let parts: Vec<_> = dict.children().filter(Node::is_element).collect();
        let pairs = parts.chunks(2).map(|pair| {
            assert!(pair.len() == 2 && pair[0].has_tag_name("key"), "a key has a value: {pair:?}");
            (pair[0].text().expect("a key has a name").to_owned(), pair[1])
        });
        pairs.collect()
    }

    /// What `plutil -lint` looks at: the shape of a property list, no key twice, numbers that are some.
    fn checked(text: &str) -> Vec<(String, String)> {
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options).expect("it is XML");
        let root = document.root_element();
        assert!(root.has_tag_name("plist") && root.attribute("version") == Some("1.0"));
        let dict = root.children().find(Node::is_element).expect("it holds something");
        let keys = dictionary(dict);
        for (name, value) in &keys {
            assert_eq!(keys.iter().filter(|(have, _)| have == name).count(), 1, "{name} stands twice");
            match value.tag_name().name() {
                "string" | "true" | "false" | "array" => {}
                "integer" => assert!(value.text().unwrap().parse::<u32>().is_ok()),
                "dict" => assert!(!dictionary(*value).is_empty()),
                other => panic!("{other} is no value"),
            }
        }
        let shown = |value: Node<'_, '_>| {
            let texts = value.descendants().filter(|node| node.has_tag_name("string"));
            texts.map(|node| node.text().unwrap_or_default().to_owned()).collect::<Vec<_>>().join("\u{1}")
        };
        keys.into_iter().map(|(name, value)| (name, shown(value))).collect()
    }

    #[test]
    fn every_argument_comes_through_as_it_was() {
        let program = "/Applications/My <Tools> & more/herdwick";
        let account = Account::of("ada", "/Users/ada");
        for scope in [Scope::User, Scope::System] {
            let found = checked(&text(&Service::hard(scope, program), &account));
            let value =
                |name: &str| found.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str());
            let mut expected = vec![program, "serve"];
            expected.extend(HARD);
            assert_eq!(value("ProgramArguments").unwrap().split('\u{1}').collect::<Vec<_>>(), expected);
            assert_eq!(value("Label"), Some("io.github.herdwick.router"));
            assert_eq!(value("StandardErrorPath"), Some("/Users/ada/Library/Logs/herdwick.log"));
            assert_eq!(value("UserName"), (scope == Scope::System).then_some("ada"));
        }
    }
}
