//! The lines of a tree in front of the names of files.

use super::File;

/// What stands in front of a file, and of what is said about it below.
pub(super) struct Branch {
    pub(super) file: String,
    pub(super) below: String,
}

/// The lines in front of each file of a list in which directories stand before their files.
pub(super) fn branches(files: &[&File]) -> Vec<Branch> {
    // Whether a later file hangs on the same directory, counted from the end.
    let mut open: Vec<bool> = Vec::new();
    let mut branches: Vec<Branch> = files.iter().rev().map(|file| branch(file.depth, &mut open)).collect();
    branches.reverse();
    branches
}

fn branch(depth: usize, open: &mut Vec<bool>) -> Branch {
    open.resize(depth + 1, false);
    let line = |is_open: bool| if is_open { "│  " } else { "   " };
    let above: String = open.iter().take(depth).skip(1).map(|is_open| line(*is_open)).collect();
    let goes_on = open.get(depth).copied().unwrap_or_default();
    if let Some(place) = open.get_mut(depth) {
        *place = true;
    }
    if depth == 0 {
        return Branch { file: String::new(), below: String::new() };
    }
    let own = if goes_on { "├─ " } else { "└─ " };
    Branch { file: format!("{above}{own}"), below: format!("{above}{}", line(goes_on)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lead_from_each_directory_to_its_last_file() {
        let mut open = Vec::new();
        let mut lines: Vec<String> =
            [0, 1, 2, 2, 1].iter().rev().map(|depth| branch(*depth, &mut open).file).collect();
        lines.reverse();
        assert_eq!(lines, ["", "├─ ", "│  ├─ ", "│  └─ ", "└─ "]);
    }

    #[test]
    fn what_is_below_a_file_hangs_on_the_same_lines() {
        let mut open = Vec::new();
        let mut lines: Vec<String> =
            [1, 2, 1].iter().rev().map(|depth| branch(*depth, &mut open).below).collect();
        lines.reverse();
        assert_eq!(lines, ["│  ", "│     ", "   "]);
    }
}
