//! Something held about each task, found by the task's id.

use std::collections::BTreeMap;
use std::fmt::Debug;

/// A map from task ids, as a [`Task`](crate::task::Task) chooses it.
pub trait Table<I, V>: Default + Debug + Clone + Send {
    /// The value of `id`.
    fn get(&self, id: &I) -> Option<&V>;
    /// The value of `id`, to be changed.
    fn get_mut(&mut self, id: &I) -> Option<&mut V>;
    /// Sets the value of `id`.
    fn insert(&mut self, id: I, value: V);
    /// Forgets `id`.
    fn remove(&mut self, id: &I) -> Option<V>;
    /// Every id with its value, in order of the ids.
    fn entries(&self) -> Vec<(I, V)>;
}

impl<I: Clone + Ord + Debug + Send, V: Clone + Debug + Send> Table<I, V> for BTreeMap<I, V> {
    fn get(&self, id: &I) -> Option<&V> {
        Self::get(self, id)
    }

    fn get_mut(&mut self, id: &I) -> Option<&mut V> {
        Self::get_mut(self, id)
    }

    fn insert(&mut self, id: I, value: V) {
        Self::insert(self, id, value);
    }

    fn remove(&mut self, id: &I) -> Option<V> {
        Self::remove(self, id)
    }

    fn entries(&self) -> Vec<(I, V)> {
        self.iter()
            .map(|(id, value)| (id.clone(), value.clone()))
            .collect()
    }
}

/// Entries of one page of a [`Pages`].
const PAGE: usize = 1024;

/// A table whose ids are numbers given out in ascending order: pages of entries in a row, each freed when the last of
/// its entries is gone. Tasks that come and go in order touch the same few pages, however many there were before.
#[derive(Debug, Clone)]
pub struct Pages<V> {
    pages: Vec<Option<Page<V>>>,
    spare: Vec<Page<V>>,
}

#[derive(Debug, Clone)]
struct Page<V> {
    entries: Box<[Option<V>]>,
    used: usize,
}

impl<V> Page<V> {
    /// An empty page. Apart, because who inserts millions of times needs it rarely.
    #[cold]
    #[inline(never)]
    fn new() -> Self {
        Self {
            entries: std::iter::repeat_with(|| None).take(PAGE).collect(),
            used: 0,
        }
    }
}

impl<V> Default for Pages<V> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            spare: Vec::new(),
        }
    }
}

/// Freed pages kept for reuse.
const SPARE_MAX: usize = 16;

impl<V: Clone> Pages<V> {
    fn place(id: u32) -> (usize, usize) {
        (id as usize / PAGE, id as usize % PAGE)
    }
}

impl<I: Copy + Into<u32> + From<u32> + Debug, V: Clone + Debug + Send> Table<I, V> for Pages<V> {
    #[inline]
    fn get(&self, id: &I) -> Option<&V> {
        let (page, entry) = Self::place((*id).into());
        self.pages.get(page)?.as_ref()?.entries[entry].as_ref()
    }

    #[inline]
    fn get_mut(&mut self, id: &I) -> Option<&mut V> {
        let (page, entry) = Self::place((*id).into());
        self.pages.get_mut(page)?.as_mut()?.entries[entry].as_mut()
    }

    #[inline]
    fn insert(&mut self, id: I, value: V) {
        let (page, entry) = Self::place(id.into());
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let spare = &mut self.spare;
        let page = self.pages[page].get_or_insert_with(|| spare.pop().unwrap_or_else(Page::new));
        page.used += usize::from(page.entries[entry].is_none());
        page.entries[entry] = Some(value);
    }

    #[inline]
    fn remove(&mut self, id: &I) -> Option<V> {
        let (place, entry) = Self::place((*id).into());
        let page = self.pages.get_mut(place)?.as_mut()?;
        let value = page.entries[entry].take()?;
        page.used -= 1;
        if page.used == 0
            && let Some(page) = self.pages[place].take()
            && self.spare.len() < SPARE_MAX
        {
            self.spare.push(page);
        }
        Some(value)
    }

    fn entries(&self) -> Vec<(I, V)> {
        let pages = self
            .pages
            .iter()
            .enumerate()
            .filter_map(|(number, page)| Some((number, page.as_ref()?)));
        pages
            .flat_map(|(number, page)| {
                let entries = page.entries.iter().enumerate();
                entries.filter_map(move |(entry, value)| {
                    let id = u32::try_from(number * PAGE + entry).ok()?;
                    Some((I::from(id), value.clone()?))
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pages_are_a_map(steps in prop::collection::vec((0_u32..5_000, any::<Option<u8>>()), 0..400)) {
            let (mut pages, mut map) = (Pages::default(), BTreeMap::new());
            for (id, step) in steps {
                match step {
                    Some(value) => {
                        Table::<u32, u8>::insert(&mut pages, id, value);
                        map.insert(id, value);
                    }
                    None => prop_assert_eq!(Table::<u32, u8>::remove(&mut pages, &id), map.remove(&id)),
                }
                prop_assert_eq!(Table::<u32, u8>::get(&pages, &id), map.get(&id));
            }
            prop_assert_eq!(Table::<u32, u8>::entries(&pages), map.into_iter().collect::<Vec<_>>());
        }
    }
}
