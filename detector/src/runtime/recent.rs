//! Lists of the last few values: there are several for each of a million keys.

use std::collections::VecDeque;

/// Adds a value; of `most` values the oldest goes first. Room grows by a half and never beyond `most`, where a list
/// left to itself doubles.
pub fn keep_last<T>(list: &mut VecDeque<T>, value: T, most: usize) {
    if list.len() >= most {
        list.pop_front();
    }
    let len = list.len();
    if len == list.capacity() {
        list.reserve_exact((len / 2).max(4).min(most.saturating_sub(len)).max(1));
    }
    list.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_and_nothing_beside_them() {
        let mut list = VecDeque::new();
        for value in 0..100 {
            keep_last(&mut list, value, 30);
            let room = list.len() + (list.len() / 2).max(4);
            assert!(list.capacity() <= room.min(30), "{}", list.len());
        }
        assert!(list.iter().copied().eq(70..100));
        keep_last(&mut list, 7, 1);
        assert_eq!(list.back(), Some(&7));
    }
}
