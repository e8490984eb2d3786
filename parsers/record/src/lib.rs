//! What every format becomes: the record, diagnostics and their places. Pure.
