//! What is shown, written and read is the same.

use herdwick_plugin_host::config::{OnFault, PluginConfig};

use super::super::{Node, init, show};
use super::in_file;

#[test]
fn what_is_shown_reads_as_the_same_configuration() {
    let file = "listen = \"127.0.0.1:1\"\n[[nodes]]\nurl = \"a\"\nlabels = { room = \"x\" }\n[limits]\nbody = \"5 MiB\"\n\
                [plugins.b]\nenabled = true\ngrants = [\"veto\"]\nsettings = { x = 1, y = [\"z\"] }\n";
    for file in [file, "", "nodes = []"] {
        let config = in_file(file).good();
        for text in [show::settings(&config), show::settings_with_sources(&config)] {
            let again = in_file(&text).good();
            // What was only assumed is said once it is written down.
            let said = |node: &Node| Node { is_assumed: false, ..node.clone() };
            let nodes: Vec<_> = config.nodes.iter().map(said).collect();
            assert_eq!((again.listen, &again.nodes), (config.listen, &nodes), "{text}");
            assert_eq!(again.plugins, config.plugins, "{text}");
            assert_eq!(show::settings(&again), show::settings(&config), "{text}");
        }
    }
}

#[test]
fn the_file_to_begin_with_has_every_key_with_its_default() {
    let untouched = in_file(init::TEMPLATE);
    assert_eq!(untouched.said(), [], "as it is written it says nothing");
    // Lines of prose have a space behind the `#`.
    let line = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') => key.to_owned(),
        _ => line.to_owned(),
    };
    let used: String = init::TEMPLATE.lines().map(|text| line(text) + "\n").collect();
    let (config, default) = (in_file(&used).good(), in_file("").good());
    for row in &default.rows {
        let same = config.rows.iter().find(|used| used.key == row.key).expect("every key is in the file");
        assert_ne!(same.source.source(), "default", "{} is not in the file", row.key);
        // The default is the Ollama on this machine, which would show nobody how a node is written.
        assert!(row.key == "nodes" || same.value == row.value, "{} has another default", row.key);
    }
    let named = &config.plugins.plugins["queue-depth"];
    let default =
        PluginConfig { enabled: Some(true), on_fault: Some(OnFault::Ignore), ..PluginConfig::default() };
    assert_eq!(*named, default);
}
