//! The web site that visitors of the stream `clickstream` walk: its pages and links, the same in every
//! run. The data is `contracts/data/site.json`.

use std::sync::LazyLock;

static SITE_JSON: &str = include_str!("../data/site.json");

/// Pages and the links between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Site {
    pages: Vec<String>,
    links: Vec<Vec<usize>>,
}

impl Site {
    /// The site of every run.
    #[must_use]
    pub fn published() -> &'static Self {
        static SITE: LazyLock<Site> = LazyLock::new(|| Site::parse(SITE_JSON).unwrap_or_default());
        &SITE
    }

    /// Paths of all pages.
    #[must_use]
    pub fn pages(&self) -> &[String] {
        &self.pages
    }

    /// Index of the page with this path, if the site has it.
    #[must_use]
    pub fn page(&self, path: &str) -> Option<usize> {
        self.pages.iter().position(|page| page == path)
    }

    /// Indices of the pages that a page links to; none for a page that the site does not have.
    #[must_use]
    pub fn links(&self, page: usize) -> &[usize] {
        self.links.get(page).map_or(&[], Vec::as_slice)
    }

    /// True if a visitor can go from one page to the other: they are the same, or a link leads there.
    #[must_use]
    pub fn connects(&self, from: usize, to: usize) -> bool {
        from == to || self.links(from).contains(&to)
    }

    fn parse(json: &str) -> Option<Self> {
        let raw: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).ok()?;
        let pages: Vec<String> = raw.keys().cloned().collect();
        let index = |target: &serde_json::Value| {
            let path = target.as_str()?;
            pages.iter().position(|page| page == path)
        };
        let links = raw
            .values()
            .map(|targets| targets.as_array()?.iter().map(index).collect())
            .collect::<Option<_>>()?;
        Some(Self { pages, links })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_site_is_whole() {
        let site = Site::published();
        assert_eq!(site.pages().len(), 49);
        let home = site.page("/home").unwrap();
        for page in 0..site.pages().len() {
            assert!(!site.links(page).is_empty());
            assert!(!site.links(page).contains(&page), "{}", site.pages()[page]);
            assert!(site.connects(page, page));
        }
        assert!(site.connects(home, site.page("/search").unwrap()));
        assert!(!site.connects(home, site.page("/confirmation").unwrap()));
    }

    #[test]
    fn a_link_to_nowhere_makes_no_site() {
        assert_eq!(Site::parse(r#"{"/a": ["/b"]}"#), None);
    }
}
