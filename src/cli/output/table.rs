//! Columns: Go's text/tabwriter as podman sets it up (cells of at least 12, two spaces between, left aligned).
//!
//! A column is a run of lines that have a tab after that cell; what comes after the last tab of a line is in no column.

const MIN_WIDTH: usize = 12;
const PADDING: usize = 2;

/// Aligns lines whose cells are separated by tabs.
pub(crate) fn align(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let mut out = String::with_capacity(text.len() * 2);
    block(&lines, &mut Vec::new(), &mut out);
    out
}

/// Makes one line per row of cells, for [`align`].
pub(crate) fn rows<R: AsRef<[String]>>(rows: impl IntoIterator<Item = R>) -> String {
    rows.into_iter().map(|row| row.as_ref().join("\t") + "\n").collect()
}

/// Writes lines whose first columns have these widths; a run that has a further column is a block of its own.
fn block(lines: &[Vec<&str>], widths: &mut Vec<usize>, out: &mut String) {
    let column = widths.len();
    let has = |line: &Vec<&str>| column + 1 < line.len();
    let mut rest = lines;
    while !rest.is_empty() {
        let plain = rest.iter().position(has).unwrap_or(rest.len());
        rest[..plain].iter().for_each(|line| write(line, widths, out));
        rest = &rest[plain..];
        let run = rest.iter().position(|line| !has(line)).unwrap_or(rest.len());
        if run == 0 {
            continue;
        }
        let widest = rest[..run].iter().map(|line| width(line[column]) + PADDING).max().unwrap_or(0);
        widths.push(widest.max(MIN_WIDTH));
        block(&rest[..run], widths, out);
        widths.pop();
        rest = &rest[run..];
    }
}

fn write(line: &[&str], widths: &[usize], out: &mut String) {
    for (index, cell) in line.iter().enumerate() {
        out.push_str(cell);
        let missing = widths.get(index).map_or(0, |w| w.saturating_sub(width(cell)));
        out.extend(std::iter::repeat_n(' ', missing));
    }
    out.push('\n');
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_podmans() {
        let text = "CONTAINER ID\tIMAGE\tCOMMAND\tNAMES\n551a0e6d72cc\tlocalhost/x:1\ttrue\tc1\n";
        assert_eq!(
            align(text),
            "CONTAINER ID  IMAGE          COMMAND     NAMES\n551a0e6d72cc  localhost/x:1  true        c1\n"
        );
        assert_eq!(align("DRIVER\tVOLUME NAME\nlocal\tx\n"), "DRIVER      VOLUME NAME\nlocal       x\n");
    }

    #[test]
    fn a_column_ends_with_its_run() {
        let text = "a\tb\nlonger than twelve\tc\n\nx\ty\tz\n\t\tq\n";
        assert_eq!(
            align(text),
            "a                   b\nlonger than twelve  c\n\nx           y           z\n                        q\n"
        );
        assert_eq!(align(""), "");
        assert_eq!(rows([["a".to_owned(), "b".to_owned()]]), "a\tb\n");
    }
}
