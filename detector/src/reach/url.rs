//! URLs that hold no password.

use floodmark_contracts::problem::Problems;

/// Checks that a URL has one of these schemes and no password. It is never quoted: it may hold one.
pub(crate) fn without_password(
    problems: &mut Problems,
    path: &str,
    url: &str,
    schemes: &[&str],
    example: &str,
) -> Option<()> {
    let place = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    let Some(rest) = place.filter(|place| !place.is_empty()) else {
        problems.add(path, format!("this is no such URL; use `{example}`"));
        return None;
    };
    let has_password = rest
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'));
    if has_password || rest.contains("password=") {
        let message = "a password does not belong into a profile; use `password: { env: NAME }`";
        problems.add(path, message);
        return None;
    }
    Some(())
}
