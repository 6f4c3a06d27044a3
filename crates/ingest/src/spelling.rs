//! "Did you mean": the known word nearest to one that is not known.

/// The known word that `word` was probably meant to be: one that begins like it, or is few keystrokes away.
pub(crate) fn nearest(word: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let word: Vec<char> = word.chars().take(LONGEST).flat_map(char::to_lowercase).collect();
    let score = |candidate: &'static str| {
        let candidate_chars: Vec<char> = candidate.chars().collect();
        let begins = word.len() >= 3 && (candidate_chars.starts_with(&word) || word.starts_with(&candidate_chars));
        let distance = if begins { 1 } else { distance(&word, &candidate_chars) };
        (distance <= (word.len() / 4).max(2) && distance < word.len()).then_some((distance, candidate))
    };
    known.filter_map(score).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Longer words are cut before they are compared.
const LONGEST: usize = 40;

/// Levenshtein distance: insertions, deletions and replacements that turn `a` into `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Quantity;

    #[test]
    fn slips_find_their_word_and_strangers_find_none() {
        let quantities = || Quantity::ALL.iter().map(|quantity| quantity.key());
        for (slip, meant) in [
            ("temprature_c", Some("temperature_c")),
            ("temperature", Some("temperature_c")),
            ("Temperature_C", Some("temperature_c")),
            ("smoke", Some("smoke_db_m")),
            ("co_pmm", Some("co_ppm")),
            ("batery_pct", Some("battery_pct")),
            ("温度", None),
            ("lux", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(slip, quantities()), meant, "{slip}");
        }
    }

    #[test]
    fn a_word_of_any_length_is_compared_quickly() {
        assert_eq!(nearest(&"x".repeat(100_000), ["smoke"].into_iter()), None);
    }
}
