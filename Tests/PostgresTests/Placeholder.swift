// Placeholder until PostgresTests land.
