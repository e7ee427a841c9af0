//! The model: an ensemble of oblivious trees.
//!
//! ```text
//! log odds(x) = base + sum over trees of  leaf[ sum over its levels d of 2^d * (x[feature_d] > border_d) ]
//! score(x)    = 1 / (1 + exp(-log odds))
//! ```
//! In an oblivious tree all nodes of a level ask the same question, so that a tree is a table: it is
//! evaluated without a branch, and cannot grow a path that only few sessions take.

use serde::{Deserialize, Serialize};

use super::vector::{Feature, Vector};

/// The model that `just train` makes.
static COMPILED_IN: &str = include_str!("../../model/fraud.json");

/// Levels of a tree at most.
const DEEPEST: usize = 8;

/// A trained model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Log of the odds before any tree.
    pub base: f64,
    /// The trees.
    pub trees: Vec<Tree>,
}

/// One tree: its questions, and what each combination of answers adds to the log of the odds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// The question of each level: is the feature above the border?
    pub levels: Vec<(Feature, f32)>,
    /// What is added; the answer of level `d` is bit `d` of the place.
    pub leaves: Vec<f32>,
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// It is not a model's JSON.
    #[error("the fraud model cannot be read; make one with `just train`")]
    Parse {
        /// The parser's reason.
        #[source]
        source: serde_json::Error,
    },
    /// A tree has too many levels, or not as many leaves as its levels lead to.
    #[error(
        "tree {tree} of the fraud model has {leaves} leaves for {levels} levels; expected two to the \
         power of the levels, and {DEEPEST} levels at most"
    )]
    Shape {
        /// Number of the tree, from 0.
        tree: usize,
        /// Levels found.
        levels: usize,
        /// Leaves found.
        leaves: usize,
    },
}

impl Model {
    /// The compiled-in model.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn compiled_in() -> Result<Self, ModelError> {
        Self::parse(COMPILED_IN)
    }

    /// Reads a model.
    ///
    /// # Errors
    /// If the text is no model.
    pub fn parse(json: &str) -> Result<Self, ModelError> {
        let model: Self =
            serde_json::from_str(json).map_err(|source| ModelError::Parse { source })?;
        for (number, tree) in model.trees.iter().enumerate() {
            let (levels, leaves) = (tree.levels.len(), tree.leaves.len());
            if levels > DEEPEST || leaves != 1 << levels {
                return Err(ModelError::Shape {
                    tree: number,
                    levels,
                    leaves,
                });
            }
        }
        Ok(model)
    }

    /// The model as text, a tree to a line.
    ///
    /// # Errors
    /// If a number is none.
    pub fn to_text(&self) -> Result<String, ModelError> {
        let json = |tree: &Tree| {
            serde_json::to_string(tree).map_err(|source| ModelError::Parse { source })
        };
        let trees: Result<Vec<String>, ModelError> = self.trees.iter().map(json).collect();
        let (base, trees) = (self.base, trees?.join(",\n"));
        Ok(format!("{{\"base\":{base},\"trees\":[\n{trees}\n]}}\n"))
    }

    /// Log of the odds that the session is somebody else's than the customer's.
    #[must_use]
    pub fn log_odds(&self, vector: &Vector) -> f64 {
        let trees = self.trees.iter().map(|tree| f64::from(tree.value(vector)));
        self.base + trees.sum::<f64>()
    }
}

impl Tree {
    fn value(&self, vector: &Vector) -> f32 {
        let mut place = 0;
        for (level, (feature, border)) in self.levels.iter().enumerate() {
            place |= usize::from(vector.get(*feature) > *border) << level;
        }
        self.leaves.get(place).copied().unwrap_or_default()
    }
}

/// The score of a log of odds, from 0 to 1, at four decimals.
#[must_use]
pub fn score(log_odds: f64) -> f64 {
    let score = 1.0 / (1.0 + libm::exp(-log_odds));
    (score * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_levels() -> Model {
        Model {
            base: -1.0,
            trees: vec![Tree {
                levels: vec![(Feature::NewDevice, 0.5), (Feature::Transfers, 0.5)],
                leaves: vec![0.0, 0.5, 0.25, 3.0],
            }],
        }
    }

    fn odds(device: i32, transfers: i32) -> f64 {
        let mut vector = Vector::default();
        vector.set(Feature::NewDevice, device);
        vector.set(Feature::Transfers, transfers);
        two_levels().log_odds(&vector)
    }

    #[test]
    fn each_combination_of_answers_has_its_leaf() {
        assert_eq!(
            [odds(0, 0), odds(1, 0), odds(0, 2), odds(1, 1)],
            [-1.0, -0.5, -0.75, 2.0]
        );
    }

    #[test]
    fn a_model_survives_its_text() {
        let text = two_levels().to_text().unwrap();
        assert_eq!(Model::parse(&text).unwrap(), two_levels());
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn a_table_of_the_wrong_size_is_refused() {
        let mut model = two_levels();
        model.trees[0].leaves.pop();
        let error = Model::parse(&model.to_text().unwrap()).unwrap_err();
        assert!(error.to_string().contains("3 leaves for 2 levels"));
        assert!(Model::parse("{}").is_err());
        assert!(Model::parse("{\"base\":0,\"trees\":[],\"x\":1}").is_err());
    }

    #[test]
    fn scores_are_shares_of_four_decimals() {
        assert_eq!(score(0.0), 0.5);
        assert_eq!(score(-800.0), 0.0);
        assert_eq!(score(800.0), 1.0);
        assert_eq!(score(1.386_294_4), 0.8);
    }

    #[test]
    fn the_compiled_in_model_is_sound() {
        let model = Model::compiled_in().unwrap();
        assert!(!model.trees.is_empty());
        assert!(model.log_odds(&Vector::default()) < 0.0);
    }
}
