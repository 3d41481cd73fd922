// Placeholder until Postgres lands.
