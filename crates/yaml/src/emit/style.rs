//! Which styles a scalar allows, by libyaml's rules.

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// What a scalar's characters allow.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    plain: bool,
    single_quoted: bool,
    literal: bool,
}

/// The wanted style, or the nearest that the text and its place allow.
pub(super) fn choose(text: &str, wanted: Style, flow: bool, key: bool) -> Style {
    let allowed = analyse(text, flow);
    let mut style = wanted;
    if style == Style::Plain && (!allowed.plain || (text.is_empty() && (flow || key))) {
        style = Style::SingleQuoted;
    }
    if style == Style::SingleQuoted && !allowed.single_quoted {
        style = Style::DoubleQuoted;
    }
    if style == Style::Literal && (!allowed.literal || flow || key) {
        style = Style::DoubleQuoted;
    }
    style
}

fn analyse(text: &str, flow: bool) -> Allowed {
    if text.is_empty() {
        return Allowed { plain: !flow, single_quoted: true, literal: false };
    }
    let (mut block_indicator, mut flow_indicator) = (false, false);
    let mut special = false;
    let (mut break_space, mut space_break) = (false, false);
    if text.starts_with("---") || text.starts_with("...") {
        (block_indicator, flow_indicator) = (true, true);
    }
    let mut before: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let space_behind = next.is_none_or(|c| is_space(c) || is_break(c));
        let space_before = before.is_none_or(|c| is_space(c) || is_break(c));
        let first = before.is_none();
        match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`'
                if first =>
            {
                (block_indicator, flow_indicator) = (true, true);
            }
            '-' if first && space_behind => (block_indicator, flow_indicator) = (true, true),
            '?' | ':' => {
                flow_indicator = true;
                block_indicator |= space_behind && (first || c == ':');
            }
            ',' | '[' | ']' | '{' | '}' => flow_indicator = true,
            '#' if space_before => (block_indicator, flow_indicator) = (true, true),
            _ => {}
        }
        special |= !is_printable(c);
        break_space |= c == ' ' && before.is_some_and(is_break);
        space_break |= is_break(c) && before == Some(' ');
        before = Some(c);
    }
    let ends = |c: char| c == ' ' || is_break(c);
    let breaks = text.contains(is_break);
    let edges = text.starts_with(ends) || text.ends_with(ends);
    let indicator = if flow { flow_indicator } else { block_indicator };
    let broken = special || space_break;
    Allowed {
        plain: !edges && !breaks && !break_space && !broken && !indicator,
        single_quoted: !break_space && !broken,
        literal: !text.ends_with(' ') && !broken,
    }
}

/// What Go writes as it is: no tabs, and nothing beyond the basic plane, though both may be read.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FEFE}' | '\u{FF00}'..='\u{FFFD}')
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t')
}
