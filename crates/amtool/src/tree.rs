//! A tree drawn with lines, one node a row.

/// A node and what hangs below it.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) text: String,
    pub(crate) children: Vec<Node>,
}

/// Draws the root's children below a dot, with a line break behind each row.
pub(crate) fn draw(root: &Node) -> String {
    let mut out = String::from(".\n");
    rows(&root.children, "", &mut out);
    out
}

fn rows(nodes: &[Node], indent: &str, out: &mut String) {
    for (i, node) in nodes.iter().enumerate() {
        let last = i + 1 == nodes.len();
        let branch = if last { "└── " } else { "├── " };
        out.push_str(&format!("{indent}{branch}{}\n", node.text));
        let below = if last { "    " } else { "│   " };
        rows(&node.children, &format!("{indent}{below}"), out);
    }
}
