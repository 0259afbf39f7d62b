//! The characters of Unicode as Go knows them.
//!
//! The tables are those of `regex-syntax`, which is of Unicode 16.0. Go 1.26 is of 15.0, and Go 1.19, of which Prometheus 2.42 is
//! built, of 13.0: characters that have come since are unassigned there. The few characters that have changed meanwhile are
//! told here; the tests hold all of it against Go, character by character.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

use super::class;
use crate::compat::Compat;

/// Letters whose cases are taken for each other since Unicode 15.1.
const FOLDED_SINCE: [char; 6] = [
    '\u{390}', '\u{3b0}', '\u{1fd3}', '\u{1fe3}', '\u{fb05}', '\u{fb06}',
];

/// A mark that has width (`Mc`) since Unicode 16.0, and had none (`Mn`).
const WIDE_SINCE: char = '\u{1171e}';

/// The categories that Go has known all along.
const CATEGORIES: [&str; 36] = [
    "C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N",
    "Nd", "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So",
    "Z", "Zl", "Zp", "Zs",
];

/// Scripts that Go 1.26 knows and Go 1.19 does not.
const SCRIPTS_SINCE: [&str; 7] = [
    "Cypro_Minoan",
    "Kawi",
    "Nag_Mundari",
    "Old_Uyghur",
    "Tangsa",
    "Toto",
    "Vithkuqi",
];

/// The scripts of Go 1.26 by their names there, in order.
const SCRIPTS: [&str; 163] = [
    "Adlam",
    "Ahom",
    "Anatolian_Hieroglyphs",
    "Arabic",
    "Armenian",
    "Avestan",
    "Balinese",
    "Bamum",
    "Bassa_Vah",
    "Batak",
    "Bengali",
    "Bhaiksuki",
    "Bopomofo",
    "Brahmi",
    "Braille",
    "Buginese",
    "Buhid",
    "Canadian_Aboriginal",
    "Carian",
    "Caucasian_Albanian",
    "Chakma",
    "Cham",
    "Cherokee",
    "Chorasmian",
    "Common",
    "Coptic",
    "Cuneiform",
    "Cypriot",
    "Cypro_Minoan",
    "Cyrillic",
    "Deseret",
    "Devanagari",
    "Dives_Akuru",
    "Dogra",
    "Duployan",
    "Egyptian_Hieroglyphs",
    "Elbasan",
    "Elymaic",
    "Ethiopic",
    "Georgian",
    "Glagolitic",
    "Gothic",
    "Grantha",
    "Greek",
    "Gujarati",
    "Gunjala_Gondi",
    "Gurmukhi",
    "Han",
    "Hangul",
    "Hanifi_Rohingya",
    "Hanunoo",
    "Hatran",
    "Hebrew",
    "Hiragana",
    "Imperial_Aramaic",
    "Inherited",
    "Inscriptional_Pahlavi",
    "Inscriptional_Parthian",
    "Javanese",
    "Kaithi",
    "Kannada",
    "Katakana",
    "Kawi",
    "Kayah_Li",
    "Kharoshthi",
    "Khitan_Small_Script",
    "Khmer",
    "Khojki",
    "Khudawadi",
    "Lao",
    "Latin",
    "Lepcha",
    "Limbu",
    "Linear_A",
    "Linear_B",
    "Lisu",
    "Lycian",
    "Lydian",
    "Mahajani",
    "Makasar",
    "Malayalam",
    "Mandaic",
    "Manichaean",
    "Marchen",
    "Masaram_Gondi",
    "Medefaidrin",
    "Meetei_Mayek",
    "Mende_Kikakui",
    "Meroitic_Cursive",
    "Meroitic_Hieroglyphs",
    "Miao",
    "Modi",
    "Mongolian",
    "Mro",
    "Multani",
    "Myanmar",
    "Nabataean",
    "Nag_Mundari",
    "Nandinagari",
    "New_Tai_Lue",
    "Newa",
    "Nko",
    "Nushu",
    "Nyiakeng_Puachue_Hmong",
    "Ogham",
    "Ol_Chiki",
    "Old_Hungarian",
    "Old_Italic",
    "Old_North_Arabian",
    "Old_Permic",
    "Old_Persian",
    "Old_Sogdian",
    "Old_South_Arabian",
    "Old_Turkic",
    "Old_Uyghur",
    "Oriya",
    "Osage",
    "Osmanya",
    "Pahawh_Hmong",
    "Palmyrene",
    "Pau_Cin_Hau",
    "Phags_Pa",
    "Phoenician",
    "Psalter_Pahlavi",
    "Rejang",
    "Runic",
    "Samaritan",
    "Saurashtra",
    "Sharada",
    "Shavian",
    "Siddham",
    "SignWriting",
    "Sinhala",
    "Sogdian",
    "Sora_Sompeng",
    "Soyombo",
    "Sundanese",
    "Syloti_Nagri",
    "Syriac",
    "Tagalog",
    "Tagbanwa",
    "Tai_Le",
    "Tai_Tham",
    "Tai_Viet",
    "Takri",
    "Tamil",
    "Tangsa",
    "Tangut",
    "Telugu",
    "Thaana",
    "Thai",
    "Tibetan",
    "Tifinagh",
    "Tirhuta",
    "Toto",
    "Ugaritic",
    "Vai",
    "Vithkuqi",
    "Wancho",
    "Warang_Citi",
    "Yezidi",
    "Yi",
    "Zanabazar_Square",
];

