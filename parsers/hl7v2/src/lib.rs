//! HL7 v2: lossless tree, paths, escapes, acknowledgements, record. Pure.
