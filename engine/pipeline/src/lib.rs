//! Configuration to plan, and process(): one message's journey. Pure.
