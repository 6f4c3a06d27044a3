//! The posts that people hold.

use serde::{Deserialize, Serialize};

use crate::ids::Level;

/// What a person is in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Post {
    Owner,
    GridWorker,
    VillageChief,
    TownshipChief,
    MicroStation,
    Commander,
}

impl Post {
    /// Those of the chain from the city down to the grid: all but the owners.
    pub const CHAIN: [Post; 5] =
        [Post::Commander, Post::TownshipChief, Post::VillageChief, Post::GridWorker, Post::MicroStation];

    const WORDS: [(&'static str, Post); 6] = [
        ("owner", Post::Owner),
        ("grid_worker", Post::GridWorker),
        ("village_chief", Post::VillageChief),
        ("township_chief", Post::TownshipChief),
        ("micro_station", Post::MicroStation),
        ("commander", Post::Commander),
    ];

    pub fn word(self) -> &'static str {
        Post::WORDS.iter().find(|(_, post)| *post == self).map_or("", |(word, _)| word)
    }

    pub fn from_word(word: &str) -> Option<Post> {
        Post::WORDS.iter().find(|(known, _)| *known == word).map(|(_, post)| *post)
    }

    /// The level of the region in which the post is held; `None` for owners (of units) and members of micro stations.
    pub fn level(self) -> Option<Level> {
        match self {
            Post::Owner | Post::MicroStation => None,
            Post::GridWorker => Some(Level::Grid),
            Post::VillageChief => Some(Level::Village),
            Post::TownshipChief => Some(Level::Township),
            Post::Commander => Some(Level::City),
        }
    }

    /// The post that a region of this level has.
    pub fn of_level(level: Level) -> Post {
        match level {
            Level::Grid => Post::GridWorker,
            Level::Village => Post::VillageChief,
            Level::Township => Post::TownshipChief,
            Level::City => Post::Commander,
        }
    }
}
