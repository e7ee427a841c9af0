//! Kinds against kinds as a matrix: what incidents are in the rows, what alerts say of them in the columns.

use floodmark_contracts::{accuracy::KindPair, kind::Kind};

use crate::format::{count, percent};

/// Names of a side that a matrix has room for; beyond it the list alone stands.
const MOST: usize = 16;

/// Names that are no kinds, in the order in which they stand behind the kinds.
const OTHERS: [&str; 3] = ["foreign", "unnamed", "none"];

/// Steps of the shade of a cell.
const SHADES: u64 = 5;

/// The matrix, ready to print.
pub(super) struct Matrix<'a> {
    /// What alerts say.
    pub(super) columns: Vec<&'a str>,
    pub(super) rows: Vec<Row<'a>>,
}

/// What became of the incidents of one kind, or of the false alarms.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) cells: Vec<Cell>,
    pub(super) total: String,
}

/// One cell.
pub(super) struct Cell {
    /// Empty where there is nothing.
    pub(super) count: String,
    /// Colour and depth of the shade; what is right has a frame too.
    pub(super) class: String,
    /// The cell in words.
    pub(super) title: String,
}

/// The matrix of all pairs; none where there are no pairs, or more names than it has room for.
pub(super) fn matrix(pairs: &[KindPair]) -> Option<Matrix<'_>> {
    let rows = names(pairs.iter().map(|pair| pair.actual.as_str()));
    let alerted = pairs.iter().map(|pair| pair.alerted.as_str());
    // Each row that is a kind has its column, so that what is right stands on the diagonal.
    let kinds = rows.iter().copied().filter(|name| *name != "none");
    let columns = names(alerted.chain(kinds));
    if pairs.is_empty() || rows.len() > MOST || columns.len() > MOST {
        return None;
    }
    let rows = rows.into_iter().map(|name| row(name, &columns, pairs));
    Some(Matrix {
        rows: rows.collect(),
        columns,
    })
}

/// Each name once: kinds as the catalogue has them, then the others.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let place = |name: &str| {
        let kind = Kind::ALL.iter().position(|kind| kind.name() == name);
        let other = OTHERS.iter().position(|other| *other == name);
        kind.unwrap_or_else(|| Kind::ALL.len() + other.map_or(OTHERS.len(), |at| at))
    };
    let mut names: Vec<&str> = all.collect();
    names.sort_by_key(|name| (place(name), *name));
    names.dedup();
    names
}

fn row<'a>(name: &'a str, columns: &[&str], pairs: &[KindPair]) -> Row<'a> {
    let of_row = || pairs.iter().filter(|pair| pair.actual == name);
    let total: u64 = of_row().map(|pair| pair.count).sum();
    let cells = columns.iter().map(|column| {
        let found = of_row().find(|pair| pair.alerted == *column);
        cell(name, column, found.map_or(0, |pair| pair.count), total)
    });
    Row {
        name,
        cells: cells.collect(),
        total: count(total),
    }
}

fn cell(actual: &str, alerted: &str, found: u64, total: u64) -> Cell {
    // No false alarm is missed: that cell is of nothing.
    let is_right = actual == alerted && actual != "none";
    let side = if is_right { "right" } else { "wrong" };
    let class = match found {
        0 if is_right => "right".to_owned(),
        0 => String::new(),
        // What is there is never without a shade, however small its share.
        found => format!(
            "{side} shade-{}",
            (found * SHADES).div_ceil(total).clamp(1, SHADES)
        ),
    };
    Cell {
        count: if found == 0 {
            String::new()
        } else {
            count(found)
        },
        class,
        title: words(actual, alerted, found, total),
    }
}

/// A cell as a sentence would say it.
fn words(actual: &str, alerted: &str, found: u64, total: u64) -> String {
    let share = percent(found as f64 / total.max(1) as f64);
    let found = count(found);
    match (actual, alerted) {
        ("none", alerted) => format!("false alarms that say {alerted}: {found}, {share} of them"),
        (actual, "none") => format!("{actual} missed: {found}, {share} of its incidents"),
        (actual, alerted) => {
            format!("{actual} called {alerted}: {found}, {share} of its incidents")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(actual: &str, alerted: &str, count: u64) -> KindPair {
        KindPair {
            actual: actual.to_owned(),
            alerted: alerted.to_owned(),
            count,
        }
    }

    #[test]
    fn kinds_stand_in_the_order_of_the_catalogue_and_right_ones_on_the_diagonal() {
        let first = Kind::ALL[0].name();
        let second = Kind::ALL[1].name();
        let pairs = [
            pair(second, "none", 1),
            pair(second, "foreign", 2),
            pair("none", first, 4),
            pair(first, first, 98),
            pair(first, second, 2),
        ];
        let matrix = matrix(&pairs).unwrap();
        assert_eq!(matrix.columns, [first, second, "foreign", "none"]);
        let rows: Vec<(&str, Vec<&str>, &str)> = matrix
            .rows
            .iter()
            .map(|row| {
                let cells = row.cells.iter().map(|cell| cell.count.as_str());
                (row.name, cells.collect(), row.total.as_str())
            })
            .collect();
        let expected = [
            (first, vec!["98", "2", "", ""], "100"),
            (second, vec!["", "", "2", "1"], "3"),
            ("none", vec!["4", "", "", ""], "4"),
        ];
        assert_eq!(rows, expected);
        let classes: Vec<&str> = matrix.rows[0]
            .cells
            .iter()
            .map(|cell| cell.class.as_str())
            .collect();
        assert_eq!(classes, ["right shade-5", "wrong shade-1", "", ""]);
        assert_eq!(
            matrix.rows[1].cells[1].class, "right",
            "the frame shows without incidents"
        );
        assert_eq!(matrix.rows[2].cells[3].class, "", "no false alarm is right");
        assert_eq!(
            matrix.rows[1].cells[3].title,
            format!("{second} missed: 1, 33.3 % of its incidents")
        );
    }

    #[test]
    fn without_pairs_or_with_too_many_names_there_is_no_matrix() {
        assert!(matrix(&[]).is_none());
        let many: Vec<KindPair> = (0..20).map(|i| pair("none", &format!("x{i}"), 1)).collect();
        assert!(matrix(&many).is_none());
    }
}