/// The classes to which Go adds other cases of their characters under `(?i)`. It does not with others, closed or not.
const FOLDED: [&str; 9] = [
    "Common",
    "Greek",
    "Inherited",
    "L",
    "Ll",
    "Lt",
    "Lu",
    "M",
    "Mn",
];

/// The characters of the class that `\p{name}` means; `None` if Go knows none of that name.
pub(super) fn named(name: &str, folded: bool, compat: Compat) -> Option<ClassUnicode> {
    let set = match name {
        "Any" => return Some(class::any()),
        // Known since Go 1.25.
        "Cn" if compat == Compat::V3 => {
            let mut unassigned = assigned(compat).clone();
            unassigned.negate();
            return Some(unassigned);
        }
        "LC" if compat == Compat::V3 => property("\\p{gc=LC}", compat),
        "C" if compat == Compat::V2 => {
            let mut set = property("\\p{gc=C}", compat);
            set.intersect(assigned(compat));
            set
        }
        "C" => {
            let mut set = assigned(compat).clone();
            set.negate();
            set.union(&property("\\p{gc=C}", compat));
            set
        }
        // Surrogates are characters to Go, and in no text.
        "Cs" => ClassUnicode::empty(),
        _ if CATEGORIES.contains(&name) => {
            let mut set = property(&format!("\\p{{gc={name}}}"), compat);
            let changed = class::range(WIDE_SINCE.into(), WIDE_SINCE.into());
            match name {
                "Mc" => set.difference(&changed),
                "Mn" => set.union(&changed),
                _ => {}
            }
            set
        }
        _ if SCRIPTS.binary_search(&name).is_ok() => {
            if compat == Compat::V2 && SCRIPTS_SINCE.contains(&name) {
                return None;
            }
            property(&format!("\\p{{sc={name}}}"), compat)
        }
        _ => return None,
    };
    Some(match folded && FOLDED.contains(&name) {
        true => fold(set, compat),
        false => set,
    })
}

/// Every name of a class.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let later = ["Any", "Cn", "LC"];
    CATEGORIES.into_iter().chain(SCRIPTS).chain(later)
}

/// The characters, and all that differ from one of them in case only.
pub(super) fn fold(set: ClassUnicode, compat: Compat) -> ClassUnicode {
    let mut folded = set.clone();
    // What folds to ASCII has always done so.
    if set.ranges().last().is_none_or(|last| last.end().is_ascii()) {
        folded.case_fold_simple();
        return folded;
    }
    let known = assigned(compat);
    folded.intersect(known);
    folded.case_fold_simple();
    folded.intersect(known);
    for char in FOLDED_SINCE {
        folded.difference(&class::range(char.into(), char.into()));
    }
    folded.union(&set);
    folded
}

/// The characters that are assigned in Go's version of Unicode.
fn assigned(compat: Compat) -> &'static ClassUnicode {
    /// Codes that are no characters have an age as well.
    fn since(query: &str) -> ClassUnicode {
        let mut set = tables(query);
        set.difference(&tables("\\p{gc=Cn}"));
        set
    }
    static UNICODE_13: LazyLock<ClassUnicode> = LazyLock::new(|| since("\\p{age=13.0}"));
    static UNICODE_15: LazyLock<ClassUnicode> = LazyLock::new(|| since("\\p{age=15.0}"));
    match compat {
        Compat::V2 => &UNICODE_13,
        Compat::V3 => &UNICODE_15,
    }
}

/// The characters of a property that are assigned.
fn property(query: &str, compat: Compat) -> ClassUnicode {
    let mut set = tables(query);
    set.intersect(assigned(compat));
    set
}

/// The engine's table for a property. All queries are written in this file, and the tests ask each of them.
fn tables(query: &str) -> ClassUnicode {
    let hir = regex_syntax::parse(query).map(regex_syntax::hir::Hir::into_kind);
    match hir {
        Ok(HirKind::Class(Class::Unicode(set))) => set,
        // A class of one character is a literal.
        Ok(HirKind::Literal(literal)) => std::str::from_utf8(&literal.0)
            .into_iter()
            .flat_map(str::chars)
            .fold(ClassUnicode::empty(), |mut set, char| {
                set.union(&class::range(char.into(), char.into()));
                set
            }),
        Ok(_) | Err(_) => ClassUnicode::empty(),
    }
}
