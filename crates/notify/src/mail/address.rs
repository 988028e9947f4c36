//! Lists of mail addresses: `Some One <one@example.org>, two@example.org`.
//!
//! Left out: groups (`team: a@x, b@x;`), routes and addresses without a domain, none of which a server would take.

/// The addresses of a list, without names. Errs in Go's words where they are clear.
pub(crate) fn addresses(text: &str) -> Result<Vec<String>, String> {
    let mut parser = Parser { rest: text };
    let mut found = Vec::new();
    loop {
        parser.skip_blank()?;
        if parser.rest.starts_with(',') {
            parser.rest = &parser.rest[1..];
            continue;
        }
        if parser.rest.is_empty() {
            break;
        }
        found.push(parser.address()?);
        parser.skip_blank()?;
        match parser.rest.chars().next() {
            None | Some(',') => {}
            Some(_) => return Err("mail: expected comma".to_owned()),
        }
    }
    if found.is_empty() { Err("mail: no address".to_owned()) } else { Ok(found) }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    /// An address alone, or a name and an address in angle brackets.
    fn address(&mut self) -> Result<String, String> {
        if self.take('<') {
            return self.angle();
        }
        let start = self.rest;
        if let Ok(address) = self.plain() {
            self.skip_blank()?;
            if self.rest.is_empty() || self.rest.starts_with(',') {
                return Ok(address);
            }
        }
        self.rest = start;
        self.name()?;
        if self.take('<') {
            return self.angle();
        }
        let at = start.split(',').next().is_some_and(|part| part.contains('@'));
        Err(if at { "mail: no angle-addr" } else { "mail: missing '@' or angle-addr" }.to_owned())
    }

    fn angle(&mut self) -> Result<String, String> {
        self.skip_blank()?;
        let address = self.plain()?;
        self.skip_blank()?;
        if self.take('>') { Ok(address) } else { Err("mail: unclosed angle-addr".to_owned()) }
    }

    /// `local@domain`
    fn plain(&mut self) -> Result<String, String> {
        let local = if self.rest.starts_with('"') {
            let text = self.quoted()?;
            if text.chars().all(|c| is_atom(c) || c == '.') { text } else { quote(&text) }
        } else {
            self.dotted()?
        };
        self.skip_blank()?;
        if !self.take('@') {
            return Err("mail: no angle-addr".to_owned());
        }
        self.skip_blank()?;
        if self.rest.is_empty() {
            return Err("mail: no domain in addr-spec".to_owned());
        }
        let domain = if self.rest.starts_with('[') { self.literal()? } else { self.dotted()? };
        Ok(format!("{local}@{domain}"))
    }

    /// Words in front of an address in brackets.
    fn name(&mut self) -> Result<(), String> {
        loop {
            self.skip_blank()?;
            if self.rest.starts_with('"') {
                self.quoted()?;
                continue;
            }
            let end = self.rest.find(|c| !is_atom(c) && c != '.').unwrap_or(self.rest.len());
            if end == 0 {
                return Ok(());
            }
            self.rest = &self.rest[end..];
        }
    }

    /// Atoms with dots between them.
    fn dotted(&mut self) -> Result<String, String> {
        let end = self.rest.find(|c| !is_atom(c) && c != '.').unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        if text.is_empty() {
            return Err("mail: invalid string".to_owned());
        }
        for (wrong, reason) in [
            (text.starts_with('.'), "mail: leading dot in atom"),
            (text.ends_with('.'), "mail: trailing dot in atom"),
            (text.contains(".."), "mail: double dot in atom"),
        ] {
            if wrong {
                return Err(reason.to_owned());
            }
        }
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
                c if c.is_control() && c != '\t' => break,
                c => text.push(c),
            }
        }
        Err("mail: unclosed quoted-string".to_owned())
    }

    /// `[192.0.2.1]`
    fn literal(&mut self) -> Result<String, String> {
        let end = self.rest.find(']').ok_or("mail: unclosed domain-literal")? + 1;
        let (text, rest) = self.rest.split_at(end);
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '<' || c == '>') {
            return Err("mail: bad character in domain-literal".to_owned());
        }
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Blanks, line ends and comments in parentheses.
    fn skip_blank(&mut self) -> Result<(), String> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
            if !self.rest.starts_with('(') {
                return Ok(());
            }
            let (mut depth, mut escaped, mut end) = (0u32, false, None);
            for (at, c) in self.rest.char_indices() {
                match c {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '(' => depth += 1,
                    ')' => {
                        depth -= 1;
                        if depth == 0 {
                            end = Some(at + 1);
                            break;
                        }
                    }
                    _ => {}
                }
            }
            let end = end.ok_or("mail: misformatted parenthetical comment")?;
            self.rest = &self.rest[end..];
        }
    }
}

/// Characters of an atom; beyond ASCII all but blanks and controls (RFC 6532).
fn is_atom(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    }
    !c.is_control() && !c.is_whitespace()
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_give_their_addresses() {
        for (text, wanted) in [
            ("a@x.org", vec!["a@x.org"]),
            ("<a@x.org>", vec!["a@x.org"]),
            ("A B <a@x.org>, c@x.org", vec!["a@x.org", "c@x.org"]),
            ("\"F, G\" <f@x.org>,,\tJ. Doe <j.d+t@x.org> ,", vec!["f@x.org", "j.d+t@x.org"]),
            (
                "a@x.org (comment (nested)), \"a b\"@[192.0.2.1]",
                vec!["a@x.org", "\"a b\"@[192.0.2.1]"],
            ),
            ("é@bücher.example", vec!["é@bücher.example"]),
        ] {
            assert_eq!(addresses(text).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, wanted) in [
            ("", "mail: no address"),
            ("a", "mail: missing '@' or angle-addr"),
            ("a b", "mail: missing '@' or angle-addr"),
            ("<a@x.org", "mail: unclosed angle-addr"),
            ("a@x.org b@x.org", "mail: no angle-addr"),
            ("a@x.org>\r\nRCPT TO:<b@x.org", "mail: no angle-addr"),
            ("<a@x.org\r\n>x", "mail: expected comma"),
            ("<.a@x.org>", "mail: leading dot in atom"),
            ("\"a", "mail: unclosed quoted-string"),
            ("<@x.org>", "mail: invalid string"),
        ] {
            assert_eq!(addresses(text).unwrap_err(), wanted, "{text}");
        }
    }
}
