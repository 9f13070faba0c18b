//! The task that Windows' task scheduler reads, version 1.2 of its XML. A task, since a service proper would have to
//! speak with the service manager while it runs; a task is any program.

use super::plan::Account;
use super::xml::escaped;
use super::{Kind, Scope, Service};

/// Who runs what the machine owns: an account without rights on it, which the network does not know.
const LOCAL_SERVICE: &str = "S-1-5-19";

/// What the scheduler knows it by.
pub(super) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Router => "Herdwick router",
        Kind::Node => "Herdwick node",
    }
}

/// The task's text. It says nothing of its encoding, so that it is right both as UTF-8 and, with its mark at the
/// beginning, as the UTF-16 that `schtasks` wants.
pub(super) fn text(service: &Service, account: &Account) -> String {
    let words = service.words();
    let (program, arguments) =
        words.split_first().map_or(("", &[][..]), |(program, rest)| (program.as_str(), rest));
    let arguments: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
    let user = escaped(&account.user);
    let (trigger, principal) = match service.scope {
        Scope::User => (
            format!(
                "<LogonTrigger>\n      <Enabled>true</Enabled>\n      <UserId>{user}</UserId>\n    </LogonTrigger>"
            ),
            format!("<UserId>{user}</UserId>\n      <LogonType>InteractiveToken</LogonType>"),
        ),
        Scope::System => (
            "<BootTrigger>\n      <Enabled>true</Enabled>\n    </BootTrigger>".to_owned(),
            format!("<UserId>{LOCAL_SERVICE}</UserId>"),
        ),
    };
    format!(
        r#"<?xml version="1.0"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{}</Description>
  </RegistrationInfo>
  <Triggers>
    {trigger}
  </Triggers>
  <Principals>
    <Principal id="Author">
      {principal}
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>255</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{}</Command>
      <Arguments>{}</Arguments>
    </Exec>
  </Actions>
</Task>
"#,
        escaped(service.kind.description()),
        escaped(program),
        escaped(&arguments.join(" ")),
    )
}

/// The bytes that `schtasks` reads.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    /// Says that what follows is UTF-16, the low byte first.
    const MARK: u16 = 0xfeff;
    let units = std::iter::once(MARK).chain(text.replace('\n', "\r\n").encode_utf16().collect::<Vec<_>>());
    units.flat_map(u16::to_le_bytes).collect()
}

/// One word of a command line, as `CommandLineToArgvW` takes it apart: backslashes count double only before a quote.
fn quoted(word: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && c != '"';
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut out = String::from("\"");
    let mut slashes = 0;
    for c in word.chars() {
        if c == '"' {
            out.extend(std::iter::repeat_n('\\', slashes + 1));
        }
        slashes = if c == '\\' { slashes + 1 } else { 0 };
        out.push(c);
    }
    out.extend(std::iter::repeat_n('\\', slashes));
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::super::HARD;
    use super::*;

    /// A command line as Windows takes it apart.
    fn words(line: &str) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut word = String::new();
        let (mut inside, mut begun) = (false, false);
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    let mut slashes = 1;
                    while chars.next_if_eq(&'\\').is_some() {
                        slashes += 1;
                    }
                    begun = true;
                    if chars.peek() == Some(&'"') {
                        word.extend(std::iter::repeat_n('\\', slashes / 2));
                        if slashes % 2 == 1 {
                            word.extend(chars.next());
                        }
                    } else {
                        word.extend(std::iter::repeat_n('\\', slashes));
                    }
                }
                '"' => (inside, begun) = (!inside, true),
                ' ' | '\t' if !inside => {
                    if std::mem::take(&mut begun) {
                        words.push(std::mem::take(&mut word));
                    }
                }
                c => {
                    word.push(c);
                    begun = true;
                }
            }
        }
        assert!(!inside, "quotes stay open: {line}");
        if begun {
            words.push(word);
        }
        words
    }

    #[test]
    fn every_argument_comes_through_as_it_was() {
        let program = r"C:\Program Files\Herd & Wick\herdwick.exe";
        let account = Account::of(r"HOME\ada", r"C:\Users\ada");
        for (scope, trigger, user) in
            [(Scope::User, "LogonTrigger", r"HOME\ada"), (Scope::System, "BootTrigger", LOCAL_SERVICE)]
        {
            let text = text(&Service::hard(scope, program), &account);
            let document = Document::parse(&text).expect("it is XML");
            let find = |name: &str| document.descendants().find(|node| node.tag_name().name() == name);
            let read = |name: &str| find(name).and_then(|node| node.text()).unwrap_or_default();
            assert_eq!(read("Command"), program);
            let mut expected = vec!["serve"];
            expected.extend(HARD);
            assert_eq!(words(read("Arguments")), expected);
            assert!(find(trigger).is_some());
            let principal = find("Principal").unwrap();
            let of = principal.children().find(|node| node.tag_name().name() == "UserId");
            assert_eq!(of.and_then(|node| node.text()), Some(user));
            let sections: Vec<_> = document.root_element().children().filter(Node::is_element).collect();
            let names: Vec<_> = sections.iter().map(|node| node.tag_name().name()).collect();
            // In the order in which the scheduler writes them itself.
            assert_eq!(names, ["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"]);
        }
    }

    #[test]
    fn the_scheduler_gets_utf_16_with_its_mark() {
        assert_eq!(bytes("a\n"), [0xff, 0xfe, b'a', 0, b'\r', 0, b'\n', 0]);
    }
}
