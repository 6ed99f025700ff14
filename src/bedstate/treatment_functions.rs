//! Treatment functions: the national list of what a bed is used for, as far as it can stand in a bed-state file.
//!
//! Source: NHS Data Dictionary, TREATMENT FUNCTION CODE. The list holds what was valid in 2018 and what was added until 2024:
//! a code is wrong because it never existed, not because a system is a few years behind or ahead.

/// Every code, in ascending order.
const CODES: &[u16] = &[
    100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 113, 115, 120, 130, 140, 141, 142, 143, 144, 145, 150, 160, 161, 170, 171,
    172, 173, 174, 180, 190, 191, 192, 200, 211, 212, 213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223, 230, 240, 241, 242, 250, 251,
    252, 253, 254, 255, 256, 257, 258, 259, 260, 261, 262, 263, 264, 270, 280, 290, 291, 300, 301, 302, 303, 304, 305, 306, 307, 308, 309,
    310, 311, 313, 314, 315, 316, 317, 318, 319, 320, 321, 322, 323, 324, 325, 326, 327, 328, 329, 330, 331, 333, 335, 340, 341, 342, 343,
    344, 345, 346, 347, 348, 350, 352, 360, 361, 370, 371, 400, 401, 410, 420, 421, 422, 424, 430, 431, 450, 451, 460, 461, 501, 502, 503,
    504, 505, 560, 650, 651, 652, 653, 654, 655, 656, 657, 658, 659, 660, 661, 662, 663, 670, 673, 675, 677, 700, 710, 711, 712, 713, 715,
    720, 721, 722, 723, 724, 725, 726, 727, 730, 800, 811, 812, 822, 834, 840, 920,
];

/// Whether a text is a treatment function of the national list: three digits, zeros and all.
#[must_use]
pub fn is_treatment_function(text: &str) -> bool {
    let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    digits && text.parse().is_ok_and(|code: u16| CODES.binary_search(&code).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_of_the_list_are_treatment_functions() {
        assert!(CODES.is_sorted());
        let rows =
            [("300", true), ("192", true), ("348", true), ("920", true), ("999", false), ("30", false), ("0300", false), ("3OO", false)];
        for (text, expected) in rows {
            assert_eq!(is_treatment_function(text), expected, "{text}");
        }
    }
}
