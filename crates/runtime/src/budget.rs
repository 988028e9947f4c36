//! Byte budgets: memory is charged before it is used, and given back when the charge is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A budget in bytes, optionally part of a larger one.
#[derive(Debug)]
pub struct Budget {
    limit_bytes: u64,
    used_bytes: AtomicU64,
    peak_bytes: AtomicU64,
    parent: Option<Arc<Budget>>,
}

/// A charge that did not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{wanted_bytes} bytes more would pass the limit of {limit_bytes} bytes ({used_bytes} in use)"
)]
pub struct BudgetError {
    pub wanted_bytes: u64,
    pub used_bytes: u64,
    pub limit_bytes: u64,
}

impl Budget {
    pub fn new(limit_bytes: u64) -> Arc<Self> {
        Self::with_parent(limit_bytes, None)
    }

    /// A budget whose charges count against `parent` as well.
    pub fn with_parent(limit_bytes: u64, parent: Option<Arc<Budget>>) -> Arc<Self> {
        Arc::new(Self {
            limit_bytes,
            used_bytes: AtomicU64::new(0),
            peak_bytes: AtomicU64::new(0),
            parent,
        })
    }

    pub fn unlimited() -> Arc<Self> {
        Self::new(u64::MAX)
    }

    /// Takes `bytes`, given back when the charge is dropped.
    pub fn charge(self: &Arc<Self>, bytes: u64) -> Result<Charge, BudgetError> {
        self.take(bytes)?;
        Ok(Charge { budget: Arc::clone(self), bytes })
    }

    pub fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// The most that was ever in use at once.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    fn take(&self, bytes: u64) -> Result<(), BudgetError> {
        let before = self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        let after = before.saturating_add(bytes);
        let fits = after <= self.limit_bytes;
        let parent =
            if fits { self.parent.as_ref().map_or(Ok(()), |p| p.take(bytes)) } else { Ok(()) };
        if !fits || parent.is_err() {
            self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
            parent?;
            return Err(BudgetError {
                wanted_bytes: bytes,
                used_bytes: before,
                limit_bytes: self.limit_bytes,
            });
        }
        self.peak_bytes.fetch_max(after, Ordering::Relaxed);
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(parent) = &self.parent {
            parent.give_back(bytes);
        }
    }
}

/// Bytes taken from a budget. May grow; is given back whole.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Charge {
    /// Takes `bytes` more.
    pub fn grow(&mut self, bytes: u64) -> Result<(), BudgetError> {
        self.budget.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_counts_until_it_is_dropped() {
        let all = Budget::new(100);
        let one = Budget::with_parent(80, Some(Arc::clone(&all)));
        let mut charge = one.charge(50).unwrap();
        assert!(charge.grow(40).is_err(), "own limit");
        let _other = all.charge(45).unwrap();
        assert!(charge.grow(10).is_err(), "parent's limit");
        assert_eq!((one.used_bytes(), all.used_bytes()), (50, 95));
        drop(charge);
        assert_eq!((one.used_bytes(), all.used_bytes(), one.peak_bytes()), (0, 45, 50));
    }
}
