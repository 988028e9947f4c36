//! Commands about the routing tree.

use std::path::Path;

use gauntlet_alertmanager::Config;
use gauntlet_alertmanager::dispatch::{Route, RouteTree};
use gauntlet_model::{Labels, MatchOp};

use crate::client::Client;
use crate::tree::{Node, draw};
use crate::{Failure, Run};

/// `config routes show`.
pub(crate) async fn show(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    let config = config(run).await.map_err(Failure::Terse)?;
    let tree = RouteTree::new(&config.route);
    let root = Node { text: String::new(), children: vec![whole(&tree, tree.root())] };
    run.print("Routing tree:");
    run.print(&draw(&root));
    Ok(())
}

/// `config routes test`.
pub(crate) async fn test(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    let config = config(run).await.map_err(Failure::Message)?;
    let tree = RouteTree::new(&config.route);
    let mut pairs: Vec<(String, String)> = Vec::new();
    for word in run.call.arguments.clone() {
        let matcher = run
            .matcher(&word)
            .map_err(|text| Failure::Message(format!("Failed to parse labels: {text}")))?;
        if matcher.op != MatchOp::Equal {
            return Err(Failure::new("Labels must be specified as key=value pairs"));
        }
        pairs.retain(|(name, _)| *name != *matcher.name);
        pairs.push((matcher.name.to_string(), matcher.value.to_string()));
    }
    let labels = Labels::from_pairs(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
    if run.call.bool("tree") {
        let children = vec![matching(&tree, tree.root(), &labels)];
        let root = Node { text: String::new(), children };
        run.print("Matching routes:");
        run.print(&draw(&root));
        run.print("");
    }
    let receivers: Vec<&str> =
        tree.matching(&labels).into_iter().map(|id| &*tree.route(id).receiver).collect();
    let receivers = receivers.join(",");
    run.print(&receivers);
    let expected = run.call.text("verify.receivers");
    if !expected.is_empty() && expected != receivers {
        run.print("WARNING: Expected receivers did not match resolved receivers.");
        return Err(Failure::Silent);
    }
    Ok(())
}

/// Of a file, or of a server.
async fn config(run: &mut Run<'_, '_>) -> Result<Config, String> {
    let file = run.call.text("config.file").to_owned();
    match (&run.call.url, file.as_str()) {
        (None, "") => {
            return Err(
                "You have to specify one of --config.file or --alertmanager.url flags.".to_owned()
            );
        }
        (Some(_), path) if !path.is_empty() => {
            run.out.stderr += "Warning: --config.file flag overrides the --alertmanager.url.\n";
        }
        _ => {}
    }
    let loaded = if file.is_empty() {
        let client = Client::new(run).map_err(|failure| failure.to_string())?;
        let status = client.status().await.map_err(|failure| failure.to_string())?;
        let text = status["config"]["original"].as_str().unwrap_or_default().to_owned();
        Config::parse(&text, run.mode)
    } else {
        Config::load(Path::new(&file), run.mode)
    };
    let loaded = loaded.map_err(|errors| errors.upstream_text())?;
    run.tell(&loaded.notes, "config");
    Ok(loaded.config)
}

fn whole(tree: &RouteTree, route: &Route) -> Node {
    let children = route.children.iter().map(|id| whole(tree, tree.route(*id))).collect();
    Node { text: slug(route, true, true), children }
}

/// The routes that labels take; the last ones name their receivers.
fn matching(tree: &RouteTree, route: &Route, labels: &Labels) -> Node {
    let mut children = Vec::new();
    for child in route.children.iter().map(|id| tree.route(*id)) {
        if child.matchers.matches(labels) {
            children.push(matching(tree, child, labels));
            if !child.continue_matching {
                break;
            }
        }
    }
    Node { text: slug(route, false, children.is_empty()), children }
}

fn slug(route: &Route, show_continue: bool, show_receiver: bool) -> String {
    let mut text = if route.matchers.is_empty() {
        "default-route".to_owned()
    } else {
        route.matchers.to_string()
    };
    if route.continue_matching && show_continue {
        text.push_str("  continue: true");
    }
    if show_receiver {
        text.push_str(&format!("  receiver: {}", route.receiver));
    }
    text
}
