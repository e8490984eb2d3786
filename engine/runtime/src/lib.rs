//! The only place that spawns: ingest, workers, shutdown, telemetry.
