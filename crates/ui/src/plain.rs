//! A page without scripts: what runs, with links. Served where the app is not embedded, and as node_exporter's landing page.

use std::fmt::Write as _;

use crate::assets::escape;

/// A page made of sections.
#[derive(Clone, Debug, Default)]
pub struct PlainPage {
    pub title: String,
    /// One sentence under the title.
    pub lead: String,
    pub sections: Vec<Section>,
}

/// A heading and rows of name, text and, where the name leads somewhere, its address.
#[derive(Clone, Debug, Default)]
pub struct Section {
    pub heading: String,
    pub rows: Vec<(String, String, Option<String>)>,
}

impl Section {
    pub fn new(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), rows: Vec::new() }
    }

    pub fn row(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.rows.push((name.into(), text.into(), None));
        self
    }

    pub fn link(
        mut self,
        name: impl Into<String>,
        text: impl Into<String>,
        address: impl Into<String>,
    ) -> Self {
        self.rows.push((name.into(), text.into(), Some(address.into())));
        self
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;max-width:56rem;margin:2.5rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}\
p{margin:.3rem 0;opacity:.8}table{border-collapse:collapse;width:100%}\
td{padding:.35rem .8rem .35rem 0;border-top:1px solid #8884;vertical-align:top}\
td:first-child{white-space:nowrap;width:1%}a{color:#2b6cb0}\
@media(prefers-color-scheme:dark){a{color:#7ab8ff}}";

impl PlainPage {
    pub fn to_html(&self) -> String {
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{lead}</p>\n",
            title = escape(&self.title),
            lead = escape(&self.lead),
        );
        for section in &self.sections {
            let _ = writeln!(html, "<h2>{}</h2>\n<table>", escape(&section.heading));
            for (name, text, address) in &section.rows {
                let name = match address {
                    Some(address) => {
                        format!("<a href=\"{}\">{}</a>", escape(address), escape(name))
                    }
                    None => escape(name),
                };
                let _ = writeln!(html, "<tr><td>{name}</td><td>{}</td></tr>", escape(text));
            }
            html.push_str("</table>\n");
        }
        html.push_str("</body>\n</html>\n");
        html
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let page = PlainPage {
            title: "<b>".to_owned(),
            lead: String::new(),
            sections: vec![Section::new("s").link("a", "<i>", "x\"y")],
        };
        let html = page.to_html();
        assert!(!html.contains("<b>") && !html.contains("<i>") && !html.contains("x\"y"));
    }
}
