//! The table against itself; the kinds' judgements are checked over whole files in crate `config`.

use super::*;

#[test]
fn kinds_ascend_by_key_and_are_all_there() {
    assert!(table::KINDS.windows(2).all(|pair| pair[0].key < pair[1].key));
    assert_eq!(SdConfigs::kinds().count(), 37);
    for schema in table::KINDS {
        assert_eq!(schema.key, format!("{}_sd_configs", schema.name));
    }
}
