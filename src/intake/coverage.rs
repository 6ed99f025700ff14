//! Coverage: which bytes of an upload have arrived. Clients write out of order; a file with a hole in it is not a file.

/// Most separate ranges that one upload may have at once. Clients keep about 64 writes in flight.
const MAX_RANGES: usize = 4096;

/// Ranges `start..end` of bytes that were written: sorted, apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Coverage {
    ranges: Vec<(u64, u64)>,
}

/// More than [`MAX_RANGES`] ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooScattered;

impl Coverage {
    /// Adds one write.
    pub(super) fn add(&mut self, start: u64, end: u64) -> Result<(), TooScattered> {
        if start >= end {
            return Ok(());
        }
        // The common case, writes in order, is one comparison.
        if let Some(last) = self.ranges.last_mut()
            && last.0 <= start
            && start <= last.1
        {
            last.1 = last.1.max(end);
            return Ok(());
        }
        let first = self.ranges.partition_point(|range| range.1 < start);
        let after = self.ranges.partition_point(|range| range.0 <= end);
        let touched = self.ranges.get(first..after).unwrap_or_default();
        let merged = touched.iter().fold((start, end), |sum, range| (sum.0.min(range.0), sum.1.max(range.1)));
        self.ranges.splice(first..after.max(first), [merged]);
        if self.ranges.len() > MAX_RANGES { Err(TooScattered) } else { Ok(()) }
    }

    /// Forgets everything from `length` on.
    pub(super) fn cut(&mut self, length: u64) {
        self.ranges.retain(|range| range.0 < length);
        if let Some(last) = self.ranges.last_mut() {
            last.1 = last.1.min(length);
        }
    }

    /// Whether every byte below `length` was written.
    pub(super) fn is_whole(&self, length: u64) -> bool {
        match self.ranges.as_slice() {
            [] => length == 0,
            [(0, end)] => *end >= length,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (&'static [(u64, u64)], u64, bool);

    #[test]
    fn a_hole_is_seen_in_whatever_order_the_writes_came() {
        let rows: [Row; 10] = [
            (&[], 0, true),
            (&[], 1, false),
            (&[(0, 10)], 10, true),
            (&[(0, 10), (10, 20)], 20, true),
            (&[(10, 20), (0, 10)], 20, true),
            (&[(20, 30), (0, 10), (10, 20)], 30, true),
            (&[(0, 10), (11, 20)], 20, false),
            (&[(5, 10)], 10, false),
            (&[(0, 4), (8, 12), (2, 9)], 12, true),
            (&[(8, 12), (0, 4), (20, 30), (0, 25)], 30, true),
        ];
        for (writes, length, whole) in rows {
            let mut coverage = Coverage::default();
            for (start, end) in writes {
                coverage.add(*start, *end).unwrap();
            }
            assert_eq!(coverage.is_whole(length), whole, "{writes:?}");
        }
    }

    #[test]
    fn a_cut_file_is_whole_up_to_the_cut() {
        let mut coverage = Coverage::default();
        coverage.add(0, 10).unwrap();
        coverage.add(20, 30).unwrap();
        coverage.cut(8);
        assert!(coverage.is_whole(8));
        assert!(!coverage.is_whole(9));
        coverage.cut(0);
        assert!(coverage.is_whole(0));
    }

    #[test]
    fn p9_scattered_writes_are_bounded() {
        let mut coverage = Coverage::default();
        let outcome = (0..10_000_u64).try_for_each(|n| coverage.add(n * 2, n * 2 + 1));
        assert_eq!(outcome, Err(TooScattered));
    }
}
