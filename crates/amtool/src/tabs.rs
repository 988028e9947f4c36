//! Columns out of cells that end in tabs, as Go's `text/tabwriter` makes them with two spaces between columns: a column is as
//! wide as the widest cell among lines that follow one another and have that cell.

/// Space between columns.
const PADDING: usize = 2;

/// Lays the lines out; a line's last cell ends with the line and belongs to no column.
pub(crate) fn align(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text
        .strip_suffix('\n')
        .unwrap_or(text)
        .split('\n')
        .map(|line| line.split('\t').collect())
        .collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len()]).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        let has = |line: &Vec<&str>| line.len() > column + 1;
        let mut start = 0;
        while start < lines.len() {
            if !has(&lines[start]) {
                start += 1;
                continue;
            }
            let end = start + lines[start..].iter().take_while(|line| has(line)).count();
            let cells = lines[start..end].iter().map(|line| line[column].chars().count());
            let widest = cells.max().unwrap_or(0);
            // A column whose cells are all empty takes no room.
            let width = if widest == 0 { 0 } else { widest + PADDING };
            for line in &mut widths[start..end] {
                line[column] = width;
            }
            start = end;
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (cells, widths) in lines.iter().zip(&widths) {
        for (cell, width) in cells.iter().zip(widths) {
            out.push_str(cell);
            let missing = width.saturating_sub(cell.chars().count());
            out.extend(std::iter::repeat_n(' ', missing));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(align("A\tBB\t\nlonger\tx\t\n"), "A       BB  \nlonger  x   \n");
    }

    #[test]
    fn a_line_without_cells_ends_a_column() {
        assert_eq!(align("Status:\tx\n\nA\tName\n"), "Status:  x\n\nA  Name\n");
    }
}
