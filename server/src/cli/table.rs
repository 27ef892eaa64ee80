/// A plain-text table with aligned columns. Cells are not truncated, so that a path in the last column can be
/// copied.
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// Returns an empty table with these columns. A name that begins with `>` aligns its column to the right,
    /// for numbers.
    pub fn new(columns: &[&str]) -> Self {
        let right = columns.iter().map(|name| name.starts_with('>')).collect();
        let heading =
            columns.iter().map(|name| name.trim_start_matches('>').to_uppercase()).collect();
        Self { rows: vec![heading], right }
    }

    /// Adds a row with one cell per column.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// Returns the table as lines, each with a line end.
    pub fn text(&self) -> String {
        let width = |column| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, (&width, &right)) in row.iter().zip(widths.iter().zip(&self.right)) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                let padded =
                    if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
                line.push_str(&padded);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_the_last_is_left_alone() {
        let mut table = Table::new(&[">n", "name", "path"]);
        table.row(["7".into(), "Zoë".into(), "/a b/c.jpg".into()]);
        table.row(["12".into(), "Al".into(), "d".into()]);
        assert_eq!(table.text(), " N  NAME  PATH\n 7  Zoë   /a b/c.jpg\n12  Al    d\n");
    }
}
